"""Proof that a tracking server works, by the command line's own check."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from components.operations import round_trip as proof
from components.operations.errors import OperationError
from components.operations.round_trip import Login
from toolchain.console import UserError, step


def wait(url: str, patience: float = 60) -> None:
    """Wait until the server answers its health check.

    Raises:
        UserError: It did not answer in time.
    """
    with _told():
        proof.wait(url, patience)


def round_trip(url: str, login: Login | None = None) -> None:
    """Log a run with an artifact, read both back, and delete it with its experiment.

    Raises:
        UserError: What came back is not what was sent, or the server refused a call.
    """
    with step("logging a run with an artifact and reading both back"), _told():
        proof.round_trip(url, login)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OperationError as error:
        fix = "`make logs` shows what the server says." if error.fix == proof.LOGS else error.fix
        raise UserError(error.message, fix) from error
