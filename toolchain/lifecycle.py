"""The commands that run MLflow: up, down, purge, preview, logs, open.

One module although it is long: a function for each command, and what they share.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from toolchain import backend, cluster, deployed, environments, forward, pods, prove, pulumi, shell, versions
from toolchain.bare import images, node
from toolchain.cluster import Cluster
from toolchain.console import UserError, ahead, run, say, step
from toolchain.deployed import Deployed
from toolchain.files import write
from toolchain.objects import Object, existing
from toolchain.paths import cache, lock, state
from toolchain.plan import images_of, to_create
from toolchain.stack import Stack

GIB = 1024**3
COLD_SPACE = 12 * GIB
"""What a first run on a machine without Pulumi and cluster takes: caches, images and the cluster's data."""
LEAST_SPACE = 3 * GIB

ROLLOUT_SECONDS = 600
"""How long new pods may take to become ready, image pull included."""

LOCK = ("up", "`make up`, `make down` or `make test`")


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
        context = context or deployed.context_of(name)
        named = cluster.find(context) if context else None  # before anything else: it may not answer
        first = not named and cluster.first_built_in()
        if first:
            ahead(node.fetch, functools.partial(images.fetch, versions.MLFLOW_IMAGE))
        venv, cli = pulumi.for_stack(name)
        target = named or cluster.find(None)
        loading = ahead(functools.partial(images.ensure, versions.MLFLOW_IMAGE, target)) if first else None
        current = Stack(name, cli, venv, target.kubeconfig)
        current.prepare()
        record = deployed.claim(current, target)
        current.mend(functools.partial(existing, target.kubeconfig))
        with step("checking the configuration and planning"):
            plan, known = current.plan(), current.objects()
            made = {
                Object.of(each["inputs"]): each for each in to_create(plan) if each["type"].startswith("kubernetes:")
            }
            there = existing(target.kubeconfig, {*made, *known})
            _refuse_strangers(current, {each: made[each] for each in sorted(there & made.keys())}, known)
            gone = sorted(known - there)
        if loading:
            loading.join()
        for image in images_of(plan):
            images.ensure(image, target)
        say(f"▸ deploying the stack {name} to the {target.described}")
        for each in gone:
            say(f"  the {each.kind} {each.id} was deleted from the cluster, not by Pulumi: making it again")
        refresh = ["--refresh"] if gone else []
        with _watch(current, target):
            current.stream("up", "--yes", "--skip-preview", "--suppress-outputs", *refresh)
            record.outputs = current.outputs()
            record.save(name)
            _wait_for_rollout(record, target)
        url = deployed.open_port(name, record, target, port)
        login = deployed.login(record, target)
        prove.wait(url)
        prove.round_trip(url, login)
    say("\n" + shell.next_steps(name, url, login[0] if login else None))


def down() -> None:
    """Stop our own cluster and close all ports. What stacks hold stays, here and in contexts that the user named.

    A cluster that was made with kind, k3d or minikube cannot be kept without running, and is deleted with its data.
    """
    with lock(*LOCK):
        kept = deployed.elsewhere()
        kind = cluster.recorded()
        if kind in cluster.MAKERS:
            _confirm(f"delete the {kind} cluster {cluster.NAME} with all its data")
        acted = _stop(set(kept), purge=False)
        for name, record in kept.items():
            say(f"the stack {name} stays in the context {record.cluster}: `make down STACK={name}` removes it")
        if not acted and not kept:
            say("nothing is running")


def remove(name: str) -> None:
    """Remove one stack with its data from the cluster that it is deployed to. Everything else goes on.

    Args:
        name: Name of the stack, which the user must have named.

    Raises:
        UserError: The stack is not deployed.
    """
    environments.stack_file(name)
    with lock(*LOCK):
        record = Deployed.load(name)
        if not record:
            raise UserError(f"the stack {name} is not deployed", "`make down` without STACK stops the cluster.")
        target = cluster.find(deployed.context_of(name))
        _confirm(f"remove the stack {name} with its data from the {target.described}")
        venv, cli = pulumi.for_stack(name)
        current = Stack(name, cli, venv, target.kubeconfig)
        current.prepare()
        deployed.claim(current, target)
        forward.stop(name)
        current.stream("destroy", "--yes", "--skip-preview")
        Deployed.file(name).unlink()


def purge() -> None:
    """Stop our own cluster and delete its data and all local state.

    Raises:
        UserError: A stack is deployed to a context of the user's own.
    """
    with lock(*LOCK):
        if kept := deployed.elsewhere():
            name, record = next(iter(kept.items()))
            raise UserError(
                f"the stack {name} is still deployed to the context {record.cluster}, and its state would be lost",
                f"Remove it first: `make down STACK={name}`. If that cluster is gone, delete {Deployed.file(name)}.",
            )
        _confirm(f"delete all local MLflow data and Pulumi state in {state()}")
        _stop(set(), purge=True)
        _delete_state()
        say(f"deleted {state()}")


