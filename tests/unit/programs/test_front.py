"""What stands in front of MLflow: a real server as the component renders it, and the front alone where times and addresses matter."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import database_outage
import front
import pytest

from tests.configurations import DEV, with_changes
from tests.support import processes, rendered

HOST, PREFIX = "mlflow.example.com", "/team/mlflow"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
MIB = 1 << 20
STRANGER, TRUSTED = "127.0.0.1", "127.0.0.2"


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: Where it listens, on the loopback.
        process: Id of the process that serves.
        log: What it writes.
        stop: What its pod runs before it ends.
    """

    port: int
    process: int
    log: Path
    stop: rendered.Container

    def most_memory(self) -> int:
        """The most that the process has held so far, in bytes."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server under a prefix behind an Ingress with TLS, one neighbour of which is trusted."""
    folder, port = tmp_path_factory.mktemp("server"), processes.free_port()
    configuration = with_changes(
        DEV,
        {
            "server.port": port,
            "server.drainSeconds": 1,
            "server.staticPrefix": PREFIX,
            "server.trustedProxies": [f"{TRUSTED}/32"],
            "server.allowedHosts": ["Elsewhere.Example.com."],
            "ingress": {"hosts": [{"host": HOST}], "tls": [{"secretName": "certificate"}]},
            "allowInsecure": True,
        },
    )
    main, log = rendered.pod(configuration, "mlflow-server", folder).main, folder / "log"

    def listens() -> bool:
        return processes.listens("127.0.0.1", port)

    with processes.running(main.command, log, env=main.environment, ready=listens):
        (process,) = processes.told(port)
        yield Server(port, process, log, replace(main, command=main.stop))


def ask(server: Server, method: str, path: str, source: str = STRANGER, **headers: str) -> http.client.HTTPResponse:
    """A request from a neighbour with this address; the answer is read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120, source_address=(source, 0))
    body = headers.pop("body", None)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    response.text = response.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return response


def test_a_connection_that_was_idle_longer_than_uvicorn_keeps_it_is_used_again(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for pause in (0, 6):
        time.sleep(pause)
        connection.request("GET", f"{PREFIX}/health")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"OK")


def test_a_pod_that_is_about_to_end_is_not_ready_for_the_kubelet_but_serves(server: Server) -> None:
    def health(agent: str) -> int:
        return ask(server, "GET", f"{PREFIX}/health", User_Agent=agent).status

    assert [health("kube-probe/1.35"), health("ELB-HealthChecker/2.0")] == [200, 200]
    began = time.monotonic()
    assert server.stop.finish().returncode == 0
    assert time.monotonic() - began >= 1
    assert [health("kube-probe/1.35"), health("ELB-HealthChecker/2.0")] == [503, 200]
    assert ask(server, "GET", f"{PREFIX}/version", User_Agent="kube-probe/1.35").status == 200


def test_an_upload_under_a_prefix_takes_as_much_memory_as_one_without(server: Server) -> None:
    def upload(path: str) -> int:
        """Send 200 MiB; returns the most memory that was held until then."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
        chunk = b"x" * MIB
        connection.putrequest("PUT", path, skip_accept_encoding=True)
        connection.putheader("Content-Length", str(200 * MIB))
        connection.endheaders()
        for _ in range(200):
            connection.send(chunk)
        assert connection.getresponse().status == 200
        return server.most_memory()

    floor = upload(f"{ARTIFACTS}/0/run/artifacts/a.bin")
    assert upload(f"{PREFIX}{ARTIFACTS}/0/run/artifacts/b.bin") - floor < 50 * MIB
    found = ask(server, "GET", f"{PREFIX}{ARTIFACTS}?path=0/run/artifacts")
    sizes = {each["path"]: int(each["file_size"]) for each in json.loads(found.text)["files"]}  # type: ignore[attr-defined]
    assert sizes == {"a.bin": 200 * MIB, "b.bin": 200 * MIB}
    # Its own log names the path that was asked for.
    assert f'"PUT {PREFIX}{ARTIFACTS}/0/run/artifacts/b.bin HTTP' in server.log.read_text()


@pytest.mark.parametrize(
    "host", [HOST, HOST.upper(), f"{HOST}.", f"{HOST}.:443", f"{HOST}:443", "elsewhere.example.com"]
)
def test_host_names_have_no_case_and_may_end_with_a_dot(server: Server, host: str) -> None:
    search = f"{PREFIX}/api/2.0/mlflow/experiments/create"
    body = json.dumps({"name": host})
    json_type = {"Content_Type": "application/json"}
    assert ask(server, "POST", search, Host=host, body=body, **json_type).status == 200
    for wrong in (f"{host}.attacker.example", f"attacker.example#{host}", f"{HOST}..", f"{HOST}:80"):
        assert ask(server, "POST", search, Host=wrong, body=body, **json_type).status == 403


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"https://{HOST}", 200),
        (f"https://{HOST.upper()}", 200),
        (f"https://{HOST}.", 200),
        (f"http://{HOST}", 403),
        ("https://attacker.example", 403),
        ("null", 403),
    ],
)
def test_origins_likewise(server: Server, origin: str, status: int) -> None:
    path, body = f"{PREFIX}/api/2.0/mlflow/experiments/create", json.dumps({"name": f"from {origin}"})
    assert (
        ask(server, "POST", path, Host=HOST, Origin=origin, body=body, Content_Type="application/json").status == status
    )


