"""Where the toolchain keeps things, and the lock that keeps two runs apart."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from toolchain.console import say

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""


def _base(variable: str, default: str) -> Path:
    value = os.environ.get(variable, "")
    return (Path(value) if value else Path.home() / default) / "mlflow-deployment"


def cache(*parts: str) -> Path:
    """A path under the user's cache directory: all of it can be deleted and is rebuilt."""
    return _base("XDG_CACHE_HOME", ".cache").joinpath(*parts)


def state(*parts: str) -> Path:
    """A path under the user's state directory: Pulumi state, passphrase, the local cluster's data, logs."""
    return _base("XDG_STATE_HOME", ".local/state").joinpath(*parts)


@contextlib.contextmanager
def lock(name: str, what: str) -> Iterator[None]:
    """Hold an exclusive lock; a second run says whom it waits for, and then waits.

    The lock is the kernel's (flock), so it is gone with its process, however that ended.

    Args:
        name: Name of the lock file.
        what: What the waiting run is told that the other one does.
    """
    path = state("locks", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip()
            if holder != str(os.getpid()):  # what another thread does is seen anyway
                say(f"… waiting: {what} is already running (process {holder or 'unknown'})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        handle.truncate()
        handle.write(str(os.getpid()))
        handle.flush()
        yield
