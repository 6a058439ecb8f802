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
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolchain import debian, golang, paths
from toolchain.console import Step, UserError, step
from toolchain.node import addresses, isolation, network, pki
from toolchain.node.daemons import CONTAINERD_SOCKET
from toolchain.node.objects import Api
from toolchain.node.pause import pause_image
from toolchain.node.settings import Settings
from toolchain.processes import started

_RUNTIME = Path("/run/mlflow-deployment")
_RECORD = _RUNTIME / "node.json"
_PROGRAMS = ("kubernetes", "etcd", "coredns", "local-path", "metrics-server")
_PACKAGES = {"containerd": "containerd", "runc": "runc", "iptables": "iptables", "ip": "iproute2", "openssl": "openssl"}
_CNI_FOLDERS = ("usr/lib/cni", "opt/cni/bin", "usr/libexec/cni")
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
    """What is recorded about the running node, for every user of the machine.

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
    if recorded and recorded.alive and recorded.ours and not _not_ready(Api(_state("pki")), recorded.since):
        return Node(_state("kubeconfig"))
    _check_root()
    with paths.lock("node", "starting or stopping the built-in Kubernetes"):
        recorded = _recorded()
        if recorded and recorded.alive and not recorded.ours:
            raise UserError(
                f"a built-in Kubernetes of another user or home folder runs on this machine (data in {recorded.state})",
                f"Use it through {recorded.state}/kubeconfig, or stop it: `python3 -m toolchain.node stop` there.",
            )
        if not (recorded and recorded.alive):
            _clean_up(recorded)
            network.check_free()
            settings = _settings()
            with step("starting the built-in Kubernetes", "about 10 seconds") as doing:
                process = _spawn(settings)
                _wait(process, doing)
        else:
            with step("waiting for the built-in Kubernetes") as doing:
                _wait(recorded, doing)
    return Node(_state("kubeconfig"))


def current() -> Node | None:
    """The node if it runs and is this user's; it may still be starting."""
    recorded = _recorded()
    return Node(_state("kubeconfig")) if recorded and recorded.alive and recorded.ours else None


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


def _settings() -> Settings:
    """Everything that the node's first process needs, built, fetched or made where missing."""
    programs = golang.build([*_PROGRAMS, "pause"])
    found, environment = _system_programs()
    reference, archive = pause_image(programs.pop("pause"))
    pki_folder = _state("pki")
    _state().mkdir(parents=True, exist_ok=True, mode=0o700)
    pki.ensure(pki_folder, _state("kubeconfig"))
    for folder in ("etcd", "containerd", "kubelet", "volumes", "logs/pods"):
        _state(folder).mkdir(parents=True, exist_ok=True)
    _state("etcd").chmod(0o700)
    containerd = shutil.which("containerd", path=environment["PATH"])
    assert containerd
    return Settings(
        state=str(_state()),
        programs={**{name: str(path) for name, path in programs.items()}, "containerd": containerd},
        environment=environment,
        cni_programs=str(found),
        pause_image=reference,
        pause_archive=str(archive),
        visible=(str(paths.cache()), str(paths.ROOT), sys.base_prefix),
        way_out=network.has_way_out(),
    )


def _system_programs() -> tuple[Path, dict[str, str]]:
    """The folder of the CNI plugins, and the environment that finds containerd and the rest.

    The system's own are used if all are there, else Debian's packages, unpacked in the cache.
    """
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"}
    root = Path("/")
    missing = [name for name in _PACKAGES if not shutil.which(name, path=environment["PATH"])]
    if missing or not _cni_folder(root):
        packages = [package for program, package in _PACKAGES.items() if program in missing]
        root = debian.unpack([*packages, "containernetworking-plugins"])
        environment = debian.environment(root)
    folder = _cni_folder(root)
    if not folder:
        raise UserError("the CNI plugins were not found", "Install the package containernetworking-plugins.")
    return folder, environment


def _cni_folder(root: Path) -> Path | None:
    return next((root / folder for folder in _CNI_FOLDERS if (root / folder / "ptp").exists()), None)


