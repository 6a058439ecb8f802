"""The Kubernetes cluster to deploy to: the one that the user names, else one of our own.

A cluster that the user did not name is never touched, and the user's kubeconfig is never written.
One module although it is long: how a cluster is found, made and recorded is one decision.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.bare import golang, node
from toolchain.console import UserError, run, say, step
from toolchain.files import write
from toolchain.paths import cache, state

NAME = "mlflow"
"""Name of the cluster that is created with kind, k3d or minikube."""

MAKERS = {
    "kind": {
        "start": ["kind", "create", "cluster", "--name", NAME, "--kubeconfig", "{kubeconfig}"],
        "again": [
            "{engine}",
            "start",
            f"{NAME}-control-plane",
        ],  # after a restart of the machine; changes nothing otherwise
        "kubeconfig": ["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", "{kubeconfig}"],
        "list": ["kind", "get", "clusters"],
        "delete": ["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", "{kubeconfig}"],
        "load": ["kind", "load", "image-archive", "{archive}", "--name", NAME],
        "exec": ["{engine}", "exec", f"{NAME}-control-plane"],
    },
    "k3d": {
        "start": ["k3d", "cluster", "create", NAME, "--kubeconfig-update-default=false", "--wait"],
        "again": ["k3d", "cluster", "start", NAME],
        "kubeconfig": ["k3d", "kubeconfig", "write", NAME, "--output", "{kubeconfig}"],
        "list": ["k3d", "cluster", "list", "--no-headers"],
        "delete": ["k3d", "cluster", "delete", NAME],
        "load": ["k3d", "image", "import", "{archive}", "--cluster", NAME],
        "exec": ["{engine}", "exec", f"k3d-{NAME}-server-0"],
    },
    "minikube": {
        "start": ["minikube", "start", "--profile", NAME, "--driver", "{engine}", "--keep-context"],
        "again": ["minikube", "start", "--profile", NAME, "--keep-context"],
        "list": ["minikube", "profile", "list", "--light"],
        "delete": ["minikube", "delete", "--profile", NAME],
        "load": ["minikube", "image", "load", "{archive}", "--profile", NAME],
        "exec": ["minikube", "ssh", "--profile", NAME, "--", "sudo"],
    },
}
"""The commands of each cluster maker, with `{engine}` for docker or podman. KUBECONFIG is set to our own file for all of them."""

CONTEXTS = {"kind": f"kind-{NAME}", "k3d": f"k3d-{NAME}", "minikube": NAME}
"""What the makers call the context of that cluster in the user's own kubeconfig."""

