"""Runs a server for as long as its own standard input is open, so that none outlives the test that started it.

The kernel closes the other end of that pipe when the test's process ends, whatever ended it, SIGKILL included. The server, with
all that it started, is then sent a signal, and killed if it does not end in time.

Usage: python supervisor.py USER SIGNAL COMMAND…, with numbers, or nothing for USER. Imports the standard library alone.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn

PATIENCE = 10
"""Seconds until SIGKILL follows."""


def main(user: str, number: str, *command: str) -> NoReturn:
    """Run the command, and exit as it does."""
    account = int(user) if user else None
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        user=account,
        group=account,
        extra_groups=None if account is None else [],
        cwd="/",
        start_new_session=True,
    )

    def end() -> None:
        sys.stdin.buffer.read()
        server.send_signal(int(number))
        threading.Timer(PATIENCE, server.kill).start()

    threading.Thread(target=end, daemon=True).start()
    code = server.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)  # what it started and left behind
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(*sys.argv[1:])
