"""Stands for Python, as the executable that `forks.command` writes: has programs run by the process at the socket beside it.

It has the program's standard streams, ends as that does, and when it is killed, that is killed.
"""

import json
import os
import signal
import socket
import sys


def main(arguments: list[str]) -> int:
    """Have a program run that Python's arguments name, and wait for it; returns its exit code, negative for a signal."""
    request = {"arguments": arguments, "folder": os.getcwd(), "variables": dict(os.environ)}  # noqa: PTH109 - a quick start
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"{os.path.dirname(__file__)}/socket")  # noqa: PTH120
        socket.send_fds(connection, [f"{len(text):08}".encode()], [0, 1, 2])
        connection.sendall(text)
        return int(connection.makefile().read() or 1)


if __name__ == "__main__":
    arguments = [each for each in sys.argv[1:] if each != "-u"]
    if arguments[0] != "-c" and arguments[0].startswith("-"):  # that tells something of Python, or is a tool
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # by which Pulumi ends programs that wait for what has failed
    code = main(arguments)
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)
