"""What an OAuth 2.0 provider that is no OpenID Connect provider does: the log-in of GitHub Enterprise Server, and the part of its API
that tells who a user is (https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps)."""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support import certificates, threads

TEAMS: Mapping[str, Sequence[str]] = {"ada": ["data-science"], "grace": ["platform"], "mallory": []}
"""Users, and the teams of the organization `acme` that each is in; `mallory` is not in the organization."""


@dataclass
class GitHub:
    """A running server.

    Attributes:
        url: Its address.
        ca_certificate: Authority of its certificate.
        client_id, client_secret: The one application.
        user: Who sits at the browser that comes next, logged in.
    """

    url: str
    ca_certificate: str
    client_id: str = "mlflow"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    user: str = ""
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def api(self, path: str, query: Mapping[str, str], user: str) -> Any:
        """What the API answers to a user."""
        member = bool(TEAMS[user]) and query.get("page") == "1"
        acme = {"login": "acme", "name": "The acme organization"}
        return {
            "": {"current_user_url": f"{self.url}/api/v3/user"},
            "/user": {"login": user, "email": None},
            "/user/emails": [{"email": f"{user}@example.com", "primary": True, "verified": True}],
            "/user/orgs": [acme] if member else [],
            "/user/teams": [{"name": "A team", "slug": slug, "organization": acme} for slug in TEAMS[user] if member],
        }[path]


@contextlib.contextmanager
def serve(host: str) -> Iterator[GitHub]:
    """Run a server at an address of this machine."""
    made = certificates.make(host)
    server = ThreadingHTTPServer((host, 0), _Handler)
    github = _Handler.github = GitHub(f"https://{host}:{server.server_port}", made.authority)
    with threads.serving(server, made.context()):
        yield github


class _Handler(BaseHTTPRequestHandler):
    github: GitHub

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        if target.path == "/login/oauth/authorize":
            code = secrets.token_urlsafe()
            self.github.tokens[code] = self.github.user
            self._answer(302, b"", f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}")
            return
        user = self.github.tokens.get(self.headers.get("Authorization", "").removeprefix("token "))
        if user is None or not target.path.startswith("/api/v3"):
            self._answer(401 if user is None else 404, b"{}")
        else:
            self._answer(200, json.dumps(self.github.api(target.path.removeprefix("/api/v3"), query, user)).encode())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        user = self.github.tokens.pop(form["code"][0], None)
        client = (form["client_id"][0], form["client_secret"][0])
        if user is None or client != (self.github.client_id, self.github.client_secret):
            self._answer(200, json.dumps({"error": "bad_verification_code"}).encode())
            return
        token = f"gho_{secrets.token_urlsafe()}"
        self.github.tokens[token] = user
        self._answer(200, json.dumps({"access_token": token, "token_type": "bearer"}).encode())

    def _answer(self, status: int, body: bytes, location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
