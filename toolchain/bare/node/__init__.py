"""A real single-node Kubernetes on this machine, without a container engine: `start`, `current`, `stop`.

All of it lives in namespaces of its own (see `isolation`), ended as one. The host sees one network link with two routes,
control groups, and, where it has a default route itself, three iptables rules; `stop` takes all of it back.
What the cluster holds is kept under the user's state directory until `stop(purge=True)`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain import paths
from toolchain.bare.node import addresses, isolation, network, settings
from toolchain.bare.node.daemons import CONTAINERD_SOCKET
from toolchain.bare.node.objects import Api
from toolchain.bare.node.readiness import missing
from toolchain.bare.node.settings import Settings
from toolchain.console import Step, UserError, step
from toolchain.processes import started

_RUNTIME = Path("/run/mlflow-deployment")
_RECORD = _RUNTIME / "node.json"
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """The running node.

    Attributes:
        kubeconfig: The administrator's, with everything embedded and mode 0600.
        host_address: Address at which pods reach processes on this machine that listen on all addresses.
        node_address: Address of the node; node ports answer there.
    """

    kubeconfig: Path
    host_address: str = addresses.HOST
    node_address: str = addresses.NODE

    def import_image(self, archive: Path) -> None:
        """Put all images of a Docker or OCI archive into the container runtime.

        Raises:
            UserError: The archive is not one, or the disk is full.
        """
        with archive.open("rb") as source:
            answer = _ctr("import", "-", stdin=source.fileno())
        if answer.returncode != 0:
            raise UserError(
                f"{archive} could not be imported: {answer.stderr.strip()[-500:]}",
                "Check the free disk space; delete the archive if it is damaged, so that it is made again.",
            )

    def has_image(self, reference: str) -> bool:
        """Whether the container runtime holds the image under exactly this name, registry and tag included."""
        return reference in _ctr("list", "--quiet").stdout.split()


@dataclass(frozen=True)
class _Running:
    """What is recorded about the running node, for this and any other home folder.

    Attributes:
        pid: The node's first process.
        started: When it was started, as `processes.started` tells.
        since: The same in UTC, as the API server writes times.
        state: Folder of its data.
        former_forwarding: The host's IPv4 forwarding before the node opened its way out; None if it did not.
        environment: Environment with which iptables is found.
    """

    pid: int
    started: str
    since: str
    state: str
    former_forwarding: str | None
    environment: dict[str, str]

    @property
    def alive(self) -> bool:
        return bool(self.started) and started(self.pid) == self.started

    @property
    def ours(self) -> bool:
        return Path(self.state) == _state()


def start() -> Node:
    """Start the node, or find it running; return when it takes pods, resolves names and provisions volumes.

    Raises:
        UserError: This is not Linux or not root, another user's node runs, the network is taken, or a part failed.
    """
    recorded = _recorded()
    if recorded and recorded.alive and recorded.ours and not missing(Api(_state("pki")), recorded.since):
        return Node(_state("kubeconfig"))
    _check_root()
    with paths.lock("node", "starting or stopping the built-in Kubernetes"):
        recorded = _recorded()
        if recorded and recorded.alive and not recorded.ours:
            raise UserError(
                f"a built-in Kubernetes of another user or home folder runs on this machine (data in {recorded.state})",
                f"Use it through {recorded.state}/kubeconfig, or stop it: `python3 -m toolchain.bare.node stop` there.",
            )
        if not (recorded and recorded.alive):
            _clean_up(recorded)
            network.check_free()
            prepared = settings.prepare(_state())
            with step("starting the built-in Kubernetes", "about 10 seconds") as doing:
                process = _spawn(prepared)
                _wait(process, doing)
        else:
            with step("waiting for the built-in Kubernetes") as doing:
                _wait(recorded, doing)
    return Node(_state("kubeconfig"))


def current() -> Node | None:
    """The node if it runs and is this user's; it may still be starting."""
    recorded = _recorded()
    return Node(_state("kubeconfig")) if recorded and recorded.alive and recorded.ours else None


def fetch() -> None:
    """Fetch what the first `start` needs from the network, beside other work.

    Raises:
        UserError: Something could not be had.
    """
    settings.fetch()


def is_new() -> bool:
    """Whether this user has never started it."""
    return not _state().exists()


