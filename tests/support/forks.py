"""Programs that use the packages of MLflow's image, each a fork of a process that has imported these: alone, it would take seconds to."""

import functools
import json
import subprocess
import tempfile
from pathlib import Path

from tests.support import older

_SERVER = """
import gc, json, os, runpy, signal, sys
gc.disable()
import alembic.command, psycopg2, pymysql
import mlflow.store.db.utils, mlflow.store.model_registry.dbmodels.models, mlflow.store.tracking.dbmodels.models
gc.freeze()
gc.enable()

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        # From here on as a process of its own, which ends as any other does.
        signal.alarm(300)
        for number in (1, 2):
            os.dup2(os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(asked["variables"])
        sys.argv, sys.path[0] = [asked["program"]], os.path.dirname(asked["program"])
        runpy.run_path(asked["program"], run_name="__main__")
        break
    print("ended:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@functools.cache
def _server() -> "subprocess.Popen[str]":
    """The process that is forked; it ends with this one."""
    return older.python("-c", _SERVER)


def run(program: Path, code: int, /, **variables: str) -> str:
    """Run a program to its end, as `older.python` starts one.

    Args:
        program: It, with its modules beside it.
        code: Its exit code.
        **variables: Its environment variables, besides those of `older.python`.

    Returns:
        What it has printed.

    Raises:
        AssertionError: It ended with another code, or had to be ended after 300 seconds.
    """
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        server.stdin.write(json.dumps({"program": str(program), "variables": variables, "log": str(log)}) + "\n")
        server.stdin.flush()
        ended = next(line for line in server.stdout if line.startswith("ended:"))
        output = log.read_text(encoding="utf-8", errors="replace")
    assert int(ended.split()[1]) == code, output
    return output
