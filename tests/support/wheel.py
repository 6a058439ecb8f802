"""The package as others install it."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from toolchain import environments
from toolchain.paths import ROOT


def build(folder: Path) -> Path:
    """The wheel, built from the source distribution, both in the folder."""
    command, env = environments.uv()
    run([*command, "build", str(ROOT), "--out-dir", str(folder)], env)
    return next(folder.glob("*.whl"))


def install(wheel: Path, environment: Path, python: str, options: Iterable[str] = (), extras: str = "") -> Path:
    """A new virtual environment that holds the wheel and what it requires.

    Args:
        wheel: The wheel.
        environment: Folder to make it in.
        python: Interpreter, or its version.
        options: Further options of `uv pip install`.
        extras: Extras of the package, as `[cli]`.

    Returns:
        Its interpreter.
    """
    command, env = environments.uv()
    run([*command, "venv", "--seed", "--python", python, str(environment)], env)
    interpreter = environments.python(environment)
    run([*command, "pip", "install", "--python", str(interpreter), *options, f"{wheel}{extras}"], env)
    return interpreter


LOCKED = ("--constraint", str(ROOT / "requirements.lock"))
"""Options for the locked versions: the plugins that are prepared are those of the locked SDKs."""


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}{done.stdout}"
    return done.stdout