def stop(purge: bool = False) -> None:
    """Stop the node and take back all that it changed on the host. Does nothing where none runs.

    Args:
        purge: Also delete all data: the cluster's objects, volumes and images.

    Raises:
        UserError: Another user's node runs, or this is not root and there is something to do.
    """
    recorded = _recorded()
    if not recorded and not (purge and _state().exists()):
        return
    _check_root()
    with paths.lock("node", "starting or stopping the built-in Kubernetes"):
        recorded = _recorded()
        if recorded and recorded.alive:
            if not recorded.ours:
                raise UserError(
                    f"the built-in Kubernetes that runs is not this user's (data in {recorded.state})",
                    "Stop it as the user who started it.",
                )
            with step("stopping the built-in Kubernetes", "up to 15 seconds"):
                _signal_until_gone(recorded)
        _clean_up(recorded)
        if purge:
            _delete_state()


def _check_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UserError("the built-in Kubernetes needs Linux and root", "Run the command as root, or name a cluster.")


def _state(*parts: str) -> Path:
    return paths.state("node", *parts)


def _recorded() -> _Running | None:
    try:
        return _Running(**json.loads(_RECORD.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _spawn(prepared: Settings) -> _Running:
    """Start the node's first process in its namespaces, and connect its network."""
    root = _RUNTIME / "root"
    root.mkdir(parents=True, exist_ok=True)
    _RUNTIME.chmod(0o700)
    file = _RUNTIME / "settings.json"
    prepared.write(file)
    log = _state("logs", "init.log")
    with log.open("w") as sink:
        process = subprocess.Popen(
            [
                *("unshare", "--fork", "--pid", "--mount", "--net", "--uts", "--ipc", "--propagation=slave"),
                *(sys.executable, "-m", "toolchain.bare.node.init", str(file), str(root)),
            ],
            cwd=paths.ROOT,
            env=prepared.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
            text=True,
        )
    assert process.stdin and process.stdout
    with process.stdin, process.stdout:
        pid = process.stdout.readline().strip()
        if not pid:
            raise _failure("the node's first process did not start")
        former = network.forwarding() if prepared.way_out else None
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        running = _Running(int(pid), started(int(pid)), since, prepared.state, former, prepared.environment)
        temporary = _RECORD.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(running)))
        temporary.replace(_RECORD)
        network.connect(running.pid)
        if prepared.way_out:
            network.open_way_out(prepared.environment)
        process.stdin.write("connected\n")
    return running


def _wait(running: _Running, doing: Step) -> None:
    """Wait until nothing is missing any more.

    Raises:
        UserError: The node ended, or it took too long.
    """
    client = Api(_state("pki"))
    until = time.monotonic() + _START_SECONDS
    while lacking := missing(client, running.since):
        doing.detail(lacking)
        if not running.alive:
            raise _failure("the built-in Kubernetes ended while it was starting")
        if time.monotonic() > until:
            raise _failure(f"the built-in Kubernetes is not ready after {_START_SECONDS:.0f} s: {lacking}")
        time.sleep(0.1)


def _failure(message: str) -> UserError:
    log = _state("logs", "init.log")
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    shown = "\n".join(f"    {line}" for line in lines)
    return UserError(
        f"{message}\n{shown}\n  logs: {log.parent}",
        "Mend what the logs name. `python3 -m toolchain.bare.node stop --purge` starts over, without the cluster's data.",
    )


def _signal_until_gone(running: _Running) -> None:
    """End the node's first process, orderly for 20 seconds and then at once."""
    for number, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 10.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, number)
        until = time.monotonic() + patience
        while running.alive and time.monotonic() < until:
            time.sleep(0.05)
        if not running.alive:
            return
    raise UserError(
        f"process {running.pid} does not end", "It waits in the kernel, for a disk perhaps: try again later."
    )


def _clean_up(recorded: _Running | None) -> None:
    """Take back what a node that has ended left on the host."""
    network.disconnect()
    if recorded and recorded.former_forwarding is not None:
        network.close_way_out(recorded.environment, recorded.former_forwarding)
    isolation.remove_cgroups()
    shutil.rmtree(_RUNTIME, ignore_errors=True)


def _delete_state() -> None:
    folder = _state()
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    if folder.is_symlink() or any(Path(mount).is_relative_to(folder) for mount in mounts):
        raise UserError(f"{folder} is a link or holds a mount", "Unmount or remove it, then run the command again.")
    with step("deleting the built-in Kubernetes' data"):
        shutil.rmtree(folder, ignore_errors=False)


def _ctr(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run an image command of containerd's client inside the node.

    Raises:
        UserError: The node does not run.
    """
    recorded = _recorded()
    if not (recorded and recorded.alive and recorded.ours):
        raise UserError("the built-in Kubernetes does not run", "Start it: `python3 -m toolchain.bare.node start`.")
    command = ["nsenter", f"--target={recorded.pid}", "--mount", "ctr", f"--address={CONTAINERD_SOCKET}"]
    command += ["--namespace=k8s.io", "images", *arguments]
    return subprocess.run(command, stdin=stdin, env=recorded.environment, capture_output=True, text=True, check=False)
