"""What `make down` promises of the built-in node: nothing is left on the machine, and nothing of the data is lost."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import client, configurations, processes
from tests.support.deployed import deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, restarts, unique_name
from toolchain import checks
from toolchain.bare import node
from toolchain.bare.node import addresses, isolation, network
from toolchain.bare.node.daemons import CGROUP
from toolchain.session import Session

RECORD = Path("/run/mlflow-deployment/node.json")


@pytest.fixture(autouse=True)
def built_in(session: Session) -> Iterator[None]:
    """The built-in node, running before and after."""
    if session.cluster_kind != "built-in":
        pytest.skip(f"the cluster is not the built-in one but of the kind {session.cluster_kind}")
    try:
        yield
    finally:
        node.start()


def test_stop_leaves_nothing_and_start_brings_everything_back(kubectl: Kubectl) -> None:
    with kubectl.namespace() as namespace:
        kubectl.text("create", "configmap", "kept", "--namespace", namespace, "--from-literal=key=value")
        record = json.loads(RECORD.read_text())
        assert traces(record["environment"]), "what is looked for must be there while the node runs"
        node.stop()
        processes.eventually(lambda: not traces(record["environment"]), "the end of all traces")
        forwarding = record["former_forwarding"]
        assert forwarding in (None, Path("/proc/sys/net/ipv4/ip_forward").read_text().strip())
        node.start()
        kept = kubectl.json("get", "configmap", "kept", "--namespace", namespace)
        assert kept["data"] == {"key": "value"}


def test_a_killed_node_starts_again_with_its_pods_and_volumes(
    new_stack: Deploy, kubectl: Kubectl, tmp_path: Path
) -> None:
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name()), {}) as deployed:
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
            logged = client.log(url)
        subprocess.run(["kill", "-KILL", str(json.loads(RECORD.read_text())["pid"])], check=True)
        processes.eventually(lambda: node.current() is None, "the end of the node")
        node.start()
        # Until the kubelet looks, everything is said to be as it was.
        processes.eventually(lambda: restarts(kubectl.pods(deployed.namespace)), "the server's new container", 1)
        kubectl.rolled_out(deployed.namespace)
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
            client.read_back(url, logged)


def test_what_killed_tests_have_left_is_deleted(kubectl: Kubectl) -> None:
    left, users = unique_name(), f"of-a-user-{unique_name()}"
    try:
        for name in (left, users):
            kubectl.text("create", "namespace", name)
        checks.forget_tests(kubectl.kubeconfig)
        there = {
            each["metadata"]["name"]: each["status"]["phase"] for each in kubectl.json("get", "namespaces")["items"]
        }
        assert there.get(left, "Terminating") == "Terminating" and there[users] == "Active"
    finally:
        kubectl.text("delete", "namespace", left, users, "--ignore-not-found", "--wait=false")


def traces(environment: Mapping[str, str]) -> list[str]:
    """What the node has on this machine outside its data folder."""
    found = [str(group / CGROUP) for group in isolation.cgroup_hierarchies() if (group / CGROUP).exists()]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"/{CGROUP}/" in (process / "cgroup").read_text():
                found.append((process / "cmdline").read_text().replace("\0", " "))
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if "mlflow-deployment" in line]
    found += [link.name for link in Path("/sys/class/net").iterdir() if link.name == addresses.LINK]
    routes = subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout.splitlines()
    found += [route for route in routes if route.startswith("10.213.")]
    program = network.iptables(environment)
    rules = subprocess.run(
        [f"{program}-save"], env=dict(environment), capture_output=True, text=True, check=True
    ).stdout
    found += [rule for rule in rules.splitlines() if addresses.LINK in rule]
    return found
