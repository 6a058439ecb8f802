"""The package as others install it."""

import os
import re
import subprocess
import warnings
import zipfile
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


def requirements(wheel: Path) -> list[str]:
    """What the wheel and its extras require, each by itself: a resolution of direct requirements looks at these."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    listed = (each.partition(";")[0].strip() for each in re.findall(r"^Requires-Dist: (.+)$", text, re.MULTILINE))
    return sorted({each for each in listed if not each.startswith("pulumi-mlflow")})


def python(version: str, otherwise: str) -> str:
    """An interpreter of this version, or the other one on a machine that has none."""
    command, env = environments.uv()
    # What pyenv has installed is on no PATH, but for the version that is chosen.
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    path = os.pathsep.join([*map(str, sorted(kept.glob("*/bin"))), env.get("PATH", os.defpath)])
    found = subprocess.run(
        [*command, "python", "find", "--no-project", version],
        env={**env, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if not found.stdout.strip():
        warnings.warn(f"no Python {version} was found: taking {otherwise}", stacklevel=2)
    return found.stdout.strip() or otherwise


LOCKED = ("--constraint", str(ROOT / "requirements.lock"))
"""Options for the locked versions: the plugins that are prepared are those of the locked SDKs."""


def run(command: list[str], env: dict[str, str] | None = None, input: str | None = None) -> str:
    """Run a command that must succeed; returns what it printed."""
    done = subprocess.run(command, env=env, input=input, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}{done.stdout}"
    return done.stdout
