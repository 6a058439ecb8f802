"""Programs as forks of a process that has imported what they need: alone, each would take seconds to import it."""

import functools
import subprocess
import tempfile
from pathlib import Path

from tests.support import mlflow_image
from toolchain import environments
from toolchain.files import write

_COMMAND, _SERVER = (Path(__file__).with_name(name) for name in ("forked.py", "fork_server.py"))
_OF_IMAGE = (
    *("alembic.command", "psycopg2", "pymysql", "mlflow.store.db.utils"),
    *("mlflow.store.model_registry.dbmodels.models", "mlflow.store.tracking.dbmodels.models"),
)
"""What programs of MLflow's image take long to import."""
_KEPT: list[tuple["subprocess.Popen[str]", "tempfile.TemporaryDirectory[str]"]] = []
"""The processes that are forked, and their folders. They end with their standard inputs, and these with this process."""


@functools.cache
def command(interpreter: Path, *modules: str, folder: Path | None = None, **variables: str) -> Path:
    """Start a process that is forked, which ends with this one.

    Args:
        interpreter: Its Python.
        *modules: Names of what it imports. Programs find no others of these names.
        folder: Where it finds modules besides those that are installed; programs have their own folders instead.
        **variables: Its environment variables; programs have their own.

    Returns:
        An executable `python3`, alone in its folder, whose programs are forks of that process.
    """
    temporary = tempfile.TemporaryDirectory(prefix="forks-")
    made = Path(temporary.name)
    server = subprocess.Popen(
        [str(interpreter), str(_SERVER), str(made / "socket"), str(folder or made), *modules],
        env={**mlflow_image.of_machine(), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout and server.stdout.readline() == "listening\n", "its standard error tells why"
    _KEPT.append((server, temporary))
    python = made / "python3"
    write(python, f"#!{interpreter} -IS\n{_COMMAND.read_text(encoding='utf-8')}")
    python.chmod(0o755)
    return python


def of_image() -> Path:
    """Such an executable, with the packages of MLflow's image."""
    return command(environments.python(mlflow_image.packages()), *_OF_IMAGE, PYTHONWARNINGS="ignore")


def python(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """Start a program with the packages of MLflow's image.

    Args:
        *arguments: Those of Python: a file, or `-c` and a text, and the program's own.
        **variables: Its environment variables.
    """
    return mlflow_image.start(of_image(), arguments, variables)
