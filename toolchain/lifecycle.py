"""The commands that run MLflow: up, down, purge, preview, logs, open."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from toolchain import cluster, environments, forward, images, node, pods, prove, pulumi, stack
from toolchain.cluster import Cluster
from toolchain.console import UserError, run, say, step
from toolchain.files import write
from toolchain.paths import cache, lock, state

GIB = 1024**3
COLD_SPACE = 12 * GIB
"""What a first run on a machine without Pulumi and cluster takes: caches, images and the cluster's data."""
LEAST_SPACE = 3 * GIB

ROLLOUT_SECONDS = 600
"""How long new pods may take to become ready, image pull included."""

LOCK = ("up", "`make up`, `make down` or `make test`")


@dataclass
class Deployed:
    """Where a stack was deployed to; kept so that later commands find it without Pulumi.

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


def up(name: str, context: str | None, port: int | None) -> None:
    """Deploy the stack, open a port to it and prove that it works.

    Args:
        name: Name of the stack.
        context: kubeconfig context; None for the one that the stack is deployed to, else a cluster of our own.
        port: Port on this machine; None for 5000 or the next free one.
    """
    environments.stack_file(name)
    require_space()
    forward.require_port(name, port)
    with lock(*LOCK):
        context = context or _context_of(name)
        named = cluster.find(context) if context else None  # before anything else: it may not answer
        venv, cli = _environment_of(name)
        target = named or cluster.find(None)
        current = stack.Stack(name, cli, venv, target.kubeconfig)
        current.prepare()
        deployed = _claim(current, target)
        current.mend(lambda kind, namespace, object_name: _exists(target, kind, namespace, object_name))
        with step("checking the configuration and planning"):
            plan = current.plan()
        for image in stack.images(plan):
            images.ensure(image, target)
        say(f"▸ deploying the stack {name} to the {_described(target)}")
        refresh = [] if _still_there(deployed, target) else ["--refresh"]
        with _watch(current, target):
            current.stream("up", "--yes", "--skip-preview", "--suppress-outputs", *refresh)
            deployed.outputs = current.outputs()
            deployed.save(name)
            _wait_for_rollout(deployed, target)
        url = _open_port(name, deployed, target, port)
        prove.wait(url)
        prove.round_trip(url, _login(deployed, target))
    say(f"\nMLflow is running at {url}")
    if admin := deployed.outputs.get("admin"):
        say(f"The password of {admin.get('username', 'the administrator')}: {_password_command(deployed, admin)}")


def down(name: str, purge: bool = False) -> None:
    """Stop what `up` started.

    A cluster of our own is stopped and keeps its data, or is deleted if it was made with kind, k3d or minikube. From a
    context that the user named, the stack's resources are removed.

    Args:
        name: Name of the stack.
        purge: Delete the data and all state too.
    """
    with lock(*LOCK):
        deployed = Deployed.load(name)
        elsewhere = {
            other: record
            for other in _deployed_stacks()
            if (record := Deployed.load(other)) and record.kind == "context"
        }
        if purge and set(elsewhere) - {name}:
            first = sorted(set(elsewhere) - {name})[0]
            raise UserError(
                f"the stack {first} is still deployed to the context {elsewhere[first].cluster}, and its state would be lost",
                f"Remove it first: `make down STACK={first}`.",
            )
        if purge:
            _confirm(f"delete all local MLflow data and Pulumi state in {state()}")
        if deployed and deployed.kind == "context":
            _destroy(name, deployed)
            if not purge:
                return
        closed = [forward.stop(other) for other in forward.stacks() if purge or other not in elsewhere]
        acted = any(closed)
        kind = cluster.recorded()
        if kind in cluster.MAKERS:
            if not purge:
                _confirm(f"delete the {kind} cluster {cluster.NAME} with all its data")
            cluster.delete()
            for other in set(_deployed_stacks()) - set(elsewhere):
                _forget(other)
            acted = True
        running = node.current() is not None
        if running or purge:
            node.stop(purge=purge)
        if purge:
            _delete_state()
            say(f"deleted {state()}")
        elif running:
            say(f"stopped; the data is kept in {state()}: `make up` goes on with it, `make purge` deletes it")
        elif not acted:
            say("nothing is running")


def preview(name: str, arguments: list[str]) -> None:
    """Show what `up` would change. Needs no cluster; one that runs is asked.

    Args:
        name: Name of the stack.
        arguments: Further arguments of `pulumi preview`.
    """
    environments.stack_file(name)
    venv, cli = _environment_of(name)
    context = _context_of(name)
    try:
        target = cluster.find(context) if context else cluster.current()
    except UserError as error:
        say(f"  {error.message}\n  showing the changes against the last known state alone")
        target = None
    current = stack.Stack(name, cli, venv, target.kubeconfig if target else _no_cluster())
    with lock(*LOCK):
        current.prepare()
    current.stream("preview", "--diff", *arguments)


def logs(name: str, arguments: list[str]) -> None:
    """Follow the logs of the stack's pods.

    Args:
        name: Name of the stack.
        arguments: Further arguments of `kubectl logs`.
    """
    deployed, target = _running(name)
    command = [
        "logs",
        "--namespace",
        deployed.outputs["namespace"],
        "--selector",
        "app.kubernetes.io/name=mlflow",
        "--all-containers",
    ]
    command += ["--prefix", "--follow", "--max-log-requests=50", "--tail=100", *arguments]
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        subprocess.run([cluster.kubectl(), "--kubeconfig", target.kubeconfig, *command], check=False)


def open_(name: str, port: int | None) -> None:
    """Open a port to the running stack, and a browser where there is a display.

    Args:
        name: Name of the stack.
        port: Port on this machine; None for 5000 or the next free one.
    """
    deployed, target = _running(name)
    url = _open_port(name, deployed, target, port)
    prove.wait(url)
    say(f"MLflow is running at {url}")
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)


def _environment_of(name: str) -> tuple[Path, pulumi.Cli]:
    """What the stack's program uses, with the environment as `.venv` of the checkout."""
    venv, cli = program_environment(environments.clouds_of(name))
    environments.link(venv)
    return venv, cli


