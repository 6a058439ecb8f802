"""What MLflow's image holds, on this machine."""

import functools
import hashlib
import os
import subprocess
from collections.abc import Mapping
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


def start(python: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start a program, which is told of this machine's environment no more than where programs and the home are."""
    return subprocess.Popen(
        [str(python), *arguments],
        env={**of_machine(), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def of_machine() -> dict[str, str]:
    """These two variables."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
