"""The server's program against `mlflow server` itself: the same answers, from one process, for each version that it starts."""

import base64
import contextlib
import http.client
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components import versions
from tests.configurations import DEV, with_changes
from tests.support import older, processes, rendered, schemas

PREFIX = "/team"
EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=5"
LOGIN = {"Authorization": f"Basic {base64.b64encode(b'admin:password-of-admin').decode()}"}
CHANGES: Mapping[str, Any] = {
    "server.staticPrefix": PREFIX,
    "server.allowedHosts": ["mlflow.example.com"],
    "server.corsAllowedOrigins": ["https://app.example.com"],
    "server.options": {"x-frame-options": "DENY"},
    "monitoring.prometheus": True,
}
"""What MLflow's application reads while it is imported."""
USERS: Mapping[str, Any] = {"auth.basic": {"adminPassword": "password-of-admin"}}
"""Whose first administrator the command line makes. What this component tells MLflow of them needs a newer MLflow."""
REQUESTS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "health": ("GET", f"{PREFIX}/health", {}),
    "health without the prefix": ("GET", "/health", {}),
    "interface": ("GET", f"{PREFIX}/", LOGIN),
    "metrics": ("GET", "/metrics", LOGIN),
    "stranger": ("GET", f"{PREFIX}{EXPERIMENTS}", {}),
    "administrator": ("GET", f"{PREFIX}{EXPERIMENTS}", LOGIN),
    "without the prefix": ("GET", EXPERIMENTS, LOGIN),
    "host": ("GET", f"{PREFIX}{EXPERIMENTS}", {**LOGIN, "Host": "mlflow.example.com"}),
    "wrong host": ("GET", f"{PREFIX}{EXPERIMENTS}", {**LOGIN, "Host": "attacker.example"}),
    "origin": ("POST", f"{PREFIX}{EXPERIMENTS}", {**LOGIN, "Origin": "https://app.example.com"}),
    "wrong origin": ("POST", f"{PREFIX}{EXPERIMENTS}", {**LOGIN, "Origin": "https://attacker.example"}),
    "preflight": (
        "OPTIONS",
        f"{PREFIX}{EXPERIMENTS}",
        {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"},
    ),
    "unknown": ("GET", f"{PREFIX}/unknown", LOGIN),
}
ANSWERED = {"administrator", "health", "host", "interface", "metrics", "origin", "preflight"}
VARYING = {"date", "etag", "last-modified", "content-length"}
"""Headers that differ from answer to answer."""


class Server:
    """A server that runs; `words` are the command lines of its processes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.words = processes.told(port)

    def answers(self) -> dict[str, tuple[int, dict[str, str]]]:
        """Status and headers of each answer."""
        return {name: self.ask(*request) for name, request in REQUESTS.items()}

    def ask(self, method: str, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Status and headers of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            body = b'{"max_results": 5}' if method == "POST" else None
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            answer.read()
            kept = {name.lower(): value for name, value in answer.getheaders() if name.lower() not in VARYING}
            return answer.status, kept
        finally:
            connection.close()


@contextlib.contextmanager
def served(
    folder: Path, changes: Mapping[str, Any], *, by: list[str] | None = None, version: str = versions.MLFLOW
) -> Iterator[Server]:
    """The server of a deployment with these changes.

    Args:
        folder: An empty folder.
        changes: Of `DEV`, by dotted path.
        by: Replaces the component's program.
        version: Of MLflow.
    """
    port = processes.free_port()
    pod = rendered.pod(with_changes(DEV, {"server.port": port, **changes}), "mlflow-server", folder)
    for container in pod.first:
        done = container.finish()
        assert done.returncode == 0, done.stdout + done.stderr
    interpreter, program, *arguments = pod.main.command
    assert Path(program).name == "serve.py"

    def listens() -> bool:
        return processes.listens("127.0.0.1", port)

    command = [*(by or [interpreter, program]), *arguments]
    env = dict(pod.main.environment)
    if version != versions.MLFLOW:
        env["PYTHONPATH"] += f":{older.packages(version)}"
    with processes.running(command, folder / "log", env=env, ready=listens):
        yield Server(port)


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(versions.MLFLOW, marks=pytest.mark.core),
        *(pytest.param(each, marks=pytest.mark.extended) for each in schemas.MINORS if older.serves(each)),
    ],
)
def test_one_process_answers_as_the_two_of_mlflow_do(version: str, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "ours").mkdir()
    changes = {**CHANGES, **(USERS if version == versions.MLFLOW else {})}
    with served(tmp_path / "own", changes, by=["mlflow", "server", "--host="], version=version) as server:
        expected = server.answers()
        assert len(server.words) == 2
    if version == versions.MLFLOW:
        assert {name for name, (status, _) in expected.items() if status == 200} == ANSWERED
        assert [expected[name][0] for name in ("stranger", "wrong host", "wrong origin")] == [401, 403, 403]
        assert expected["interface"][1]["x-frame-options"] == "DENY"
    with served(tmp_path / "ours", changes, version=version) as server:
        assert server.answers() == expected
        (process,) = server.words
        os.kill(process, signal.SIGTERM)
        processes.eventually(lambda: not Path(f"/proc/{process}/exe").exists(), "the end of the server", 0.1)


@pytest.mark.core
def test_several_processes_have_a_supervisor_without_mlflow(tmp_path: Path) -> None:
    with served(tmp_path, {"server.workers": 2}) as server:
        assert server.ask("GET", "/health", {})[0] == 200
        (supervisor,) = server.words
        mapped = Path(f"/proc/{supervisor}/maps").read_text()
        assert b"uvicorn" in server.words[supervisor] and "/pandas/" not in mapped