def _spawn(settings: Settings) -> _Running:
    """Start the node's first process in its namespaces, and connect its network."""
    root = _RUNTIME / "root"
    root.mkdir(parents=True, exist_ok=True)
    file = _RUNTIME / "settings.json"
    settings.write(file)
    log = _state("logs", "init.log")
    with log.open("w") as sink:
        process = subprocess.Popen(
            [
                *("unshare", "--fork", "--pid", "--mount", "--net", "--uts", "--ipc", "--propagation=slave"),
                *(sys.executable, "-m", "toolchain.node.init", str(file), str(root)),
            ],
            cwd=paths.ROOT,
            env=settings.environment,
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
        former = network.forwarding() if settings.way_out else None
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        running = _Running(int(pid), started(int(pid)), since, settings.state, former, settings.environment)
        temporary = _RECORD.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(running)))
        temporary.replace(_RECORD)
        network.connect(running.pid)
        if settings.way_out:
            network.open_way_out(settings.environment)
        process.stdin.write("connected\n")
    return running


def _wait(running: _Running, doing: Step) -> None:
    """Wait until nothing is missing any more.

    Raises:
        UserError: The node ended, or it took too long.
    """
    client = Api(_state("pki"))
    until = time.monotonic() + _START_SECONDS
    while missing := _not_ready(client, running.since):
        doing.detail(missing)
        if not running.alive:
            raise _failure("the built-in Kubernetes ended while it was starting")
        if time.monotonic() > until:
            raise _failure(f"the built-in Kubernetes is not ready after {_START_SECONDS:.0f} s: {missing}")
        time.sleep(0.1)


def _not_ready(client: Api, since: str) -> str:
    """What the node still lacks; empty when it is ready. What was written before `since` is from an earlier start."""
    try:
        client.get("/readyz")
        conditions = client.get(f"/api/v1/nodes/{addresses.NAME}")["status"].get("conditions", [])
        ready = next((item for item in conditions if item["type"] == "Ready"), None)
        if not ready or ready["lastHeartbeatTime"] < since:
            return "the kubelet has not reported yet"
        if ready["status"] != "True":
            return ready["message"]
        client.get("/apis/storage.k8s.io/v1/storageclasses/standard")
        client.get("/api/v1/namespaces/default/serviceaccounts/default")
        for pod in client.get("/api/v1/pods?fieldSelector=status.phase%3DRunning")["items"]:
            if _is_stale(pod["status"], since):
                return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']} is not started again yet"
    except OSError as error:
        return f"waiting for the API server: {error}"
    return "" if _resolves() else "cluster DNS does not answer yet"


def _is_stale(status: dict[str, Any], since: str) -> bool:
    """Whether a pod is said to be ready, but by a container that ended with an earlier start of the node."""
    running = (container["state"].get("running") for container in status.get("containerStatuses", []))
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", []))
    return ready and any(state and state["startedAt"] < since for state in running)


def _resolves() -> bool:
    """Whether cluster DNS, asked at its service address as pods do, knows the API server's Service."""
    name = b"".join(
        bytes([len(part)]) + part.encode() for part in f"kubernetes.default.svc.{addresses.DOMAIN}".split(".")
    )
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + name + b"\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.5)
        try:
            client.sendto(question, (addresses.DNS_SERVICE, 53))
            answer = client.recv(512)
        except OSError:
            return False
    return answer[:2] == question[:2] and answer[3] & 0x0F == 0 and answer[7] > 0


def _failure(message: str) -> UserError:
    log = _state("logs", "init.log")
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    shown = "\n".join(f"    {line}" for line in lines)
    return UserError(
        f"{message}\n{shown}\n  logs: {log.parent}",
        "Mend what the logs name. `python3 -m toolchain.node stop --purge` starts over, without the cluster's data.",
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
        raise UserError("the built-in Kubernetes does not run", "Start it: `python3 -m toolchain.node start`.")
    command = ["nsenter", f"--target={recorded.pid}", "--mount", "ctr", f"--address={CONTAINERD_SOCKET}"]
    command += ["--namespace=k8s.io", "images", *arguments]
    return subprocess.run(command, stdin=stdin, env=recorded.environment, capture_output=True, text=True, check=False)
