"""A small OpenID Connect provider on this machine, reachable from pods: the code flow with PKCE, and refresh tokens, over TLS
(https://openid.net/specs/openid-connect-core-1_0.html)."""

import base64
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support import certificates, threads

USERS: Mapping[str, Sequence[str]] = {"ada": ["data-science"], "grace": ["platform", "staff"], "mallory": ["sales"]}
"""Who there is, and the groups that each is in."""


@dataclass
class Issuer:
    """A running provider.

    Attributes:
        url: The issuer.
        ca_certificate: Authority of its certificate.
        client_id, client_secret, redirect_url: The one client.
        passwords: Passwords of the users.
        groups: The groups of each user, as they are now.
        refresh_tokens: Users by the refresh tokens that they have; None if none are given out.
        lasts: Seconds for which a token is valid.
        discovery: Whether it publishes where everything is.
        refreshed: How often a refresh token has been used.
    """

    url: str
    ca_certificate: str
    redirect_url: str
    client_id: str = "mlflow"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(12) + "&=%+ ü", repr=False)
    passwords: Mapping[str, str] = field(default_factory=lambda: {name: secrets.token_hex(8) for name in USERS})
    groups: dict[str, list[str]] = field(default_factory=lambda: {name: list(found) for name, found in USERS.items()})
    refresh_tokens: dict[str, str] | None = field(default_factory=dict, repr=False)
    lasts: int = 600
    discovery: bool = True
    refreshed: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    def token(self, user: str, audience: str | None = None, lasts: int | None = None, **claims: Any) -> str:
        """A signed token, as a program gets one from the provider.

        Args:
            user: Name of the user.
            audience: Whom it is made for; the client if None.
            lasts: Seconds until it is no longer valid; as usual if None.
            **claims: Further or other claims.
        """
        now = int(time.time())
        content = {
            "iss": self.url,
            "sub": f"id-of-{user}",
            "aud": audience or self.client_id,
            "iat": now,
            "exp": now + (self.lasts if lasts is None else lasts),
            "email": f"{user}@example.com",
            "email_verified": True,
            "preferred_username": user,
            "groups": self.groups[user],
        }
        header = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, {**content, **claims}))
        return f"{signed}.{_encoded(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def authorize(self, query: Mapping[str, str], user: str, password: str) -> str | None:
        """Log a user in; the address to send the browser to, or None if the password is wrong."""
        assert query["redirect_uri"] == self.redirect_url and query["client_id"] == self.client_id
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        if not secrets.compare_digest(self.passwords.get(user, "").encode(), password.encode()):
            return None
        code = secrets.token_urlsafe()
        self.codes[code] = {"user": user, "challenge": query["code_challenge"], "nonce": query.get("nonce", "")}
        return f"{self.redirect_url}?{urlencode({'code': code, 'state': query['state']})}"

    def redeem(self, form: Mapping[str, str], client: tuple[str, str]) -> dict[str, Any] | None:
        """The tokens for a code or a refresh token, each of them once; None for whoever may not have them."""
        if client != (self.client_id, self.client_secret):
            return None
        if form.get("grant_type") == "refresh_token":
            user = (self.refresh_tokens or {}).pop(form["refresh_token"], None)
            self.refreshed += 1
            return None if user is None else self._tokens(user)
        found = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if found is None or _encoded(verifier) != found["challenge"]:
            return None
        return self._tokens(found["user"], nonce=found["nonce"])

    def _tokens(self, user: str, **claims: Any) -> dict[str, Any]:
        made: dict[str, Any] = {
            "access_token": secrets.token_urlsafe(),
            "token_type": "Bearer",
            "expires_in": self.lasts,
        }
        if self.refresh_tokens is not None:
            made["refresh_token"] = secrets.token_urlsafe()
            self.refresh_tokens[made["refresh_token"]] = user
        return {**made, "id_token": self.token(user, **claims)}

    def document(self, path: str) -> dict[str, Any] | None:
        """What anybody may read."""
        if path == "/.well-known/openid-configuration" and self.discovery:
            endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            return {
                "issuer": self.url,
                **{name: f"{self.url}/{end}" for name, end in endpoints.items()},
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        if path == "/keys":
            numbers = self.key.public_key().public_numbers()
            key = {"n": _encoded(numbers.n.to_bytes(256, "big")), "e": _encoded(numbers.e.to_bytes(3, "big"))}
            return {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", **key}]}
        return None


@contextlib.contextmanager
def serve(host: str, redirect_url: str) -> Iterator[Issuer]:
    """Run a provider.

    Args:
        host: Address of this machine at which pods reach it; also the name in its certificate.
        redirect_url: Where it sends browsers back to.
    """
    made = certificates.make(host)
    server = ThreadingHTTPServer(("0.0.0.0", 0), _Handler)
    issuer = _Handler.issuer = Issuer(f"https://{host}:{server.server_port}", made.authority, redirect_url)
    with threads.serving(server, made.context()):
        yield issuer


class _Handler(BaseHTTPRequestHandler):
    issuer: Issuer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/authorize":
            self._answer(200, b"<form method=post>name and password</form>", "text/html")
        elif (document := self.issuer.document(path)) is not None:
            self._answer(200, json.dumps(document).encode())
        else:
            self._answer(404, b"{}")

    def do_POST(self) -> None:
        target = urlsplit(self.path)
        form = _flat(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if target.path == "/authorize":
            address = self.issuer.authorize(_flat(target.query), form["name"], form["password"])
            self._answer(401 if address is None else 302, b"", location=address)
        elif target.path == "/token":
            tokens = self.issuer.redeem(form, self._client(form))
            self._answer(400 if tokens is None else 200, json.dumps(tokens or {"error": "invalid_grant"}).encode())

    def _client(self, form: Mapping[str, str]) -> tuple[str, str]:
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return form.get("client_id", ""), form.get("client_secret", "")
        # Both are encoded as in a form first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        name, _, password = base64.b64decode(given).decode().partition(":")
        plain = _flat(f"name={name}&password={password}")
        return plain["name"], plain["password"]

    def _answer(self, status: int, body: bytes, kind: str = "application/json", location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _flat(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
