"""The test cluster through kubectl."""

import contextlib
import json
import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.support import processes


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one cluster.

    Attributes:
        program: The program.
        kubeconfig: The cluster.
        host_address: Address at which pods reach this machine.
    """

    program: str
    kubeconfig: Path
    host_address: str

    def command(self, *arguments: str) -> list[str]:
        """A whole command line."""
        return [self.program, "--kubeconfig", str(self.kubeconfig), *arguments]

    def run(self, *arguments: str, input: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; its exit code is for the caller to look at."""
        command, limit = self.command(*arguments), 2 * processes.PATIENCE  # longer than what it may wait for itself
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=limit, check=False)

    def text(self, *arguments: str, input: str | None = None) -> str:
        """Output of a command that must succeed."""
        result = self.run(*arguments, input=input)
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}{result.stdout}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command answers in JSON."""
        return json.loads(self.text(*arguments, "-o", "json"))

    def items(self, kinds: str, namespace: str, *arguments: str) -> list[dict[str, Any]]:
        """Objects of one or more kinds, separated by commas."""
        return self.json("get", kinds, "--namespace", namespace, *arguments)["items"]

    def pods(self, namespace: str, component: str = "server") -> list[dict[str, Any]]:
        """The pods of one component of a deployment, those that are ending left out."""
        found = self.items("pods", namespace, "--selector", f"app.kubernetes.io/component={component}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def wait(self, condition: str, *arguments: str) -> None:
        """Wait until objects, named as `kubectl wait` wants them, meet a condition of its `--for`."""
        self.text("wait", f"--for={condition}", f"--timeout={processes.PATIENCE}s", *arguments)

    def rolled_out(self, namespace: str, kind: str = "deployment") -> None:
        """Wait until all server pods are of the newest kind and ready, and no other one is left but to end.

        `pulumi up` returns a little earlier: the provider takes a `Recreate` for done while the old pod is still counted,
        and does not wait for the last old pod of a rolling update to be told to end.
        """
        self.text("rollout", "status", kind, "--namespace", namespace, f"--timeout={processes.PATIENCE}s")

    def settled(self, namespace: str, count: int) -> None:
        """Wait for the same, and until none is ending, to which a forwarded port might lead.

        Args:
            namespace: Namespace of the deployment.
            count: Number of server pods.
        """
        self.rolled_out(namespace)
        selector = "--selector=app.kubernetes.io/component=server"
        processes.eventually(
            lambda: len(self.items("pods", namespace, selector)) == count, f"{count} server pods in {namespace}", 1
        )

    def exec(self, namespace: str, pod: str, *command: str) -> str:
        """Output of a command in a pod's container for MLflow."""
        return self.text("exec", "--namespace", namespace, pod, "--container", "mlflow", "--", *command)

    def evict(self, namespace: str, pod: str, seconds: int | None = None) -> str:
        """Have a pod evicted, which is what a drain of a node asks for.

        Args:
            namespace: Its namespace.
            pod: Its name.
            seconds: How long it may take to end; as the pod says if None.

        Returns:
            What the API server has against it; empty if it agrees.
        """
        body: dict[str, Any] = {"apiVersion": "policy/v1", "kind": "Eviction"}
        body["metadata"] = {"name": pod, "namespace": namespace}
        if seconds is not None:
            body["deleteOptions"] = {"gracePeriodSeconds": seconds}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        result = self.run("create", "--raw", path, "--filename", "-", input=json.dumps(body))
        return "" if result.returncode == 0 else result.stderr

    def apply(self, *documents: dict[str, Any]) -> None:
        """Make or change objects."""
        self.text(
            "apply", "--filename", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
        )

    def secret(self, namespace: str, name: str, values: Mapping[str, str]) -> None:
        """Make or change a Secret."""
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(values)})

    def exists(self, kind: str, name: str) -> bool:
        """Whether the cluster has the object, which has no namespace."""
        return self.run("get", kind, name).returncode == 0

    @contextlib.contextmanager
    def namespace(self, *policies: str, name: str | None = None) -> Iterator[str]:
        """A namespace that is removed at the end.

        Args:
            *policies: Modes (`enforce`, `warn`, `audit`) in which Pod Security `restricted` applies.
            name: Its name; any if None.
        """
        name = name or unique_name()
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in policies}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        try:
            yield name
        finally:
            self.remove_namespace(name)

    def remove_namespace(self, name: str) -> None:
        """Delete a namespace, if it is there, without waiting for its end."""
        self.run("delete", "namespace", name, "--ignore-not-found", "--wait=false")

    @contextlib.contextmanager
    def forward(self, namespace: str, service: str, folder: Path, port: int = 80) -> Iterator[str]:
        """A port on this machine that leads to a Service; yields the URL.

        kubectl chooses one pod, and likes those best that have been ready longest, although they may be about to end.
        """

        def ending() -> list[dict[str, Any]]:
            return [pod for pod in self.items("pods", namespace) if "deletionTimestamp" in pod["metadata"]]

        processes.eventually(lambda: not ending(), f"pods of {namespace} to have ended", 1)
        log = folder / f"forward-{secrets.token_hex(4)}.log"
        arguments = ["port-forward", "--namespace", namespace, f"service/{service}", f":{port}"]
        command = self.command(*arguments, "--address", "127.0.0.1")

        def chosen() -> re.Match[str] | None:
            return re.search(r"127\.0\.0\.1:(\d+)", log.read_text())

        with processes.running(command, log, ready=chosen):
            found = chosen()
            assert found
            yield f"http://127.0.0.1:{found.group(1)}"


def unique_name() -> str:
    """A name for a namespace that no other test uses."""
    return f"t-{secrets.token_hex(4)}"


def restarts(pods: Sequence[dict[str, Any]]) -> int:
    """How often containers of the pods have been started again."""
    statuses = [
        status
        for pod in pods
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in pod["status"].get(kind, [])
    ]
    assert statuses, "the pods have no containers yet"
    return sum(status["restartCount"] for status in statuses)


def started_within(pod: dict[str, Any]) -> float:
    """How many seconds a pod needed from the start of its first container to being ready."""
    (ready,) = [each["lastTransitionTime"] for each in pod["status"]["conditions"] if each["type"] == "Ready"]
    began = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    first, last = (datetime.strptime(each, "%Y-%m-%dT%H:%M:%S%z") for each in (began, ready))
    return (last - first).total_seconds()


def pod_name(pod: dict[str, Any]) -> str:
    """Name of a pod."""
    return pod["metadata"]["name"]
