"""Microsoft's sign-in on this machine: a token for an identity in exchange for one of a ServiceAccount, if Azure was told so."""

import base64
import contextlib
import json
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.support import threads
from tests.support.azure_provider import Azure
from tests.support.kubernetes import Kubectl

HOST, TENANT = "login.microsoftonline.com", "00000000-0000-0000-0000-00000000000a"
STORAGE = "https://storage.azure.com"
AUDIENCE = "api://AzureADTokenExchange"


def exchange(cloud: Azure, kubectl: Kubectl, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """The answer to a request for a token: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow."""
    assertion = form["client_assertion"]
    issuer = json.loads(_unpadded(assertion.split(".")[1]))["iss"]
    spec = {"token": assertion, "audiences": [AUDIENCE]}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
    asked = kubectl.text("create", "--filename", "-", "--output", "json", input=json.dumps(review))
    # The cluster says whose token it is, and for whom it was made.
    who = json.loads(asked)["status"]
    presented = (issuer, who.get("user", {}).get("username"), who.get("audiences"))
    for identity in cloud.of("UserAssignedIdentity"):
        trusted = [
            (each["issuer"], each["subject"], each["audiences"])
            for each in cloud.of("FederatedIdentityCredential")
            if each["resourceName"] == identity["name"]
        ]
        if identity["clientId"] == form["client_id"] and who.get("authenticated") and presented in trusted:
            return 200, {"token_type": "Bearer", "expires_in": 3600, "access_token": _token(identity["principalId"])}
    message = f"AADSTS700213: No matching federated identity record found for presented assertion {presented}"
    return 400, {"error": "invalid_client", "error_description": message}


def _token(principal: str) -> str:
    now = int(time.time())
    claims = {"aud": STORAGE, "iss": f"https://sts.windows.net/{TENANT}/", "oid": principal, "tid": TENANT}
    claims |= {"iat": now, "nbf": now - 60, "exp": now + 3600}
    parts = [json.dumps(each).encode() for each in ({"alg": "RS256", "typ": "JWT"}, claims)] + [b"of nobody"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextlib.contextmanager
def serve(cloud: Azure, kubectl: Kubectl, certificate: Path, key: Path) -> Iterator[int]:
    """Answer over TLS on a port of this machine, which is told, until the body ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            code, answer = exchange(cloud, kubectl, {name: values[0] for name, values in parse_qs(body).items()})
            content = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with threads.serving(server, context) as port:
        yield port
