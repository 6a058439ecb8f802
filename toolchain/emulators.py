"""Stand-ins for the object stores of clouds. Only tests run them, so `make up` makes none of them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from toolchain import golang
from toolchain.console import UserError, run, step
from toolchain.paths import ROOT, cache, lock, state

_AZURITE = ROOT / "toolchain" / "npm" / "azurite"
"""Locked requirements of the stand-in for Azure Blob Storage."""


NAMES = ("fake-gcs-server", "azurite-blob")


def ensure(name: str) -> Path:
    """The program, built or installed if it is not there.

    Raises:
        UserError: It cannot be had.
    """
    return _azurite() if name == "azurite-blob" else golang.build([name])[name]


def _azurite() -> Path:
    files = [_AZURITE / name for name in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache("npm", digest)
    program = folder / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return program
    missing = [name for name in ("node", "npm") if not shutil.which(name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} not found, which Azurite needs", "Install Node.js 20 or newer.")
    with lock("npm", "installing Azurite"), step("installing Azurite", "about 40 seconds") as doing:
        if not program.exists():
            partial = folder.with_name(f"{digest}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for file in files:
                shutil.copyfile(file, partial / file.name)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            run(command, log=state("logs", "azurite.log"), doing=doing, cwd=partial)
            partial.replace(folder)
    return program
