"""A process that imports what programs need, and is forked for each program that `forked.py` asks for: see `forks.py`.

Its arguments are the path of its socket, a folder with modules, and the names of what it imports first. It ends when its standard input
does.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any


def main(path: str, folder: str, *modules: str) -> None:
    """Listen, until whoever started this process has ended."""
    sys.path[0] = folder
    gc.disable()
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listening", flush=True)
        while 0 not in select.select([listener, 0], [], [])[0]:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _serve(connection)
                return
            connection.close()


def _serve(connection: socket.socket) -> None:
    """Fork once more: for the program, and for what tells how it ended."""
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    asked = json.loads(connection.recv(int(head), socket.MSG_WAITALL))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if program := os.fork():
        for stream in streams:
            os.close(stream)
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        with contextlib.suppress(BrokenPipeError):  # who asked has been killed
            connection.sendall(str(code).encode())
        os._exit(0)
    # From here on as a process of its own, which ends as any other does.
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    # The end of who asked is a signal, which kills.
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    _run(asked)


def _run(asked: dict[str, Any]) -> None:
    """Run what Python's arguments name."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue] - it is a TextIOWrapper
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    arguments = asked["arguments"]
    program = arguments[1] if (text := arguments[0] == "-c") else arguments[0]
    sys.argv = ["-c", *arguments[2:]] if text else arguments
    path = os.environ.get("PYTHONPATH", "")
    sys.path[:1] = ["" if text else str(Path(program).parent), *(path.split(os.pathsep) if path else [])]
    if text:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
