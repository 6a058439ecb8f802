"""Users of a server in a cluster, and what they may do there, each by one call of MLflow's REST API."""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
from requests.auth import HTTPBasicAuth

from tests.support.deployed import Deployed
from tests.support.kubernetes import Kubectl


class Login(NamedTuple):
    """User name and password."""

    username: str
    password: str


def administrator(deployed: Deployed, kubectl: Kubectl) -> Login:
    """The administrator, found as the outputs of the stack say."""
    return named(kubectl, deployed.namespace, deployed.stack.outputs()["admin"])


def named(kubectl: Kubectl, namespace: str, admin: Mapping[str, str]) -> Login:
    """The administrator whom a deployment's output `admin` tells of."""
    secret = kubectl.json("get", "secret", admin["secret"], "--namespace", namespace)
    data = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    return Login(admin.get("username") or data[admin["usernameKey"]], data[admin["passwordKey"]])


def status(url: str, login: Login | tuple[str, str] | None) -> int:
    """What a search for experiments is answered with."""
    return _call(url, login, "POST", "experiments/search", max_results=1)


def create(url: str, login: Login, new: Login) -> int:
    """Make a user."""
    return _call(url, login, "POST", "users/create", username=new.username, password=new.password)


def grant(url: str, login: Login, username: str, experiment_id: str, permission: str) -> int:
    """Give a user a permission for an experiment."""
    body = {"username": username, "resource_type": "experiment", "resource_id": experiment_id, "permission": permission}
    return _call(url, login, "POST", "users/permissions/grant", version=3, **body)


def experiment(url: str, login: Login, name: str) -> str:
    """Id of an experiment."""
    answer = requests.get(
        f"{url}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": name},
        auth=encoded(login),
        timeout=120,
    )
    answer.raise_for_status()
    return answer.json()["experiment"]["experiment_id"]


def current(url: str, login: Login) -> dict[str, Any]:
    """What the server says of the user who asks."""
    answer = requests.get(f"{url}/api/2.0/mlflow/users/current", auth=encoded(login), timeout=120)
    answer.raise_for_status()
    return answer.json()["user"]


def is_admin(url: str, login: Login) -> bool:
    """Whether the server takes the user for an administrator."""
    return current(url, login)["is_admin"]


def log_parameter(url: str, login: Login, run_id: str) -> int:
    """Write to a run."""
    return _call(url, login, "POST", "runs/log-parameter", run_id=run_id, key="by", value=login.username)


def read_run(url: str, login: Login, run_id: str) -> int:
    """Read a run."""
    return _call(url, login, "GET", f"runs/get?run_id={run_id}")


def encoded(login: Login | tuple[str, str] | None) -> HTTPBasicAuth | None:
    """Name and password as MLflow's client sends them: in UTF-8, not in Latin-1."""
    return HTTPBasicAuth(login[0].encode(), login[1].encode()) if login else None


def _call(
    url: str, login: Login | tuple[str, str] | None, method: str, call: str, version: int = 2, **body: object
) -> int:
    path = f"{url}/api/{version}.0/mlflow/{call}"
    data = json.dumps(body) if body else None
    headers = {"Content-Type": "application/json"}
    return requests.request(method, path, data=data, headers=headers, auth=encoded(login), timeout=120).status_code
