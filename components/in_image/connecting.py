"""Wait until a database server answers, or refuse with its reason.

Not a program of its own: `migrate.py` and `create_database.py` import it, and it is mounted next to them.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

CONNECT_TIMEOUT = float(os.environ.get("MIGRATION_CONNECT_TIMEOUT_SECONDS", "120"))
# Waiting does not fix these.
_PERMANENT = re.compile(
    "authentication failed|does not exist|no pg_hba|certificate verify failed|server does not support SSL|SSL is required"
    "|Access denied|Unknown database|is not allowed to connect|insecure transport|Login failed"
)


class RefusalError(Exception):
    """The database must not be touched now; the message says why and what to do."""


def wait_for(
    connect: Callable[[], Any], errors: tuple[type[Exception], ...], what: str, say: Callable[[str], None]
) -> Any:
    """Call `connect` once a second until it raises none of `errors`, and return its result.

    Args:
        connect: Opens a connection.
        errors: The driver's errors that mean "no connection".
        what: The server, for messages.
        say: Logs one line.

    Raises:
        RefusalError: The server rejects the connection, or has not answered within `CONNECT_TIMEOUT` seconds.
    """
    deadline = time.monotonic() + CONNECT_TIMEOUT
    last = ""
    while True:
        try:
            return connect()
        except errors as error:
            reason = reason_of(getattr(error, "orig", error))
            if _PERMANENT.search(reason):
                raise RefusalError(f"{what} refused the connection: {reason}") from error
            if reason != last:
                say(f"waiting for {what}: {reason}")
            last = reason
        if time.monotonic() > deadline:
            raise RefusalError(f"{what} did not answer within {CONNECT_TIMEOUT:.0f} seconds: {last}")
        time.sleep(1)


def reason_of(error: BaseException | None) -> str:
    """First line of a driver's message, without the error number that some drivers put in front."""
    arguments = getattr(error, "args", ())
    text = arguments[1] if len(arguments) == 2 and isinstance(arguments[1], str) else str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
