"""Clouds' object stores under their own names on this machine, for programs that run outside of pods and know no other names.

Programs in Go ask a proxy for the way, and those that ask the C library are told addresses by a file; each finds TLS with a certificate
of the tests in that name.
"""

import base64
import contextlib
import http.client
import json
import secrets
import shutil
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.support import azure, certificates, gcs, threads
from toolchain.bare import debian

LOCAL = "127.0.0.1"
GOOGLE, GOOGLE_TOKENS = "storage.googleapis.com", "oauth2.googleapis.com"
AZURE = f"{azure.ACCOUNT}.blob.core.windows.net"


@dataclass(frozen=True)
class Named:
    """Stores that are reached by the clouds' own names.

    Attributes:
        folder: With `authority.pem`, `server.crt` and `server.key`.
        ports: Where each name is served, filled in by those who serve.
        proxy: URL of the proxy that leads there.
        tls: How to speak TLS under these names.
    """

    folder: Path
    ports: dict[str, int]
    proxy: str
    tls: ssl.SSLContext = field(repr=False)

    @property
    def for_go(self) -> dict[str, str]:
        """Variables of programs in Go."""
        return {"HTTPS_PROXY": self.proxy, "SSL_CERT_FILE": str(self.folder / "authority.pem")}

    @property
    def for_c(self) -> dict[str, str]:
        """Variables of programs that resolve names by the C library. They must be told the ports."""
        (library,) = debian.unpack(["libnss-wrapper"]).glob("usr/lib/*/libnss_wrapper.so")
        readable = self.folder / library.name
        shutil.copyfile(library, readable)
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"{LOCAL} {name}\n" for name in self.ports))
        return {"LD_PRELOAD": str(readable), "NSS_WRAPPER_HOSTS": str(hosts)}


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Named]:
    """Run the proxy.

    Args:
        folder: An empty folder, which the programs may enter.
    """
    made = certificates.make(LOCAL, GOOGLE, GOOGLE_TOKENS, AZURE)
    for name, text in {"authority.pem": made.authority, "server.crt": made.certificate, "server.key": made.key}.items():
        (folder / name).write_text(text)
    ports: dict[str, int] = {}

    class Tunnel(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            host = self.rfile.readline().split()[1].decode().partition(":")[0]
            while self.rfile.readline().strip():
                pass
            if host not in ports:
                self.wfile.write(b"HTTP/1.1 502 nobody is here\r\n\r\n")
                return
            with socket.create_connection((LOCAL, ports[host])) as there:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
                back.start()
                _copy(self.connection, there)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with threads.serving(Server((LOCAL, 0), Tunnel)) as port:
        yield Named(folder, ports, f"http://{LOCAL}:{port}", made.context())


def _copy(source: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65_536):
            to.sendall(content)
    with contextlib.suppress(OSError):
        to.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def azure_blobs(program: str, named: Named) -> Iterator[azure.Container]:
    """Azurite as Azure's blob storage.

    Args:
        program: Azurite.
        named: The names.
    """
    with azure.serve(program, LOCAL, named.folder / "azurite.log", named.folder) as container:
        named.ports[AZURE] = container.port
        yield container


@dataclass(frozen=True)
class Google:
    """A bucket that only a service account may use.

    Attributes:
        bucket: As fake-gcs-server shows it to the tests, which need no account.
        key_file: Key file of the service account.
    """

    bucket: gcs.Bucket
    key_file: str = field(repr=False)


@contextlib.contextmanager
def google_storage(program: str, named: Named) -> Iterator[Google]:
    """fake-gcs-server as Google's storage, behind what it has not: TLS, links with it, tokens, and the header with the id of an upload in
    parts.

    Args:
        program: fake-gcs-server.
        named: The names.
    """
    key, tokens = rsa.generate_private_key(public_exponent=65537, key_size=2048), set[str]()
    with gcs.serve(program, LOCAL, named.folder / "gcs.log", GOOGLE) as url, contextlib.ExitStack() as stack:
        for name, handler in {GOOGLE: _storage(url, tokens), GOOGLE_TOKENS: _sign_in(key.public_key(), tokens)}.items():
            server = ThreadingHTTPServer((LOCAL, 0), handler)
            named.ports[name] = stack.enter_context(threads.serving(server, named.tls))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        content = {
            "type": "service_account",
            "project_id": "project-of-tests",
            "private_key_id": secrets.token_hex(20),
            "private_key": pem.decode(),
            "client_email": "backups@project-of-tests.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"https://{GOOGLE_TOKENS}:{named.ports[GOOGLE_TOKENS]}/token",
        }
        yield Google(gcs.bucket(url), json.dumps(content))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code: int, headers: Mapping[str, str], content: bytes) -> None:
        """Send an answer; one to HEAD says nothing of its length."""
        self.send_response(code)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _sign_in(key: rsa.RSAPublicKey, tokens: set[str]) -> type[_Handler]:
    """Tokens for assertions that the account's key has signed: https://developers.google.com/identity/protocols/oauth2/service-account."""

    class SignIn(_Handler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            signed, _, signature = form["assertion"][0].rpartition(".")
            key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            assert "devstorage" in json.loads(_decoded(signed.split(".")[1]))["scope"]
            token = secrets.token_hex(16)
            tokens.add(token)
            answer = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
            self.answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

    return SignIn


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _storage(url: str, tokens: set[str]) -> type[_Handler]:
    class Storage(_Handler):
        def _passed_on(self) -> None:
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in tokens:
                self.answer(401, {}, b"{}")
                return
            there = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
            content = self._content()
            left_out = ("connection", "host", "transfer-encoding", "content-length")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            there.request(self.command, self.path, content, {**headers, "Host": GOOGLE})
            found = there.getresponse()
            content = found.read()
            if "json" in found.headers.get("Content-Type", ""):
                # Where it says that an object is to be fetched.
                content = content.replace(f"http://{GOOGLE}".encode(), f"https://{GOOGLE}".encode())
            left_out = ("transfer-encoding", "content-length", "connection")
            kept = {name: value for name, value in found.getheaders() if name.lower() not in left_out}
            upload = parse_qs(urlsplit(found.headers.get("Location", "")).query).get("upload_id")
            self.answer(found.status, {**kept, **({"X-GUploader-UploadID": upload[0]} if upload else {})}, content)
            there.close()

        def _content(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

    for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
        setattr(Storage, f"do_{method}", Storage._passed_on)
    return Storage