def program_environment(clouds: Iterable[str]) -> tuple[Path, pulumi.Cli]:
    """The Python environment and the command line with the plugins that a program uses.

    Args:
        clouds: SDKs of the clouds that it uses, see `environments.CLOUDS`.
    """
    venv = environments.ensure("up", clouds)
    cli = pulumi.ensure()
    pulumi.ensure_plugins(cli, venv, environments.plugins(clouds))
    return venv, cli


def require_space() -> None:
    """Refuse to begin with too little disk space.

    Raises:
        UserError: Less than 3 GiB are free.
    """
    for path in (cache(), state()):
        path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path).free
        if free < LEAST_SPACE:
            raise UserError(
                f"only {free / GIB:.1f} GiB are free where {path} is",
                f"Free at least {LEAST_SPACE // GIB} GiB there (a first run needs about {COLD_SPACE // GIB} GiB), or set "
                "XDG_CACHE_HOME and XDG_STATE_HOME to a larger disk.",
            )
        if free < COLD_SPACE and not any(path.iterdir()):
            say(
                f"  only {free / GIB:.1f} GiB are free where {path} is; a first run may need about {COLD_SPACE // GIB} GiB"
            )


def _context_of(name: str) -> str | None:
    """The context that the user named when the stack was deployed."""
    deployed = Deployed.load(name)
    return deployed.cluster if deployed and deployed.kind == "context" else None


def _deployed_stacks() -> list[str]:
    return sorted(path.stem for path in state("stacks").glob("*.json"))


def _claim(current: stack.Stack, target: Cluster) -> Deployed:
    """Record which cluster the stack is deployed to, and refuse another one."""
    uid = cluster.identity(target)
    known = Deployed.load(current.name)
    if (
        known
        and known.uid != uid
        and any(r["type"].startswith("kubernetes:") for r in current.export().get("resources") or [])
    ):
        named = f" (`KUBE_CONTEXT={known.cluster}`)" if known.kind == "context" else ""
        raise UserError(
            f"the stack {current.name} was deployed to another cluster, {known.cluster}{named}; this is the {_described(target)}",
            f"Go back to that cluster, or remove the stack from it first (`make down STACK={current.name}`); if it is gone for "
            "good, `make purge` forgets it.",
        )
    outputs = known.outputs if known and known.uid == uid else {}
    deployed = Deployed(uid, target.kind, target.name, outputs)
    deployed.save(current.name)
    return deployed


def _described(target: Cluster) -> str:
    return f"cluster of the context {target.name}" if target.kind == "context" else f"{target.kind} cluster"


def _exists(target: Cluster, kind: str, namespace: str, name: str) -> bool:
    try:
        cluster.kubectl_json(target.kubeconfig, "get", kind, name, *(["--namespace", namespace] if namespace else []))
    except UserError:
        return False
    return True


@contextlib.contextmanager
def _watch(current: stack.Stack, target: Cluster) -> Iterator[None]:
    """While the body runs, tell why pods cannot start as soon as it shows; when the body fails, tell all reasons."""
    done = threading.Event()
    told: set[str] = set()

    def look() -> None:
        while not done.wait(10):
            for reason in pods.unready(target.kubeconfig, current.namespaces(), settled=True):
                if reason not in told:
                    told.add(reason)
                    say(f"    {reason}")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    except UserError:
        reasons = pods.unready(target.kubeconfig, current.namespaces())
        if reasons:
            say("not ready:\n" + "\n".join(f"    {reason}" for reason in reasons))
        raise
    finally:
        done.set()