@pytest.mark.parametrize(
    ("source", "headers", "location"),
    [
        # TLS of the Ingress is known without anybody's word.
        (STRANGER, {"Host": HOST}, f"https://{HOST}{PREFIX}/"),
        (STRANGER, {"Host": "localhost"}, f"http://localhost{PREFIX}/"),
        (STRANGER, {"Host": "localhost", "X_Forwarded_Proto": "https"}, f"http://localhost{PREFIX}/"),
        (TRUSTED, {"Host": "localhost", "X_Forwarded_Proto": "https"}, f"https://localhost{PREFIX}/"),
        (TRUSTED, {"Host": HOST, "X_Forwarded_Proto": "http"}, f"http://{HOST}{PREFIX}/"),
    ],
)
def test_redirects_have_the_scheme_of_who_may_say_it(
    server: Server, source: str, headers: dict[str, str], location: str
) -> None:
    response = ask(server, "GET", PREFIX, source, **headers)
    assert response.status in (301, 307, 308)
    assert response.headers["Location"] == location


@pytest.mark.parametrize(("source", "logged"), [(STRANGER, STRANGER), (TRUSTED, "203.0.113.9")])
def test_the_log_names_the_client_if_a_trusted_proxy_tells_of_it(server: Server, source: str, logged: str) -> None:
    path = f"{PREFIX}/version?from={source}"
    assert ask(server, "GET", path, source, Host="localhost", X_Forwarded_For="192.0.2.1, 203.0.113.9").status == 200
    (line,) = [line for line in server.log.read_text().splitlines() if f"from={source} " in line]
    assert f"{logged}:" in line


def pods_view(
    monkeypatch: pytest.MonkeyPatch, peer: str, headers: dict[str, str], **environment: str
) -> tuple[str, str]:
    """Scheme and client as the front tells them to the application."""
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    for name, value in environment.items():
        monkeypatch.setenv(f"FRONT_{name}", value)
    pairs = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "scheme": "http", "method": "GET", "path": "/", "client": (peer, 1), "headers": pairs}
    whole: Any = front.Front(application)
    anyio.run(whole, scope, None, None)
    return seen[0]["scheme"], seen[0]["client"][0]


@pytest.mark.parametrize(
    ("peer", "headers", "environment", "expected"),
    [
        # A proxy in the same pod hands on what it was told; who told it is the last in the list.
        ("127.0.0.1", {"X_Forwarded_For": "1.2.3.4, 10.0.0.9", "X_Forwarded_Proto": "https"}, {"SIDECAR": "http"}, ("http", "10.0.0.9")),
        ("127.0.0.1", {"X_Forwarded_For": "1.2.3.4, 10.0.0.9", "X_Forwarded_Proto": "https"}, {"SIDECAR": "http", "PROXIES": "10.0.0.0/8"}, ("https", "1.2.3.4")),
        ("127.0.0.1", {"X_Forwarded_For": "10.0.0.9", "X_Forwarded_Proto": "http"}, {"SIDECAR": "https"}, ("https", "10.0.0.9")),
        ("10.0.0.9", {"X_Forwarded_For": "1.2.3.4", "X_Forwarded_Proto": "https"}, {}, ("http", "10.0.0.9")),
        ("10.0.0.9", {"X_Forwarded_For": "9.9.9.9, 1.2.3.4:5678, 10.0.0.8", "X_Forwarded_Proto": "HTTPS"}, {"PROXIES": "10.0.0.0/8"}, ("https", "1.2.3.4")),
        ("10.0.0.9", {"X_Forwarded_Proto": "gopher"}, {"PROXIES": "10.0.0.0/8"}, ("http", "10.0.0.9")),
        ("::ffff:10.0.0.9", {"X_Forwarded_For": "[2001:db8::1]:80", "X_Forwarded_Proto": "https"}, {"PROXIES": "10.0.0.0/8"}, ("https", "2001:db8::1")),
        ("2001:db8::9", {"X_Forwarded_For": "2001:db8:1::1", "X_Forwarded_Proto": "https"}, {"PROXIES": "fd00::/8,2001:db8::/64"}, ("https", "2001:db8:1::1")),
        ("10.0.0.9", {"Host": "A.Example.com.:443"}, {"HTTPS_HOSTS": "*.example.com"}, ("https", "10.0.0.9")),
        ("10.0.0.9", {"Host": "a.example.org"}, {"HTTPS_HOSTS": "*.example.com"}, ("http", "10.0.0.9")),
        ("", {}, {"PROXIES": "10.0.0.0/8"}, ("http", "")),
    ],
)  # fmt: skip
def test_forwarded_headers_are_believed_if_a_trusted_proxy_sent_them(
    monkeypatch, peer, headers, environment, expected
) -> None:
    assert pods_view(monkeypatch, peer, headers, **environment) == expected