ANSWER_SECONDS = 90
"""How long the API server of a cluster that was stopped may take to answer."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers.

    Attributes:
        kind: `context` for one that the user named, `kind`, `k3d` or `minikube` for one made with these, `built-in`.
        name: Name of the context or cluster, for messages.
        kubeconfig: A kubeconfig of our own with this cluster only.
        node: The built-in node, for that kind only.
    """

    kind: str
    name: str
    kubeconfig: Path
    node: node.Node | None = None

    @property
    def ours(self) -> bool:
        """Whether the toolchain made it."""
        return self.kind != "context"

    @property
    def described(self) -> str:
        """`kind cluster`, `cluster of the context prod`."""
        return f"{self.kind} cluster" if self.ours else f"cluster of the context {self.name}"

    def load_image(self, archive: Path) -> None:
        """Put an image archive into the cluster's container runtime.

        Raises:
            UserError: It failed, or the cluster takes images from a registry only.
        """
        if self.node:
            self.node.import_image(archive)
        elif self.ours:
            _maker_run(self.kind, "load", self.kubeconfig, archive=archive)
        else:
            raise UserError(
                f"the image cannot be put into the cluster of the context {self.name}",
                "Push it to a registry that the cluster reaches, and name it in the stack's `mlflow:image`.",
            )

    def has_image(self, reference: str) -> bool:
        """Whether the cluster's container runtime holds the image; False where that cannot be told."""
        if self.node:
            return self.node.has_image(reference)
        if not self.ours:
            return False
        command = [*_filled(self.kind, "exec"), "crictl", "inspecti", "--quiet", reference]
        return (
            subprocess.run(command, capture_output=True, env=_maker_env(self.kubeconfig), check=False).returncode == 0
        )

    def host_address(self) -> str | None:
        """Where pods reach this machine; None where that cannot be told."""
        if self.node:
            return self.node.host_address
        if not self.ours:
            return None
        network = {"kind": "kind", "k3d": f"k3d-{NAME}", "minikube": NAME}[self.kind]
        # Docker has the addresses in IPAM.Config, Podman in Subnets.
        place = "Subnets" if engine() == "podman" else "IPAM.Config"
        command = [engine() or "docker", "network", "inspect", network]
        command += ["--format", f"{{{{range .{place}}}}}{{{{println .Gateway}}}}{{{{end}}}}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return next((address for address in answer if ":" not in address), None)


def find(context: str | None) -> Cluster:
    """Choose the cluster, making one of our own if none is named. One that was made earlier is used again.

    Args:
        context: Context in the user's kubeconfig, or None.

    Raises:
        UserError: There is no such context, it does not answer, or no cluster can be made here.
    """
    if context:
        found = Cluster("context", context, _minified(context))
        require_answer(found)
        return found
    running = current()
    if running and not running.node:
        return running
    maker = None if running else _maker()
    if maker:
        return _start_maker(maker)
    if running or (sys.platform == "linux" and os.geteuid() == 0):
        started = node.start()  # where it runs already, this waits until it is ready
        _record("built-in")
        return Cluster("built-in", "built-in", started.kubeconfig, started)
    raise UserError(
        "there is no Kubernetes cluster to deploy to",
        "Name a context of your kubeconfig (`make up KUBE_CONTEXT=name`), or install kind, k3d or minikube and start a "
        "container engine, or run as root on Linux, where a single-node cluster of its own is started.",
    )


def first_built_in() -> bool:
    """Whether `find` without a context starts the built-in node for the first time."""
    return sys.platform == "linux" and os.geteuid() == 0 and node.is_new() and current() is None and _maker() is None


def current() -> Cluster | None:
    """The cluster of our own that is running now."""
    started = node.current()
    if started:
        return Cluster("built-in", "built-in", started.kubeconfig, started)
    kind = recorded()
    if kind in MAKERS and shutil.which(kind) and kubeconfig_of(kind).exists():
        found = Cluster(kind, NAME, kubeconfig_of(kind))
        return found if answers(found) else None
    return None


def recorded() -> str | None:
    """The kind of the cluster that we made, running or not."""
    return _recorded().get("kind")


def _recorded() -> dict[str, str]:
    path = state("cluster.json")
    return json.loads(path.read_text()) if path.exists() else {}


def delete() -> None:
    """Delete the cluster that we made with kind, k3d or minikube."""
    kind = recorded()
    if kind in MAKERS:
        _maker_run(kind, "delete", kubeconfig_of(kind))
        kubeconfig_of(kind).unlink(missing_ok=True)
    state("cluster.json").unlink(missing_ok=True)


def kubeconfig_of(kind: str) -> Path:
    """Our own kubeconfig for a cluster made with kind, k3d or minikube."""
    return state(f"{kind}.kubeconfig")


def answers(cluster: Cluster) -> bool:
    """Whether the API server says that it is ready; waits 4.5 seconds at most."""
    return not _readyz(cluster)


def require_answer(cluster: Cluster) -> None:
    """Raise a `UserError` that names the context and the server unless the cluster answers within 4 seconds."""
    reason = _readyz(cluster)
    if reason:
        server = re.search(r"server: *(\S+)", cluster.kubeconfig.read_text())
        address = server.group(1) if server else "an unknown address"
        raise UserError(
            f"the cluster of the context {cluster.name} at {address} does not answer: {reason}",
            "Start the cluster, mend its address or your login, or name another context with KUBE_CONTEXT=name "
            "(`kubectl config get-contexts` lists them). Nothing was changed.",
        )


def _readyz(cluster: Cluster) -> str:
    """Why the API server is not ready; empty if it is."""
    command = [kubectl(), "--kubeconfig", cluster.kubeconfig, "get", "--raw", "/readyz", "--request-timeout=4s"]
    # A group of its own, ended as a whole: some kubectl are launchers that ask the server with timeouts of their own.
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        _, errors = process.communicate(timeout=4.5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "no answer within 4 seconds"
    return "" if process.returncode == 0 else (errors.strip().splitlines() or ["no reason given"])[-1]


def identity(cluster: Cluster) -> str:
    """What tells this cluster from every other one: the uid of the namespace kube-system."""
    return kubectl_json(cluster.kubeconfig, "get", "namespace", "kube-system")["metadata"]["uid"]


@functools.cache
def kubectl() -> Path:
    """kubectl from PATH, else our own build of Kubernetes, which is kubectl when called by that name."""
    found = shutil.which("kubectl")
    if found:
        return Path(found)
    built = golang.build(["kubernetes"])["kubernetes"]
    path = cache("bin", "kubectl")
    if not path.is_symlink() or path.readlink() != built:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(built)
    return path


def helm() -> Path:
    """Helm from PATH, else a build of it. Only tests use it.

    Raises:
        UserError: It could not be built.
    """
    found = shutil.which("helm")
    return Path(found) if found else golang.build(["helm"])["helm"]


def kubectl_json(kubeconfig: Path, *arguments: str) -> Any:
    """What a kubectl command answers with `-o json`.

    Raises:
        UserError: kubectl failed.
    """
    command = [kubectl(), "--kubeconfig", kubeconfig, "--request-timeout=20s", *arguments, "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(
            f"`kubectl {' '.join(arguments)}` failed: {result.stderr.strip()}", "See whether the cluster answers."
        )
    return json.loads(result.stdout)


def _minified(context: str) -> Path:
    """A private copy of the user's kubeconfig with one context only."""
    command = [kubectl(), "config", "view", "--minify", "--flatten", "--raw", "--context", context]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode or "server:" not in result.stdout:
        listing = subprocess.run(
            [kubectl(), "config", "get-contexts", "-o", "name"], capture_output=True, text=True, check=False
        )
        known = ", ".join(listing.stdout.split())
        fix = f"Name one of: {known}." if known else "It names no cluster at all; leave KUBE_CONTEXT out."
        raise UserError(f"there is no context {context} in your kubeconfig", fix)
    path = state("contexts", re.sub(r"[^\w.-]", "_", context))
    write(path, result.stdout, private=True)
    return path


@functools.cache
def engine() -> str | None:
    """The container engine that answers: `docker` or `podman`; the one first in which our cluster is."""
    for name in sorted(("docker", "podman"), key=lambda name: name != _recorded().get("engine")):
        if shutil.which(name):
            with contextlib.suppress(subprocess.TimeoutExpired):
                if subprocess.run([name, "info"], capture_output=True, timeout=10, check=False).returncode == 0:
                    return name
    return None


@functools.cache
def _maker() -> str | None:
    """The cluster maker that has made our cluster, else the first one that is installed, if a container engine answers."""
    installed = [name for name in sorted(MAKERS, key=lambda name: name != recorded()) if shutil.which(name)]
    if not installed:
        return None
    if not engine():
        say(f"  {installed[0]} is installed, but no container engine answers")
        return None
    if (home := _recorded().get("engine")) not in (None, engine()):
        # Another engine knows nothing of it, and would be given a second, empty one.
        raise UserError(
            f"the {recorded()} cluster {NAME} was made with {home}, which does not answer",
            f"Start {home}; to give the cluster up with its data, delete {state('cluster.json')}.",
        )
    # k3d speaks to Docker's API alone, which Podman has on a socket that DOCKER_HOST must name: https://k3d.io/stable/usage/advanced/podman/
    usable = [name for name in installed if name != "k3d" or engine() == "docker" or "DOCKER_HOST" in os.environ]
    if not usable:
        say("  k3d is installed, but Docker does not answer; for Podman, name its socket in DOCKER_HOST")
    return next(iter(usable), None)


def _start_maker(kind: str) -> Cluster:
    kubeconfig = kubeconfig_of(kind)
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        MAKERS[kind]["list"], capture_output=True, text=True, env=_maker_env(kubeconfig), check=False
    ).stdout
    exists = NAME in re.split(r"[\s|│]+", listed)
    if exists and recorded() != kind:
        delete = " ".join(MAKERS[kind]["delete"]).removesuffix(" --kubeconfig {kubeconfig}")
        raise UserError(
            f"{kind} has a cluster named {NAME} that this project did not make",
            f"Use it with `KUBE_CONTEXT={CONTEXTS[kind]}`, or delete it with `{delete}`.",
        )
    with step(f"{'starting' if exists else 'making'} a {kind} cluster named {NAME}", "1 to 3 minutes"):
        _record(kind)
        _maker_run(kind, "again" if exists else "start", kubeconfig)
        if "kubeconfig" in MAKERS[kind]:
            _maker_run(kind, "kubeconfig", kubeconfig)
        made = Cluster(kind, NAME, kubeconfig)
        deadline = time.monotonic() + ANSWER_SECONDS
        while reason := _readyz(made):
            if time.monotonic() > deadline:
                raise UserError(
                    f"the {kind} cluster {NAME} does not answer: {reason}",
                    "`make down` deletes it with its data, and `make up` makes another one.",
                )
            time.sleep(1)
    return made


def _maker_run(kind: str, action: str, kubeconfig: Path, archive: Path | None = None) -> None:
    command = _filled(kind, action, kubeconfig=kubeconfig, archive=archive)
    run(command, log=state("logs", f"{kind}-{action}.log"), env=_maker_env(kubeconfig))


def _filled(kind: str, action: str, **places: object) -> list[str]:
    return [part.format(engine=engine(), **places) for part in MAKERS[kind][action]]


def _maker_env(kubeconfig: Path) -> dict[str, str]:
    # kind takes Docker wherever its program is, also if it does not answer: https://kind.sigs.k8s.io/docs/user/rootless/
    chosen = {"KIND_EXPERIMENTAL_PROVIDER": "podman"} if engine() == "podman" else {}
    return {**chosen, **os.environ, "KUBECONFIG": str(kubeconfig)}


def _record(kind: str) -> None:
    made = {"kind": kind, **({"engine": engine() or ""} if kind in MAKERS else {})}
    write(state("cluster.json"), json.dumps(made))
