"""A port on this machine that leads to the stack's Service, kept open in the background.

Run as `python -m toolchain.forward` this module is the background process itself: it starts `kubectl port-forward` again
whenever that ends, which it does when the pod it leads to is deleted. It ends when the Service is gone, or the cluster
has not answered for ten minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from toolchain.console import UserError, say
from toolchain.files import write
from toolchain.paths import ROOT, state
from toolchain.processes import end_group, holder_of_port, started

HOST = "127.0.0.1"
DEFAULT_PORT = 5000

GONE = re.compile(r'\(NotFound\): (services|namespaces) "')
"""What kubectl says when there is nothing left to lead to."""
PATIENCE = 600
"""Seconds for which a cluster may not answer: it may be stopped and started again, or be gone."""


def ensure(stack: str, command: list[str], port: int | None) -> int:
    """Keep a port open, using the one that is open already where it leads to the same place.

    Args:
        stack: Name of the stack; each has one port.
        command: The `kubectl port-forward` command up to the ports, which this adds: `kubectl … service/name`, and last
            the port of the Service.
        port: The port that the user asked for; None for 5000 or the next free one.

    Returns:
        The port.

    Raises:
        UserError: The port that the user asked for is in use.
    """
    *target, service_port = command
    known = _recorded(stack)
    if known and known["command"] == command and port in (None, known["port"]):
        return known["port"]
    require_port(stack, port)
    stop(stack)
    chosen = _free_port(port)
    log = state("logs", f"forward-{stack}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    whole = [*target, f"{chosen}:{service_port}", "--address", HOST]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "toolchain.forward", *whole],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    record = {"pid": process.pid, "started": started(process.pid), "port": chosen, "command": command}
    write(_record_path(stack), json.dumps(record))
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, chosen), timeout=1):
            return chosen
        time.sleep(0.1)
    raise UserError(
        f"port {chosen} could not be opened; log: {log}", "See the log; `make logs` shows whether the server runs."
    )


def require_port(stack: str, port: int | None) -> None:
    """Raise a `UserError` if the user asked for a port that something else than this stack's own forwarding uses."""
    known = _recorded(stack)
    if port is not None and not (known and known["port"] == port):
        _free_port(port)


def stop(stack: str) -> bool:
    """Close the stack's port; whether it was open."""
    known = _recorded(stack)
    if known:
        end_group(known["pid"], known["started"])
    _record_path(stack).unlink(missing_ok=True)
    return bool(known)


def stacks() -> list[str]:
    """The stacks whose port is recorded as open."""
    return sorted(path.stem for path in state("forward").glob("*.json"))


def _record_path(stack: str) -> Path:
    return state("forward", f"{stack}.json")


def _recorded(stack: str) -> dict | None:
    """The record of the background process if that is still running."""
    try:
        known = json.loads(_record_path(stack).read_text())
    except (OSError, ValueError):
        return None
    return known if known["started"] and started(known["pid"]) == known["started"] else None


def _free_port(asked: int | None) -> int:
    first = DEFAULT_PORT if asked is None else asked
    for port in range(first, first + (1 if asked is not None else 100)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port != first:
            say(f"  port {first} is in use{holder_of_port(first)}: using {port}")
        return port
    raise UserError(f"port {first} is in use{holder_of_port(first)}", "Name another one: `make up PORT=5001`.")


def _keep_open(command: list[str]) -> int:
    """Run the command again whenever it ends, until a signal comes or there is nothing left that it could lead to."""

    def end(*_: object) -> None:
        os.killpg(0, signal.SIGKILL)  # the group is this process and the command

    signal.signal(signal.SIGTERM, end)
    worked = time.monotonic()
    while time.monotonic() - worked < PATIENCE:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            answered = False
            for line in process.stdout:
                print(line, end="", flush=True)
                if GONE.search(line):
                    return 0
                answered = answered or line.startswith("Forwarding from")
        if answered:
            worked = time.monotonic()
        time.sleep(0.5)
    return 0


if __name__ == "__main__":
    sys.exit(_keep_open(sys.argv[1:]))