def _still_there(deployed: Deployed, target: Cluster) -> bool:
    """Whether the cluster has what was deployed last; False if somebody deleted it there."""
    outputs = deployed.outputs
    return not outputs or _exists(target, "deployment", outputs["namespace"], outputs["deploymentName"])


def _wait_for_rollout(deployed: Deployed, target: Cluster) -> None:
    """Wait until only pods of the new version are left.

    Pulumi's own wait may end before that: a Deployment that is recreated counts as updated once the old pod is gone.
    """
    command = ["rollout", "status", f"deployment/{deployed.outputs['deploymentName']}"]
    command += ["--namespace", deployed.outputs["namespace"], f"--timeout={ROLLOUT_SECONDS}s"]
    run(
        [cluster.kubectl(), "--kubeconfig", target.kubeconfig, *command],
        log=state("logs", "rollout.log"),
        fix="Mend what the pods say above and run the same command again; `make logs` shows more.",
    )


def _login(deployed: Deployed, target: Cluster) -> prove.Login | None:
    """Name and password of the administrator, from the Secret that holds them; None where nobody logs in."""
    admin: dict[str, str] = deployed.outputs.get("admin") or {}
    if not admin:
        return None
    command = [cluster.kubectl(), "--kubeconfig", target.kubeconfig, "get", "secret", admin["secret"], "--output=json"]
    done = subprocess.run(
        [*command, "--namespace", deployed.outputs["namespace"]], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"the administrator's password cannot be read: {done.stderr.strip()}", "Look at that Secret.")
    data = {key: base64.b64decode(value).decode() for key, value in json.loads(done.stdout)["data"].items()}
    return admin.get("username") or data[admin["usernameKey"]], data[admin["passwordKey"]]


def _password_command(deployed: Deployed, admin: dict[str, str]) -> str:
    key = admin["passwordKey"].replace(".", "\\.")
    return (
        f"kubectl get secret {admin['secret']} --namespace {deployed.outputs['namespace']} "
        f"--output=jsonpath='{{.data.{key}}}' | base64 --decode"
    )


def _open_port(name: str, deployed: Deployed, target: Cluster, port: int | None) -> str:
    outputs = deployed.outputs
    command = [
        str(cluster.kubectl()),
        "--kubeconfig",
        str(target.kubeconfig),
        "--namespace",
        outputs["namespace"],
        "port-forward",
    ]
    return forward.ensure(name, [*command, f"service/{outputs['serviceName']}", str(int(outputs["servicePort"]))], port)


def _running(name: str) -> tuple[Deployed, Cluster]:
    """The record of a deployed stack and its running cluster."""
    deployed = Deployed.load(name)
    target = None
    if deployed and deployed.outputs:
        target = cluster.find(deployed.cluster) if deployed.kind == "context" else cluster.current()
    if not deployed or not target:
        raise UserError(f"the stack {name} is not running", f"Start it: `make up STACK={name}`.")
    return deployed, target


def _destroy(name: str, deployed: Deployed) -> None:
    """Remove the stack's resources from the context that it is deployed to."""
    target = cluster.find(deployed.cluster)
    _confirm(f"remove the stack {name} with its data from the context {deployed.cluster}")
    venv, cli = _environment_of(name)
    current = stack.Stack(name, cli, venv, target.kubeconfig)
    current.prepare()
    _claim(current, target)
    forward.stop(name)
    current.stream("destroy", "--yes", "--skip-preview")
    Deployed.file(name).unlink()


def _forget(name: str) -> None:
    """Drop the local state of a stack whose cluster was deleted."""
    forward.stop(name)
    for path in (stack.local_state() / ".pulumi").glob(f"*/{stack.project()}/{name}.json*"):
        path.unlink()
    Deployed.file(name).unlink(missing_ok=True)


def _delete_state() -> None:
    for path in state().iterdir():
        if path.name == "locks":  # we hold one of them
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _no_cluster() -> Path:
    """A kubeconfig without clusters, so that a preview does not ask whatever cluster the user's own one points to."""
    path = state("no-cluster.kubeconfig")
    write(path, "apiVersion: v1\nkind: Config\n")
    return path


def _confirm(what: str) -> None:
    """Ask before data is deleted; YES=1 answers.

    Raises:
        UserError: The answer was no, or there is nobody to ask.
    """
    if os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty():
        raise UserError(f"this would {what}", "Confirm with YES=1.")
    if input(f"This will {what}. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise UserError("nothing was changed", "Answer y to go on.")
