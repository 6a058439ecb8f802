"""Where each stack is deployed: recorded, so that later commands find it without Pulumi."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.parse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from toolchain import cluster, forward
from toolchain.cluster import Cluster
from toolchain.console import UserError
from toolchain.files import write
from toolchain.paths import state
from toolchain.prove import Login
from toolchain.stack import Stack


@dataclass
class Deployed:
    """Where a stack was deployed to.

    Attributes:
        uid: Identity of the cluster.
        kind: Kind of the cluster.
        cluster: Name of its context, or of itself.
        outputs: The stack's outputs after the last complete `up`.
    """

    uid: str
    kind: str
    cluster: str
    outputs: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def file(name: str) -> Path:
        return state("stacks", f"{name}.json")

    @classmethod
    def load(cls, name: str) -> Deployed | None:
        """The record of a stack; None if it is not deployed."""
        path = cls.file(name)
        return cls(**json.loads(path.read_text())) if path.exists() else None

    def save(self, name: str) -> None:
        write(self.file(name), json.dumps(asdict(self), indent=2) + "\n")

    @property
    def namespace(self) -> str:
        return self.outputs["namespace"]

    def local_url(self, port: int) -> str:
        """The server's URL through a port of this machine: scheme and prefix are those of its URL in the cluster."""
        uri = urllib.parse.urlsplit(self.outputs["trackingUri"])
        return f"{uri.scheme}://{forward.HOST}:{port}{uri.path}"


def stacks() -> list[str]:
    """The stacks that are deployed."""
    return sorted(path.stem for path in state("stacks").glob("*.json"))


def elsewhere() -> dict[str, Deployed]:
    """The stacks that are deployed to contexts of the user's own, by their names."""
    records = {name: Deployed.load(name) for name in stacks()}
    return {name: record for name, record in records.items() if record and record.kind == "context"}


def context_of(name: str) -> str | None:
    """The context that the user named when the stack was deployed; None if it is on a cluster of ours, or nowhere."""
    deployed = Deployed.load(name)
    return deployed.cluster if deployed and deployed.kind == "context" else None


def claim(stack: Stack, target: Cluster) -> Deployed:
    """Record which cluster the stack is deployed to.

    Raises:
        UserError: It is deployed to another one.
    """
    uid = cluster.identity(target)
    known = Deployed.load(stack.name)
    if (
        known
        and known.uid != uid
        and any(r["type"].startswith("kubernetes:") for r in stack.export().get("resources") or [])
    ):
        named = f" (`KUBE_CONTEXT={known.cluster}`)" if known.kind == "context" else ""
        raise UserError(
            f"the stack {stack.name} was deployed to another cluster, {known.cluster}{named}; this is the {target.described}",
            f"Go back to that cluster, or remove the stack from it first (`make down STACK={stack.name}`); if it is gone for "
            f"good, delete {Deployed.file(stack.name)} and run the same command again.",
        )
    outputs = known.outputs if known and known.uid == uid else {}
    deployed = Deployed(uid, target.kind, target.name, outputs)
    deployed.save(stack.name)
    return deployed


def running(name: str) -> tuple[Deployed, Cluster]:
    """The record of a deployed stack and its running cluster.

    Raises:
        UserError: The stack is not deployed, or its cluster does not run.
    """
    deployed = Deployed.load(name)
    target = None
    if deployed and deployed.outputs:
        target = cluster.find(deployed.cluster) if deployed.kind == "context" else cluster.current()
    if not deployed or not target:
        raise UserError(f"the stack {name} is not running", f"Start it: `make up STACK={name}`.")
    return deployed, target


def login(deployed: Deployed, target: Cluster) -> Login | None:
    """Name and password of the administrator, from the Secret that holds them; None where nobody logs in.

    Raises:
        UserError: The Secret cannot be read.
    """
    admin: dict[str, str] = deployed.outputs.get("admin") or {}
    if not admin:
        return None
    command = [cluster.kubectl(), "--kubeconfig", target.kubeconfig, "get", "secret", admin["secret"], "--output=json"]
    done = subprocess.run([*command, "--namespace", deployed.namespace], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the administrator's password cannot be read: {done.stderr.strip()}", "Look at that Secret.")
    data = {key: base64.b64decode(value).decode() for key, value in json.loads(done.stdout)["data"].items()}
    return admin.get("username") or data[admin["usernameKey"]], data[admin["passwordKey"]]


def open_port(name: str, deployed: Deployed, target: Cluster, port: int | None) -> str:
    """Keep a port of this machine open that leads to the server, and return the server's URL through it.

    Args:
        name: Name of the stack.
        deployed: Its record.
        target: Its cluster.
        port: Port on this machine; None for 5000 or the next free one.
    """
    kubectl = [str(cluster.kubectl()), "--kubeconfig", str(target.kubeconfig), "--namespace", deployed.namespace]
    service = [f"service/{deployed.outputs['serviceName']}", str(int(deployed.outputs["servicePort"]))]
    return deployed.local_url(forward.ensure(name, [*kubectl, "port-forward", *service], port))
