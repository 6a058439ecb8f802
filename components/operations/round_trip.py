"""Proof that a tracking server works: a run with a parameter, a metric and an artifact is logged and read back.

Plain HTTP calls of MLflow's REST API (https://mlflow.org/docs/latest/rest-api.html), so that it takes no MLflow and no
time to import one.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from .errors import OperationError

Login = tuple[str, str]
"""User name and password."""

EXPERIMENT = "pulumi-mlflow-check"
ARTIFACTS = "mlflow-artifacts:"
LOGS = "See what the servers say in their logs."


class RefusedError(Exception):
    """The server answered with an error.

    Args:
        status: HTTP status.
        text: The body of the answer.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


def wait(url: str, patience: float = 60) -> None:
    """Wait until the server answers its health check.

    Args:
        url: The server's URL, with its prefix if it has one.
        patience: Seconds to wait at most.

    Raises:
        OperationError: It did not answer in time.
    """
    until = time.monotonic() + patience
    reason = "no answer"
    while time.monotonic() < until:
        try:
            call(f"{url}/health", timeout=5)
            return
        except (RefusedError, OSError) as error:
            reason = str(error)
        time.sleep(0.3)
    raise OperationError(f"the server at {url} did not become healthy within {patience:.0f} s: {reason}", LOGS)


def round_trip(url: str, login: Login | None = None) -> None:
    """Log a run with an artifact, read both back, and delete it with its experiment.

    Args:
        url: The server's URL.
        login: As whom; MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of the environment win.

    Raises:
        OperationError: What came back is not what was sent, or the server refused a call.
    """
    try:
        _round_trip(Server(url, own_login() or login))
    except (RefusedError, OSError) as error:
        fix = LOGS
        if isinstance(error, RefusedError) and error.status == 401:
            fix = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account that may create experiments."
        raise OperationError(f"the round trip through {url} failed: {error}", fix) from error


@dataclass(frozen=True)
class Server:
    """A server, and who asks it."""

    url: str
    login: Login | None

    def api(self, method: str, call: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if body else None
        answer = self.call(method, f"/api/2.0/mlflow/{call}", data, "application/json")
        return json.loads(answer or b"{}")

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = "application/octet-stream") -> bytes:
        return call(self.url + path, method, body, kind, self.login)


def own_login() -> Login | None:
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    return (user, password) if user and password else None


def _round_trip(server: Server) -> None:
    experiment = _experiment(server)
    try:
        started = server.api("POST", "runs/create", experiment_id=experiment, start_time=_now(), run_name=EXPERIMENT)
        run = started["run"]["info"]
        value, content = secrets.randbelow(1000) / 8, secrets.token_bytes(4096)
        server.api("POST", "runs/log-parameter", run_id=run["run_id"], key="checked-by", value=EXPERIMENT)
        server.api("POST", "runs/log-metric", run_id=run["run_id"], key="check", value=value, timestamp=_now())
        artifact = None
        if run["artifact_uri"].startswith(ARTIFACTS):  # else the artifacts do not pass through the server
            path = urllib.parse.urlsplit(run["artifact_uri"]).path.lstrip("/")
            artifact = f"/api/2.0/mlflow-artifacts/artifacts/{urllib.parse.quote(path)}/check.bin"
            server.call("PUT", artifact, content)
        data = server.api("GET", f"runs/get?run_id={run['run_id']}")["run"]["data"]
        params = {entry["key"]: entry["value"] for entry in data.get("params", [])}
        metrics = {entry["key"]: entry["value"] for entry in data.get("metrics", [])}
        if params.get("checked-by") != EXPERIMENT or metrics.get("check") != value:
            raise OperationError(
                f"the run that was logged to {server.url} came back as {data}",
                LOGS,
            )
        if artifact:
            if server.call("GET", artifact) != content:
                raise OperationError(
                    f"the artifact that was stored through {server.url} came back changed",
                    LOGS,
                )
            server.call("DELETE", artifact)
        server.api("POST", "runs/update", run_id=run["run_id"], status="FINISHED", end_time=_now())
    finally:
        server.api("POST", "experiments/delete", experiment_id=experiment)


def _experiment(server: Server) -> str:
    """The id of the experiment of all checks, which is there only while one runs."""
    try:
        found = server.api("GET", f"experiments/get-by-name?experiment_name={EXPERIMENT}")["experiment"]
    except RefusedError as error:
        if error.status != 404:
            raise
        return server.api("POST", "experiments/create", name=EXPERIMENT)["experiment_id"]
    if found["lifecycle_stage"] == "deleted":
        server.api("POST", "experiments/restore", experiment_id=found["experiment_id"])
    return found["experiment_id"]


def _now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def call(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    kind: str = "application/octet-stream",
    login: Login | None = None,
    timeout: float = 30,
) -> bytes:
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})  # noqa: S310 - our own URL
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(login).encode()).decode())
    # No proxy: the server is on this machine, whatever the environment says of others. Its certificate names the Service;
    # what leads there is the forwarded port, which the cluster's API server has authenticated.
    tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())  # noqa: S323
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise RefusedError(error.code, error.read().decode(errors="replace")) from error
