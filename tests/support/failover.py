"""A database host that vanishes without a word, in front of a real MLflow server, until another one answers to its name."""

import base64
import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import mariadb, networks, postgresql, processes, rendered

ADMIN, PASSWORD = "admin", "a-long-password-of-tests"
PORTS = {"postgresql": 5001, "mysql": 5002}
LIMIT = 60
"""Seconds within which every request must end."""


@dataclass(frozen=True)
class Answer:
    """What came of a request: when it was sent and how long it took, in seconds, and the status; 0 if none came in time."""

    sent: float
    seconds: float
    status: int


@dataclass
class Result:
    """What clients saw, in seconds since the host vanished.

    Attributes:
        answers: Of requests that log a metric.
        others: Of other requests by a valid user, sent once while the host was silent, by path.
        revoked: Of the same with a wrong password once all was well again.
    """

    answers: list[Answer] = field(default_factory=list)
    others: dict[str, Answer] = field(default_factory=dict)
    revoked: int = 0

    @property
    def first_success(self) -> float:
        """When the first request after the cut was answered well."""
        return min(each.sent + each.seconds for each in self.answers if each.status == 200 and each.sent > 0)

    @property
    def healed(self) -> bool:
        """Whether all requests of the last three seconds were answered well."""
        last = max((each.sent for each in self.answers), default=0.0)
        return last > 3 and {each.status for each in self.answers if each.sent > last - 3} == {200}

    @property
    def lost(self) -> list[Answer]:
        """Requests that were not answered well."""
        return [each for each in self.answers if each.status != 200]

    @property
    def longest(self) -> float:
        """Seconds that the longest request took."""
        return max(each.seconds for each in [*self.answers, *self.others.values()])


def _configuration(
    kind: str, database: postgresql.Database | mariadb.Database, silence: int | None, users: bool
) -> dict[str, Any]:
    """A deployment on a database that is reached by the network's own name."""
    block = {"host": networks.NAME, "port": database.port, "database": database.name, "username": database.name}
    return {
        "database": {
            kind: {**block, "password": database.password, "tls": {"mode": "require"}},
            **({} if silence is None else {"silenceTimeoutSeconds": silence}),
        },
        "artifacts": {"volume": {"accessMode": "ReadWriteMany"}},
        "server": {"port": PORTS[kind]},
        **({"auth": {"basic": {"adminPassword": PASSWORD}}} if users else {}),
    }


@contextlib.contextmanager
def serving(
    network: networks.Network,
    kind: str,
    database: postgresql.Database | mariadb.Database,
    folder: Path,
    *,
    silence: int | None,
    users: bool,
) -> Iterator["Client"]:
    """Migrate, and run the server in the network.

    Args:
        network: The network.
        kind: `postgresql` or `mysql`.
        database: The database, which the server reaches by the network's own name.
        folder: For files of the pods.
        silence: `database.silenceTimeoutSeconds`; None for the default.
        users: Whether there are users.
    """
    values = _configuration(kind, database, silence, users)
    job = rendered.pod(values, "mlflow-migration", folder / f"{kind}-job", network.inside)
    for container in (*job.first, job.main):
        done = container.finish(*network.command())
        assert done.returncode == 0, done.stdout + done.stderr
    made = rendered.pod(values, "mlflow-server", folder / kind, network.inside)
    for container in made.first:
        done = container.finish(*network.command())
        assert done.returncode == 0, done.stdout + done.stderr
    client = Client(network.inside, PORTS[kind], users, database)
    command = network.command(*made.main.command)
    log = folder / f"{kind}.log"
    with processes.running(command, log, env=made.main.environment, ready=lambda: client.get("/health").status == 200):
        yield client


@dataclass(frozen=True)
class Client:
    """A client of one server.

    Attributes:
        host: The server's address.
        port: TCP port.
        users: Whether the server asks who is there.
        database: The server's database.
    """

    host: str
    port: int
    users: bool
    database: postgresql.Database | mariadb.Database

    def get(self, path: str) -> Answer:
        return self.send("GET", path, None)

    def send(self, method: str, path: str, body: Any, password: str = PASSWORD, began: float = 0) -> Answer:
        """One request on a connection of its own."""
        started = time.monotonic()
        status = 0
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, _ = self.ask(method, path, body, password)
        return Answer(started - began, time.monotonic() - started, status)

    def ask(self, method: str, path: str, body: Any, password: str = PASSWORD) -> tuple[int, Any]:
        """Status and content of an answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT + 30)
        try:
            headers = {"Content-Type": "application/json"}
            if self.users:
                headers["Authorization"] = f"Basic {base64.b64encode(f'{ADMIN}:{password}'.encode()).decode()}"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else text
        finally:
            connection.close()


def fail_over(
    network: networks.Network, clients: Mapping[str, Client], per_second: float, silent: float, after: float
) -> dict[str, Result]:
    """Cut the way to the database under load, let its name lead to another address later, and see what clients see.

    Args:
        network: The network.
        clients: Of each server, by any name.
        per_second: Requests that each server gets.
        silent: Seconds until another host answers to the name.
        after: Seconds for which the load goes on from then, or longer until all is well again for three seconds.
    """
    runs = {}
    for name, client in clients.items():
        _, made = client.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
        runs[name] = made["run"]["info"]["run_id"]
    results = {name: Result() for name in clients}
    ended = threading.Event()
    with ThreadPoolExecutor(512) as pool:

        def load(name: str, began: float) -> None:
            for step in range(100_000):
                if ended.wait(max(0.0, began + step / per_second - time.monotonic())):
                    break
                body = {"run_id": runs[name], "key": "m", "value": step, "timestamp": 0, "step": step}
                pool.submit(request, name, "/api/2.0/mlflow/runs/log-metric", body)

        def request(name: str, path: str, body: Any) -> None:
            results[name].answers.append(clients[name].send("POST", path, body, began=cut))

        cut = time.monotonic() + 3
        for name in clients:
            pool.submit(load, name, cut - 3)
        time.sleep(max(0.0, cut - time.monotonic()))
        network.cut()
        # One that MLflow serves by FastAPI, and one that it serves by Flask.
        asked = ("/api/2.0/mlflow-artifacts/artifacts?path=none", "/api/2.0/mlflow/experiments/get?experiment_id=0")
        others = {
            (name, path): pool.submit(client.send, "GET", path, None, began=cut)
            for name, client in clients.items()
            for path in asked
        }
        time.sleep(silent)
        # Another host knows nothing of the sessions of the first one, nor of the rows that they have locked.
        for client in clients.values():
            client.database.end_sessions()
        network.resolve(network.addresses[1])
        for (name, path), answer in others.items():
            results[name].others[path.partition("?")[0]] = answer.result()
        time.sleep(max(0.0, cut + silent + after - time.monotonic()))
        # A busy machine takes longer; the load goes on for what the last requests are to show.
        while time.monotonic() < cut + LIMIT and not all(result.healed for result in results.values()):
            time.sleep(0.2)
        ended.set()
    for name, client in clients.items():
        results[name].revoked, _ = client.ask("GET", asked[1], None, "a-wrong-password-of-tests")
    network.mend()
    network.resolve(network.addresses[0])
    return results
