"""The calls to the Kubernetes API that an upgrade makes, to a server of this file's own that goes away and comes back."""

import contextlib
import json
import ssl
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes_api
import pytest

from tests.support import certificates, processes, threads

HOST = "127.0.0.1"
DEPLOYMENT = {"spec": {"replicas": 2}}


class Server:
    """An API server that can be away.

    Attributes:
        answers: Statuses of the next answers; 200 after them.
        tokens: With which token each request came.
    """

    def __init__(self, folder: Path) -> None:
        self.answers: list[int] = []
        self.tokens: list[str | None] = []
        self.port = processes.free_port()
        made = certificates.make(HOST)
        self._chain = folder / "chain.pem"
        self._chain.write_text(made.certificate + made.key)
        self.authority = made.authority

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.tokens.append(self.headers["Authorization"])
                status = server.answers.pop(0) if server.answers else 200
                body = json.dumps(DEPLOYMENT if status == 200 else {"message": f"as the test says: {status}"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        made = HTTPServer((HOST, self.port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain)
        with threads.serving(made, context):
            yield


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, away, and the account of a pod that knows it."""
    made = Server(tmp_path)
    for name, text in {"namespace": "ml\n", "token": "first\n", "ca.crt": made.authority}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(kubernetes_api, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", HOST)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(made.port))
    return made


def _meanwhile(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """Do something instead of the first wait."""
    waits = iter([what])
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: next(waits, lambda: None)())
    monkeypatch.setattr(kubernetes_api, "time", clock)


def test_an_api_server_that_is_away_for_a_while_is_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    cluster = kubernetes_api.Cluster(said.append)
    with contextlib.ExitStack() as stack:

        def back() -> None:
            (tmp_path / "token").write_text("second\n")
            server.answers = [503, 429]
            stack.enter_context(server.running())

        _meanwhile(monkeypatch, back)
        assert cluster.get("deployments", "mlflow") == DEPLOYMENT
        assert said == ["waiting for the Kubernetes API: [Errno 111] Connection refused"]
        assert server.tokens == ["Bearer second"] * 3


def test_one_that_stays_away_or_refuses_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = kubernetes_api.Cluster(lambda _: None)
    monkeypatch.setattr(kubernetes_api, "PATIENCE", 0.0)
    _meanwhile(monkeypatch, lambda: None)
    with pytest.raises(kubernetes_api.ApiError, match=r"did not answer within 0 seconds: .*refused"):
        cluster.get("deployments", "mlflow")
    monkeypatch.undo()
    server.answers = [403, 404]
    monkeypatch.setattr(kubernetes_api, "ACCOUNT", server._chain.parent)
    with server.running():
        with pytest.raises(kubernetes_api.ApiError, match=r"refuses GET .*: as the test says: 403"):
            cluster.get("deployments", "mlflow")
        assert cluster.get("deployments", "mlflow") is None
