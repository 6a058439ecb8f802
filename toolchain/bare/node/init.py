"""The node's first process: builds the node's view of the machine, then starts and watches the daemons.

Run by `toolchain.bare.node` in fresh namespaces, with the settings file as argument. It writes its process number on the host
to standard output, waits for a line on standard input that says that the network link is there, and needs neither
afterwards. When it ends, however that happens, the kernel ends every process, mount and interface of the node.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from toolchain.bare.node import addresses, daemons, isolation, objects
from toolchain.bare.node.daemons import CONTAINERD_SOCKET, PKI, STATE, Daemon
from toolchain.bare.node.settings import Settings

LOGS = STATE / "logs"
_COLLECTOR = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""Lets what is written in Go hold more memory before it looks for garbage: 30 % less of the processors' time for Kubernetes."""
_POD_GRACE = 7.0
"""Seconds that containers get to end after SIGTERM."""


class _StopRequested(Exception):  # noqa: N818 (not an error)
    """SIGTERM came."""


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _StopRequested


def main() -> None:
    """Reap what is orphaned in the node until the supervisor, a child, ends."""
    settings = Settings.read(Path(sys.argv[1]))
    print(Path("/proc/self").readlink(), flush=True)  # the host's /proc still, hence the number there
    if not sys.stdin.readline():
        return  # the command that started us was interrupted
    isolation.enter_cgroup()
    has_upstream = isolation.enter_root(Path(sys.argv[2]), settings)
    os.environ.clear()
    os.environ.update(settings.environment, PATH=f"/run/bin:{settings.environment['PATH']}", **_COLLECTOR)
    _redirect_output()
    supervisor = os.fork()
    if supervisor == 0:
        _supervise(settings, has_upstream)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(supervisor, signal.SIGTERM))
    while os.wait()[0] != supervisor:
        pass


