"""What MLflow's image holds, on this machine."""

import functools
import hashlib
from pathlib import Path

from toolchain import environments, paths
from toolchain.bare.images import mlflow
from toolchain.console import run


@functools.cache
def packages() -> Path:
    """A virtual environment with what MLflow's image holds, exactly as locked; made if it is not there yet."""
    digest = hashlib.sha256(f"{environments.INTERPRETER}\n{mlflow.LOCK.read_text()}".encode()).hexdigest()[:16]
    folder = paths.cache("venv", f"image-{digest}")
    complete = folder / ".complete"
    with paths.lock(f"venv-image-{digest}", "preparing MLflow's packages"):
        if not complete.exists():
            command, env = environments.uv()
            log = paths.state("logs", "venv-image.log")
            run([*command, "venv", "--clear", "--python", environments.INTERPRETER, folder], log=log, env=env)
            install = ["pip", "install", "--no-deps", "--python", environments.python(folder), "--compile-bytecode"]
            run([*command, *install, "--requirement", mlflow.LOCK], log=log, env=env)
            complete.touch()
    return folder
