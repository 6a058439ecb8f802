"""Go modules: the `go` command as every build here runs it, and downloads that may fail the first time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from toolchain.console import Step, UserError, run
from toolchain.paths import state

MODULE = Path(__file__).resolve().parent / "go"
"""The Go module of most commands; further ones are in folders of it."""

# Not all of these owners' modules are in the public checksum database; go.sum pins them all the same.
_NO_CHECKSUM_DATABASE = "github.com/pulumi/*,github.com/terraform-providers/*"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_NETWORK = (
    "If modules could not be downloaded, see `go env GOPROXY`; if the disk is full, free some space. Then run the same "
    "command again: finished parts are kept."
)
_PAUSES = (0, 15, 60)
"""Seconds before each attempt at a download: a registry that first has to fetch a large module itself may give up on it."""
_DOWNLOAD = re.compile(
    r"dial tcp|i/o timeout|TLS handshake|connection re(set|fused)|unexpected EOF|stream error|deadline exceeded"
    r"|: (429|5\d\d) "
)
"""What Go says of a download that may succeed another time."""


def folder_of(main: Path, module: str, package: str, doing: Step) -> Path:
    """Where Go keeps the sources of a module that the main one needs, downloaded first if needed."""
    version = required_version(main, module)
    places = subprocess.run(["go", "env", "GOMODCACHE"], env=_environment(), capture_output=True, text=True)
    escaped = re.sub(r"[A-Z]", lambda match: "!" + match.group().lower(), module)
    folder = Path(places.stdout.strip()) / f"{escaped}@{version}"

    def fetch() -> None:
        doing.detail(f"downloading {module}")
        # Looking at one package makes Go fetch the module without compiling any of it.
        probe = ["go", "list", "-find", f"{module}/{package}"]
        said = subprocess.run(probe, cwd=main, env=_environment(), capture_output=True, text=True).stderr.strip()
        if not folder.exists():
            raise UserError(f"the sources of {module} {version} could not be downloaded: {said[-1000:]}", _NETWORK)

    if not folder.exists():
        _downloading(fetch, doing)
    return folder


def required_version(main: Path, module: str) -> str:
    """The version of a module that the main one needs, or that it is replaced by."""
    # Read here, since `go list -m` wants version records that are not served for every module; a build does not.
    lines = (main / "go.mod").read_text()
    replaced = re.search(rf"^\s+{re.escape(module)} => \S+ (\S+)", lines, re.MULTILINE)
    found = replaced or re.search(rf"^\s+{re.escape(module)} (v\S+)", lines, re.MULTILINE)
    assert found is not None, f"go.mod does not name {module}"
    return found.group(1)


def go(arguments: list[str | Path], module: str, name: str, doing: Step) -> None:
    """Run `go`, again if a download failed in a way that may pass.

    Args:
        arguments: Its arguments.
        module: Folder below `MODULE` to run it in.
        name: What its log is named after.
        doing: Step whose detail follows the output.

    Raises:
        UserError: It failed.
    """
    command, log = ["go", *arguments], state("logs", f"go-{name}.log")
    _downloading(
        lambda: run(command, log=log, doing=doing, env=_environment(), cwd=MODULE / module, fix=_NETWORK), doing
    )


def _downloading(attempt: Callable[[], None], doing: Step) -> None:
    """Do something that downloads modules, again if that failed in a way that may pass."""
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            attempt()
            return
        except UserError as error:
            if pause == _PAUSES[-1] or not _DOWNLOAD.search(str(error)):
                raise
            doing.detail("a download failed; trying again")


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        # Set, not left to Go: the user may compile for another system, and the cache is keyed by this machine.
        "GOOS": sys.platform,
        "GOARCH": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        "GONOSUMDB": _NO_CHECKSUM_DATABASE,
        "GOWORK": "off",
        # Each compiler lives for seconds: collecting its garbage costs a quarter of a cold build. Above the limit it is collected.
        "GOGC": "off",
        "GOMEMLIMIT": "1GiB",
    }


def check_go() -> None:
    """Raise a `UserError` unless Go is installed in the version that `MODULE` needs, or newer."""
    wanted = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None
    need = (int(wanted.group(1)), int(wanted.group(2)))
    fix = f"Install Go {need[0]}.{need[1]} or newer, or install what it would build: Pulumi, and kind with a container engine."
    if shutil.which("go") is None:
        raise UserError("Go is not installed, and it is needed to build what this machine lacks", fix)
    found = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    match = re.search(r"go(\d+)\.(\d+)", found)
    if not match or (int(match.group(1)), int(match.group(2))) < need:
        raise UserError(f"Go is too old: {found.strip() or 'unknown version'}", fix)