def _redirect_output() -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = os.open(LOGS / "init.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)


def _supervise(settings: Settings, has_upstream: bool) -> NoReturn:
    supervisor = Supervisor()
    status = 1
    signal.signal(signal.SIGTERM, _stop)
    try:
        _start(supervisor, settings, has_upstream)
        say("all daemons are started")
        while True:
            supervisor.tick()
            time.sleep(0.2)
    except _StopRequested:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(supervisor)
        status = 0
    except BaseException as error:  # also what is not foreseen must end the process, whose parent waits for that
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _start(supervisor: Supervisor, settings: Settings, has_upstream: bool) -> None:
    """Start everything in the order in which the parts need each other."""
    isolation.set_up_network(settings)
    program = settings.programs
    runtime = daemons.containerd(program["containerd"], settings.cni_programs, settings.pause_image)
    store = daemons.etcd(program["etcd"])
    api = daemons.apiserver(program["kubernetes"])
    supervisor.start(runtime)
    supervisor.start(store)
    supervisor.wait(store)
    supervisor.start(api)
    supervisor.wait(runtime)
    _import_pause_image(settings)
    supervisor.wait(api)
    for node_daemon in (daemons.controller_manager, daemons.scheduler, daemons.kubelet):
        supervisor.start(node_daemon(program["kubernetes"]))
    # After the API server restarts, kube-proxy may keep rules that are out of date until it restarts too.
    supervisor.start(daemons.proxy(program["kubernetes"]), restart_with=api)
    client = objects.Api(PKI)
    for item in objects.base(PKI):
        supervisor.until(lambda item=item: _applied(client, item), f"{item['kind']} {item['metadata']['name']}")
    supervisor.start(daemons.coredns(program["coredns"], has_upstream))
    supervisor.start(daemons.storage_provisioner(program["local-path"]))
    supervisor.start(daemons.metrics_server(program["metrics-server"]))


def _import_pause_image(settings: Settings) -> None:
    ctr = ["ctr", f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", "images"]
    listed = subprocess.run([*ctr, "list", "--quiet"], capture_output=True, text=True, check=True).stdout
    if settings.pause_image not in listed.split():
        subprocess.run([*ctr, "import", settings.pause_archive], check=True)


def _applied(client: objects.Api, item: objects.Object) -> bool:
    try:
        client.apply(item)
    except OSError as error:  # the first seconds of a fresh API server: no address range yet, no group served yet
        say(f"{item['kind']} {item['metadata']['name']}: {error}")
        return False
    return True


def _end(supervisor: Supervisor) -> None:
    """Ask containers to end, then the daemons, the store last. At most 15 seconds in all."""
    say("stopping")
    supervisor.stop(("kubelet", "kube-controller-manager", "kube-scheduler"), 1)
    containers = list(_containers())
    for process in containers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    until = time.monotonic() + _POD_GRACE
    while time.monotonic() < until and any(Path(f"/proc/{process}").exists() for process in containers):
        time.sleep(0.1)
    supervisor.stop(("metrics-server", "local-path", "coredns", "kube-proxy", "kube-apiserver"), 3)
    supervisor.stop(("containerd",), 1)
    supervisor.stop(("etcd",), 3)
    say("stopped")


def _containers() -> Iterable[int]:
    """First processes of all containers: those that have the number 1 in a PID namespace below ours."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue
        numbers = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
        if len(numbers) > 1 and numbers[-1] == "1":
            yield int(numbers[0])


class Supervisor:
    """Keeps daemons running: one that ends is started again, after 1, 2, 4 … 30 seconds if it ends soon each time."""

    def __init__(self) -> None:
        self._daemons: dict[str, Daemon] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._launched: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._companions: dict[str, str] = {}

    def start(self, daemon: Daemon, restart_with: Daemon | None = None) -> None:
        """Start a daemon, and end it (so that it starts again) whenever `restart_with` has ended."""
        self._daemons[daemon.name] = daemon
        if restart_with:
            self._companions[restart_with.name] = daemon.name
        log = _log(daemon.name)
        if log.exists() and daemon.name not in self._failures:
            log.replace(log.with_suffix(".previous.log"))
        self._launch(daemon)

    def _launch(self, daemon: Daemon) -> None:
        with _log(daemon.name).open("ab") as log:
            self._processes[daemon.name] = subprocess.Popen(
                [daemon.name, *daemon.arguments],
                executable=daemon.program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._launched[daemon.name] = time.monotonic()
        say(f"{daemon.name} started")

    def tick(self) -> None:
        """See which daemons have ended, and start again those whose pause is over."""
        now = time.monotonic()
        for name, process in list(self._processes.items()):
            if process.poll() is None:
                continue
            del self._processes[name]
            soon = now - self._launched[name] < 60
            failures = self._failures[name] = self._failures.get(name, 0) + 1 if soon else 1
            pause = min(30.0, 2.0 ** (failures - 1))
            self._due[name] = now + pause
            say(
                f"{name} ended with {process.returncode}, starts again in {pause:.0f} s; its last lines:\n{_tail(name)}"
            )
            companion = self._processes.get(self._companions.get(name, ""))
            if companion:
                companion.terminate()
        for name, due in list(self._due.items()):
            if now >= due:
                del self._due[name]
                self._launch(self._daemons[name])

    def wait(self, daemon: Daemon) -> None:
        """Wait until the daemon answers."""
        self.until(daemon.answers, daemon.name)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait for a condition while watching the daemons.

        Raises:
            TimeoutError: It did not come true in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            self.tick()
            if time.monotonic() > until:
                raise TimeoutError(f"{what} is not ready after {seconds:.0f} s\n{_tail(what)}")
            time.sleep(0.05)

    def stop(self, names: Iterable[str], patience: float) -> None:
        """End daemons with SIGTERM, and after `patience` seconds with SIGKILL."""
        ending = [self._processes.pop(name) for name in names if name in self._processes]
        for process in ending:
            process.terminate()
        until = time.monotonic() + patience
        for process in ending:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _log(name: str) -> Path:
    return LOGS / f"{name}.log"


def _tail(name: str) -> str:
    log = _log(name)
    lines = log.read_text(errors="replace").splitlines()[-6:] if log.exists() else []
    return "\n".join(f"  {line[:300]}" for line in lines)


def say(text: str) -> None:
    """Write a line with the time to the log."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    assert addresses.NAME  # all modules are loaded now: later the checkout may be out of sight
    main()
