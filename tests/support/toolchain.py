"""Commands of the toolchain, run as a user runs them."""

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.support.processes import PATIENCE
from toolchain.paths import ROOT


def run(module: str, *arguments: str, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and output of `python -m module arguments…` in this checkout.

    Args:
        module: `toolchain`, or a module of it that is a command itself.
        *arguments: Its arguments.
        env: Environment variables on top of this process's own.
    """
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return result.returncode, result.stdout
