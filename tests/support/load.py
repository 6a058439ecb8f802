"""Clients that keep a server busy and notice every request that is lost."""

import http.client
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tests.support.kubernetes import Kubectl

TIMEOUT = 120
"""Seconds after which a request that is not answered counts as lost, as for MLflow's own client."""

LIMIT = 900
"""Seconds after which no load goes on, whatever it waits for."""


@dataclass(frozen=True)
class Target:
    """A server.

    Attributes:
        address: Address to connect to.
        port: TCP port.
        host: Name to ask for.
    """

    address: str
    port: int
    host: str

    @classmethod
    def service(cls, kubectl: Kubectl, namespace: str) -> "Target":
        """The cluster address of a deployment's Service, which this machine reaches where the cluster is the built-in one."""
        spec = kubectl.json("get", "service", "mlflow", "--namespace", namespace)["spec"]
        return cls(spec["clusterIP"], spec["ports"][0]["port"], f"mlflow.{namespace}")

    def post(self, call: str, **body: object) -> dict:
        """One call of MLflow's REST API on a new connection."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=TIMEOUT)
        try:
            headers = {"Host": self.host, "Content-Type": "application/json"}
            connection.request("POST", f"/api/2.0/mlflow/{call}", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status != 200:
                raise OSError(f"{answer.status}: {text[:200]}")
            return json.loads(text)
        finally:
            connection.close()


@dataclass
class Load:
    """What came of many requests.

    Attributes:
        seconds: How long each one took that was answered.
        failures: Why the others were not, with their time since the start.
    """

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def new_connections(request: Callable[[int], object], until: threading.Event, per_second: float) -> Load:
    """Send requests at a steady rate, whatever the answers to the earlier ones do.

    Args:
        request: Sends the request of that number on a connection of its own, and raises where it fails.
        until: Ends the load.
        per_second: The rate.
    """
    load, began = Load(), time.monotonic()

    def send(number: int) -> None:
        started = time.monotonic()
        try:
            request(number)
            load.seconds.append(time.monotonic() - started)
        except (OSError, http.client.HTTPException) as error:
            load.failures.append(f"after {started - began:.1f} s: {error!r}")

    with ThreadPoolExecutor(64) as pool:
        for number in range(int(LIMIT * per_second)):
            if until.wait(max(0.0, began + number / per_second - time.monotonic())):
                break
            pool.submit(send, number)
    return load


def kept_connections(target: Target, run_id: str, until: threading.Event, clients: int = 4) -> Load:
    """Log metrics on connections that are kept open, with the retries that MLflow's own client makes.

    Args:
        target: The server.
        run_id: Run to log to.
        until: Ends the load.
        clients: Number of clients, each of which sends five requests per second.
    """
    load = Load()

    def client(number: int) -> None:
        with requests.Session() as session:
            # https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html: MLFLOW_HTTP_REQUEST_*
            retry = Retry(
                total=7, backoff_factor=0.2, status_forcelist=[408, 429, 500, 502, 503, 504], allowed_methods=None
            )
            session.mount("http://", HTTPAdapter(max_retries=retry))
            for step in range(5 * LIMIT):
                if until.wait(0.2):
                    break
                body = {"run_id": run_id, "key": f"kept-{number}", "value": 1, "timestamp": 0, "step": step}
                started = time.monotonic()
                try:
                    url = f"http://{target.address}:{target.port}/api/2.0/mlflow/runs/log-metric"
                    session.post(url, json=body, headers={"Host": target.host}, timeout=TIMEOUT).raise_for_status()
                    load.seconds.append(time.monotonic() - started)
                except requests.RequestException as error:
                    load.failures.append(f"{number}: {error!r}")

    with ThreadPoolExecutor(clients) as pool:
        for number in range(clients):
            pool.submit(client, number)
    return load


def slow_upload(target: Target, path: str, until: threading.Event) -> bytes:
    """Upload an artifact in small pieces, one per second.

    Its size is told beforehand, as MLflow's clients do: older servers take nothing from a body without one, and say that all is well.

    Args:
        target: The server.
        path: The artifact's path below the artifact root.
        until: Has the rest sent at once.

    Returns:
        What was uploaded.

    Raises:
        OSError: The server refused it, or the connection was cut.
    """
    content = secrets.token_bytes(LIMIT * 1024)

    def body() -> Iterator[bytes]:
        sent = 0
        while sent < len(content) and not until.wait(1):
            yield content[sent : sent + 1024]
            sent += 1024
        yield content[sent:]

    connection = http.client.HTTPConnection(target.address, target.port, timeout=TIMEOUT)
    try:
        headers = {"Host": target.host, "Content-Type": "application/octet-stream", "Content-Length": str(len(content))}
        connection.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", body(), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise OSError(f"{answer.status}: {text[:200]}")
    finally:
        connection.close()
    return content
