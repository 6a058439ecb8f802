"""Debian packages used in place: downloaded and unpacked into the cache, never installed.

The user's system stays as it is: no package database entry, no service started, no file outside the cache. Programs that
expect their own absolute paths (data under `/usr/share`, plugins under `/usr/lib`) must be told where they are.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from toolchain import paths
from toolchain.console import Step, UserError, run, step
from toolchain.files import write

_DEPENDS_ON = ("/var/lib/dpkg/status", "/var/lib/apt/lists")
"""What apt's answers depend on: which packages are installed, and which there are."""

_OFFLINE_FIX = "Check that this machine reaches a Debian mirror (`apt-get update` works), then run the command again."


def unpack(packages: Sequence[str]) -> Path:
    """Make the packages, and those of their dependencies that the system lacks, available in one folder.

    Args:
        packages: Names as `apt-get install` takes them. They are unpacked even where the system has them installed;
            their dependencies only where it has not.

    Returns:
        The folder that stands for `/`: programs are in `usr/bin`, `usr/sbin` and so on. See `environment`.

    Raises:
        UserError: The system has no `apt-get`, a package is unknown, or a download failed.
    """
    if not shutil.which("apt-get"):
        raise UserError(
            f"{', '.join(packages)}: not installed, and this system has no apt-get to fetch them with",
            "Install them with the system's package manager, then run the command again.",
        )
    with paths.lock("debian", "unpacking Debian packages"):
        files = _resolved(packages)
        key = hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()[:16]
        root = paths.cache("debian", key)
        if not root.exists():
            with step(f"fetching Debian packages ({', '.join(packages)})") as current:
                _fetch(files, root, current)
    return root


def environment(root: Path) -> dict[str, str]:
    """The process environment with the folder's programs and libraries in front of the system's."""
    programs = [root / part for part in ("usr/local/bin", "usr/local/sbin", "usr/sbin", "usr/bin", "sbin", "bin")]
    libraries = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*"), root / "usr/lib", root / "lib"]
    plugins = [str(part / "xtables") for part in libraries if (part / "xtables").is_dir()]
    system = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        **os.environ,
        "PATH": ":".join([*(str(part) for part in programs if part.is_dir()), system]),
        "LD_LIBRARY_PATH": ":".join(str(part) for part in libraries if part.is_dir()),
        **({"XTABLES_LIBDIR": ":".join(plugins)} if plugins else {}),  # iptables matches and targets are plugins
    }


def _resolved(packages: Sequence[str]) -> list[str]:
    """What `_resolve` answers, which takes apt a second, kept until the system's packages or its package lists change."""
    changed = [path.stat().st_mtime_ns for path in map(Path, _DEPENDS_ON) if path.exists()]
    key = hashlib.sha256(repr((sorted(packages), changed)).encode()).hexdigest()[:16]
    kept = paths.cache("debian", f"{key}.files")
    if not kept.exists():
        write(kept, "\n".join(_resolve(packages)))
    return kept.read_text().splitlines()


def _resolve(packages: Sequence[str]) -> list[str]:
    """File names (`name_version_architecture.deb`) of the packages and of what they need and the system lacks."""
    command = ["apt-get", "-qq", "--yes", "--print-uris", "--no-install-recommends", "--reinstall"]
    command += ["-o", "Debug::NoLocking=1", "install", *packages]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0 or not answer.stdout.strip():  # a fresh image has no package lists at all
        with step("fetching the Debian package lists"):
            _update()
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise UserError(f"Debian packages {', '.join(packages)}: {answer.stderr.strip()}", _OFFLINE_FIX)
    files = [unquote(line.split()[1]) for line in answer.stdout.splitlines() if line.startswith("'")]
    found = {file.split("_")[0] for file in files}
    if missing := [name for name in packages if name.split("=")[0].split(":")[0] not in found]:
        raise UserError(f"Debian packages {', '.join(missing)}: no version can be downloaded", _OFFLINE_FIX)
    return files


def _fetch(files: Sequence[str], root: Path, current: Step) -> None:
    """Download and unpack into a temporary folder beside `root`, then give it its name."""
    root.parent.mkdir(parents=True, exist_ok=True)
    log = paths.state("logs", "debian.log")
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".unpacking-") as temporary:
        downloads, unpacked = Path(temporary, "downloads"), Path(temporary, "root")
        downloads.mkdir()
        unpacked.mkdir()
        unpacked.chmod(0o755)
        named = [name.removesuffix(".deb").split("_") for name in files]
        exact = [f"{name}:{architecture}={version}" for name, version, architecture in named]
        download = ["apt-get", "-o", "APT::Sandbox::User=root", "download"]
        try:
            run([*download, *exact], log=log, doing=current, cwd=downloads, fix=_OFFLINE_FIX)
        except UserError:  # the lists may name versions that the mirror has replaced since
            _update()
            newest = [name for name, _, _ in named]
            run([*download, *newest], log=log, doing=current, cwd=downloads, fix=_OFFLINE_FIX)
        for package in sorted(downloads.iterdir()):
            current.detail(f"unpacking {package.name}")
            run(["dpkg-deb", "--extract", package, unpacked], log=log)
        unpacked.replace(root)


def _update() -> None:
    run(["apt-get", "-qq", "update"], log=paths.state("logs", "apt-update.log"), fix=_OFFLINE_FIX)
