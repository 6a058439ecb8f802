"""Processes that outlive the command that started them, told apart from later ones with the same number."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    return bool(started(pid))


def started(pid: int) -> str:
    """When the process was started, in a form that is only good for comparison; empty if there is none.

    Together with the number this names one process for good, since numbers are used again.
    """
    if Path("/proc/self/stat").exists():
        try:
            # Fields after the program's name, which is in parentheses and may hold anything: state, …, start time (22nd).
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    return subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def end_group(pid: int, since: str, patience: float = 5) -> None:
    """End a process that leads its own group, and the group with it.

    Args:
        pid: Number of the process.
        since: What `started` told when it was recorded; another process of the same number is left alone.
        patience: Seconds until SIGKILL follows SIGTERM.
    """
    if not since or started(pid) != since:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)
    until = time.monotonic() + patience
    while started(pid) == since and time.monotonic() < until:
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def end_session(pid: int) -> None:
    """End what is left of the session that a process led, now that it has ended.

    An engine that was interrupted leaves its plugins behind, each in a group of its own.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(process.name)) == pid:
                os.kill(int(process.name), signal.SIGTERM)


def holder_of_port(port: int) -> str:
    """` by process 123 (name)` for the process that listens on a TCP port of this machine; empty where it cannot be told."""
    try:
        sockets = {
            fields[9]
            for table in ("tcp", "tcp6")
            for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port  # 0A is LISTEN
        }
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                if link.readlink().name.removeprefix("socket:[").removesuffix("]") in sockets:
                    pid = link.parts[2]
                    return f" by process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        pass
    return ""