def _stop(kept: set[str], *, purge: bool) -> bool:
    """Stop our own cluster and close all ports but those of some stacks; whether there was anything to stop."""
    closed = [forward.stop(name) for name in forward.stacks() if name not in kept]
    acted = any(closed)
    if cluster.recorded() in cluster.MAKERS:
        cluster.delete()
        for name in set(deployed.stacks()) - kept:
            _forget(name)
        acted = True
    running = node.current() is not None
    if running or purge:
        node.stop(purge=purge)
    if running and not purge:
        say(f"stopped; the data is kept in {state()}: `make up` goes on with it, `make purge` deletes it")
    return acted or running


def preview(name: str, arguments: list[str]) -> None:
    """Show what `up` would change. Needs no cluster; one that runs is asked.

    Args:
        name: Name of the stack.
        arguments: Further arguments of `pulumi preview`.
    """
    environments.stack_file(name)
    venv, cli = pulumi.for_stack(name)
    context = deployed.context_of(name)
    try:
        target = cluster.find(context) if context else cluster.current()
    except UserError as error:
        say(f"  {error.message}\n  showing the changes against the last known state alone")
        target = None
    current = Stack(name, cli, venv, target.kubeconfig if target else _no_cluster())
    current.prepare(reading=True)
    current.stream("preview", "--diff", *arguments)


def logs(name: str, arguments: list[str]) -> None:
    """Follow the logs of the stack's pods.

    Args:
        name: Name of the stack.
        arguments: Further arguments of `kubectl logs`.
    """
    record, target = deployed.running(name)
    command = [
        "logs",
        "--namespace",
        record.namespace,
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
    url = deployed.open_port(name, *deployed.running(name), port)
    prove.wait(url)
    say(f"MLflow is running at {url}")
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)


def drill(name: str) -> int:
    """Try out the latest backup of the running stack with its own command line; returns its exit code.

    Args:
        name: Name of the stack.
    """
    record, target = deployed.running(name)
    command = [environments.command_line(), "drill", "--namespace", record.namespace]
    return subprocess.run(command, env={**os.environ, "KUBECONFIG": str(target.kubeconfig)}, check=False).returncode


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


@contextlib.contextmanager
def _watch(current: Stack, target: Cluster) -> Iterator[None]:
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


def _refuse_strangers(current: Stack, found: Mapping[Object, Mapping[str, Any]], known: Set[Object]) -> None:
    """Refuse to make what the cluster has already, which the cluster would refuse one by one.

    Args:
        current: The stack.
        found: What it would create and the cluster has, with the resources as their state would be.
        known: Objects that its state holds.

    Raises:
        UserError: It names the objects, and both ways out: another namespace, or taking them into the state.
    """
    if not found:
        return
    # What Pulumi's `import` reads, with the parents and the version of the provider that the program has.
    parents = {made["parent"]: f"parent{index}" for index, made in enumerate(found.values())}
    resources = [
        {
            "type": made["type"],
            "name": made["urn"].rpartition("::")[2],
            "id": each.id,
            "parent": parents[made["parent"]],
            "version": environments.locked("pulumi-kubernetes"),
        }
        for each, made in found.items()
    ]
    file = state("import", f"{current.name}.json")
    write(file, json.dumps({"nameTable": {name: urn for urn, name in parents.items()}, "resources": resources}))
    if not known:  # nothing of it is deployed
        Deployed.file(current.name).unlink(missing_ok=True)
    names = "\n".join(f"    {each.kind} {each.id}" for each in found)
    raise UserError(
        f"the cluster has these already, and the stack {current.name} did not make them:\n{names}",
        "If they belong to another deployment, name a namespace of its own in the stack file, for example "
        f"`mlflow:namespace: mlflow-{current.name}` (an existing one with `mlflow:createNamespace: false`). "
        "If an earlier run of this stack was cut off while it made them, take them into its state, in `make shell"
        f" STACK={current.name}`: `pulumi import --file {file} --generate-code=false --protect=false --yes`.",
    )


def _wait_for_rollout(record: Deployed, target: Cluster) -> None:
    """Wait until only pods of the new version are left.

    Pulumi's own wait may end before that: a Deployment that is recreated counts as updated once the old pod is gone.
    """
    command = ["rollout", "status", f"deployment/{record.outputs['deploymentName']}"]
    command += ["--namespace", record.namespace, f"--timeout={ROLLOUT_SECONDS}s"]
    run(
        [cluster.kubectl(), "--kubeconfig", target.kubeconfig, *command],
        log=state("logs", "rollout.log"),
        fix="Mend what the pods say above and run the same command again; `make logs` shows more.",
    )


def _forget(name: str) -> None:
    """Drop the local state of a stack whose cluster was deleted."""
    forward.stop(name)
    backend.forget(name)
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