class Upload:
    """A request with a body, and its answer."""

    def __init__(self, size: int, *, announced: bool = True) -> None:
        headers = [(b"content-length", str(size).encode())] if announced else []
        self.scope = {
            "type": "http",
            "scheme": "http",
            "method": "PUT",
            "path": f"{ARTIFACTS}/a",
            "client": None,
            "headers": headers,
        }
        self.left, self.status, self.body = size, 0, b""

    async def receive(self) -> dict[str, Any]:
        part = min(self.left, 1000)
        self.left -= part
        return {"type": "http.request", "body": b"x" * part, "more_body": self.left > 0}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


def keeper(tmp_path: Path, *, until: anyio.Event | None = None) -> Any:
    """An application that keeps each upload in a file, as MLflow does, until it has ended."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        file = tmp_path / str(id(scope))
        with file.open("wb") as sink:
            message: Any = {"more_body": True}
            while message.get("more_body"):
                message = await receive()
                if message["type"] == "http.disconnect":
                    file.unlink()
                    return
                sink.write(message["body"])
                sink.flush()
        if until is not None:
            await until.wait()
        file.unlink()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return application


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `/tmp` of 10 kB, and no patience."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("FRONT_TMP_BYTES", "10000")
    monkeypatch.setattr(front, "PATIENCE", 0.1)
    return tmp_path


def test_what_can_never_fit_is_refused_with_size_and_limit(small: Path) -> None:
    upload = Upload(10_001)
    anyio.run(front.Front(keeper(small)), upload.scope, upload.receive, upload.send)
    assert upload.status == 413 and upload.left == 0
    assert "10001 bytes" in json.loads(upload.body)["message"] and "pod.tmpSize" in json.loads(upload.body)["message"]
    fitting = Upload(10_000)
    anyio.run(front.Front(keeper(small)), fitting.scope, fitting.receive, fitting.send)
    assert fitting.status == 200


def test_what_does_not_fit_now_waits_and_is_then_asked_to_come_again(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def together() -> list[int]:
        first, second, again, third = Upload(6000), Upload(6000), Upload(6000), Upload(3000)
        ended = anyio.Event()
        whole = front.Front(keeper(small, until=ended))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole, first.scope, first.receive, first.send)
            await anyio.sleep(0.05)
            await whole(second.scope, second.receive, second.send)
            monkeypatch.setattr(front, "PATIENCE", 60)
            tasks.start_soon(whole, again.scope, again.receive, again.send)
            tasks.start_soon(whole, third.scope, third.receive, third.send)
            await anyio.sleep(0.05)
            ended.set()
        assert list(small.iterdir()) == []
        return [first.status, second.status, again.status, third.status]

    assert anyio.run(together) == [200, 503, 200, 200]


def test_what_does_not_say_its_size_is_ended_where_it_does_not_fit(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = Upload(20_000, announced=False)
    anyio.run(front.Front(keeper(small)), upload.scope, upload.receive, upload.send)
    assert upload.status == 0 and upload.left >= 8000 and list(small.iterdir()) == []
    walks: list[None] = []
    used = front.Room.used
    monkeypatch.setattr(front.Room, "used", lambda room: walks.append(None) or used(room))
    monkeypatch.setattr(front, "FRESH", 1000)
    fitting = Upload(9000, announced=False)
    anyio.run(front.Front(keeper(small)), fitting.scope, fitting.receive, fitting.send)
    assert fitting.status == 200
    assert len(walks) == 1, "the folder is not walked at each part"


def test_while_the_database_does_not_answer_clients_choose_their_own_pauses() -> None:
    # MLflow's client tries seven times: two seconds apart if it is told so, or over four minutes.
    sent: list[dict[str, Any]] = []

    async def failing(_: Any, __: Any, send: Any) -> None:
        database_outage.note("failed")
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def keep(message: Any) -> None:
        sent.append(message)

    async def ask() -> None:
        await database_outage.answering(failing)({"type": "http"}, None, keep)  # type: ignore[arg-type]

    anyio.run(ask)
    assert sent[0]["status"] == 503 and b"retry-after" not in dict(sent[0]["headers"])
    assert json.loads(sent[1]["body"])["error_code"] == "TEMPORARILY_UNAVAILABLE"
