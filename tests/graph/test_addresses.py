"""Pods are reached on the addresses that they have: of IPv4, of IPv6, of both, and on nodes whose kernel has no IPv6.

Real uvicorn processes listen as the pods' specification says, and MLflow's own code judges the Host headers. What of MLflow
needs the packages of its image is asked on the cluster rung.
"""

import contextlib
import http.client
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.in_image import Program
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.access import entrance
from tests.graph.invariants import server_container
from tests.graph.program import Graph, deploy
from tests.support import processes

FAMILIES = {
    "IPv4": ("10.1.2.3",),
    "IPv6": ("fd00:1::3",),
    "both": ("10.1.2.3", "fd00:1::3"),
    "both, IPv6 first": ("fd00:1::3", "10.1.2.3"),
}
"""Addresses of a pod, in Kubernetes' order."""

MLFLOW = {
    "__init__.py": "",
    "server.py": "def _exec_cmd(): pass",
    "cli.py": """
import os, sys
from . import server

def cli(given):
    given = dict(each[2:].split("=", 1) for each in given[1:])
    options = [part for name in ("host", "port", "workers") for part in (f"--{name}", given[name])]
    where = os.path.dirname(os.path.dirname(__file__))
    server._exec_cmd([sys.executable, "-m", "uvicorn", f"--app-dir={where}", *options, "app:app"], extra_env={})
""",
}
"""Passes on what MLflow passes on to uvicorn."""
APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"OK"})
"""
WITHOUT_IPV6 = """
import errno, socket
made = socket.socket.__init__
def init(self, family=-1, *more, **named):
    if family == socket.AF_INET6:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
    made(self, family, *more, **named)
socket.socket.__init__ = init
"""
"""What a process meets on a node that was booted with `ipv6.disable=1`."""


def expanded(graph: Graph, addresses: Sequence[str]) -> dict[str, str]:
    """The server's plain variables as Kubernetes expands them in a pod with these addresses."""
    known = {"POD_IP": addresses[0], "POD_IPS": ",".join(addresses)}
    for variable in server_container(graph)["env"]:
        value = variable.get("value")
        for name, text in known.items():
            value = value and value.replace(f"$({name})", text)
        if value is not None:
            known[variable["name"]] = value
    return known


def in_header(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.fixture(scope="module")
def accepts() -> Callable[[list[str], str], bool]:
    """MLflow's own check of a Host header, from its file: the package around it needs more than is installed here."""
    mlflow = importlib.util.find_spec("mlflow")
    assert mlflow is not None and mlflow.origin is not None
    path = Path(mlflow.origin).parent / "server" / "security_utils.py"
    spec = importlib.util.spec_from_file_location("security_utils", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.is_allowed_host_header


@pytest.mark.parametrize("addresses", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("auth", [None, {"oidc": {}}], ids=["server", "proxy"])
def test_a_pod_is_asked_by_each_of_its_addresses_and_by_no_name_of_others(
    accepts: Callable[[list[str], str], bool], addresses: tuple[str, ...], auth: Any
) -> None:
    login = {"issuerUrl": "https://a.example.com", "redirectUrl": "https://b.example.com/oauth2/callback"}
    login |= {"clientId": "a", "clientSecret": "canary", "emailDomains": ["*"]}
    graph = deploy(changed(PRODUCTION, "auth", {"oidc": login}) if auth else PRODUCTION)
    port = entrance(graph)
    hosts = expanded(graph, addresses)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    for address in addresses:
        assert accepts(hosts, f"{in_header(address)}:{port}"), address
    for host in ("localhost:1", "127.0.0.1:1", "[::1]:1", "[::1]", "localhost", "127.0.0.1"):
        assert accepts(hosts, host), host
    for host in ("attacker.example", f"attacker.example:{port}", f"[x.attacker.example:{port}", f"10.1.2.4:{port}", ""):
        assert not accepts(hosts, host), host


@contextlib.contextmanager
def served(graph: Graph, addresses: Sequence[str], folder: Path, *, ipv6: bool = True) -> Iterator[int]:
    """The server's process as its container starts it, with MLflow's packages left out; the port."""
    container, port = server_container(graph), processes.free_port()
    interpreter, program = container["command"]
    assert interpreter == "python"
    files = {"app.py": APP, Path(program).name: Program(Path(program).name).source}
    files |= {f"mlflow/{name}": text for name, text in MLFLOW.items()}
    if not ipv6:
        files["sitecustomize.py"] = WITHOUT_IPV6
    (folder / "mlflow").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    variables = {**os.environ, **expanded(graph, addresses), "PYTHONPATH": str(folder)}
    variables["POD_IPS"] = ",".join(addresses)
    arguments = [each if not each.startswith("--port=") else f"--port={port}" for each in container["args"]]
    with processes.running(
        [sys.executable, str(folder / Path(program).name), *arguments],
        folder / "log",
        env=variables,
        ready=lambda: answers("127.0.0.1", port) or answers("::1", port),
    ):
        yield port


def answers(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_listens_on_both_families(workers: int, tmp_path: Path) -> None:
    graph = deploy(with_changes(DEV, {"server.workers": workers}))
    with served(graph, FAMILIES["both"], tmp_path) as port:
        assert answers("127.0.0.1", port) and answers("::1", port)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_starts_where_the_kernel_has_no_ipv6(workers: int, tmp_path: Path) -> None:
    graph = deploy(with_changes(DEV, {"server.workers": workers}))
    with served(graph, FAMILIES["IPv4"], tmp_path, ipv6=False) as port:
        assert answers("127.0.0.1", port) and not answers("::1", port)


def test_several_processes_listen_on_ipv4_alone_where_the_pod_has_nothing_else(tmp_path: Path) -> None:
    with served(deploy(changed(DEV, "server.workers", 2)), FAMILIES["IPv4"], tmp_path) as port:
        assert answers("127.0.0.1", port) and not answers("::1", port)


def test_the_job_runner_is_given_a_name_that_stands_for_all_addresses() -> None:
    memory = {"pod.resources.memoryLimit": "4Gi"}
    graph = deploy(with_changes(DEV, {"server.jobExecution": True, **memory, "pod.hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}))  # fmt: skip
    assert "--host=all-addresses" in server_container(graph)["args"]
    assert graph.one("apps/v1:Deployment").pod["spec"]["hostAliases"] == [
        {"ip": "0.0.0.0", "hostnames": ["all-addresses"]},
        {"ip": "::", "hostnames": ["all-addresses"]},
        {"ip": "10.0.0.1", "hostnames": ["a"]},
    ]
    assert "hostAliases" not in deploy(DEV).one("apps/v1:Deployment").pod["spec"]


def test_the_service_has_the_families_that_are_named() -> None:
    changes = {"service.ipFamilyPolicy": "PreferDualStack", "service.ipFamilies": ["IPv6", "IPv4"]}
    spec = deploy(with_changes(DEV, changes)).named("mlflow-service", "core/v1:Service").spec
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("PreferDualStack", ["IPv6", "IPv4"])
    spec = deploy(DEV).named("mlflow-service", "core/v1:Service").spec
    assert not {"ipFamilyPolicy", "ipFamilies"} & set(spec)
