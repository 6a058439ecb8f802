"""Stand-ins for the object stores of clouds. Only tests run them, so `make up` makes none of them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from toolchain.bare import golang
from toolchain.console import UserError, run, step
from toolchain.paths import cache, lock, state

_NPM = Path(__file__).resolve().parent / "npm"
"""Locked requirements of programs for Node.js, each in a folder of its own."""


NAMES = ("fake-gcs-server", "azurite-blob")


def ensure(name: str) -> Path:
    """The program, built or installed if it is not there.

    Raises:
        UserError: It cannot be had.
    """
    return npm("azurite") / ".bin" / name if name == "azurite-blob" else golang.build([name])[name]


def npm(name: str) -> Path:
    """Folder `node_modules` with the locked requirements of `npm/<name>`, installed if it is not there.

    Raises:
        UserError: Node.js is missing, or the packages cannot be had.
    """
    files = [_NPM / name / file for file in ("package.json", "package-lock.json")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache("npm", digest)
    modules = folder / "node_modules"
    if modules.exists():
        return modules
    missing = [program for program in ("node", "npm") if not shutil.which(program)]
    if missing:
        raise UserError(f"{' and '.join(missing)} not found, which {name} needs", "Install Node.js 20 or newer.")
    with lock("npm", f"installing {name}"), step(f"installing {name}", "up to a minute") as doing:
        if not modules.exists():
            partial = folder.with_name(f"{digest}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            for file in files:
                shutil.copyfile(file, partial / file.name)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            run(command, log=state("logs", f"npm-{name}.log"), doing=doing, cwd=partial)
            partial.replace(folder)
    return modules
