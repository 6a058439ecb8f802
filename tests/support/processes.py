"""Processes that a test starts and that end with it."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervisor.py")


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def listens(host: str, port: int) -> bool:
    """Whether somebody accepts TCP connections there."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def told(port: int) -> dict[int, list[bytes]]:
    """Words of the command lines that name a port, by process; what `running` starts programs by is left out."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            words = file.read_bytes().split(b"\0")
            if {f"--port={port}".encode(), str(port).encode()} & set(words) and os.fsencode(SUPERVISOR) not in words:
                found[int(file.parent.name)] = words
    return found


PATIENCE = 600
"""Seconds after which what is waited for counts as hanging: far above what it takes, so that a slow machine fails no test."""


def eventually(condition: Callable[[], object], what: str, pause: float = 0.2) -> None:
    """Wait until the condition holds.

    Args:
        condition: Called again and again; an error of the operating system counts as not yet.
        what: What is waited for, for the message.
        pause: Seconds between two calls.

    Raises:
        AssertionError: It did not hold in time.
    """
    until = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        assert time.monotonic() < until, f"{what}: not within {PATIENCE} seconds"
        time.sleep(pause)


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    user: int | None = None,
    env: Mapping[str, str] | None = None,
    ready: Callable[[], object] = lambda: True,
    end: signal.Signals = signal.SIGINT,
) -> Iterator[Callable[[], None]]:
    """Run a program in the background until the body ends, or this process does.

    Args:
        command: The program and its arguments.
        log: Receives its output.
        user: Numeric user and group to run as; None for our own.
        env: Environment variables; None for our own.
        ready: Tells whether the program can be used; the body starts then.
        end: What ends it. SIGINT has PostgreSQL disconnect clients and end at once.

    Yields:
        What kills it, with all that it started, as the loss of a node does.
    """
    account = "" if user is None else str(user)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", SUPERVISOR, account, str(int(end)), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=sink,
            env=env,
            start_new_session=True,
        )
    with process:  # the end closes its standard input, and waits

        def usable() -> object:
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}"
            return ready()

        def kill() -> None:
            (program,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.killpg(int(program), signal.SIGKILL)
            process.wait()

        eventually(usable, f"{command[0]} (log {log})", 0.1)
        yield kill


def in_shell(command: Sequence[str | Path], environment: Mapping[str, str]) -> str:
    """A command for a shell, with the libraries that its environment names."""
    libraries = [f"LD_LIBRARY_PATH={environment['LD_LIBRARY_PATH']}"] if "LD_LIBRARY_PATH" in environment else []
    return shlex.join(["env", *libraries, *map(str, command)])
