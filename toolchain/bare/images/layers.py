"""What every kind of image is built with: a minimal Debian, folders written as layers, and names for unfinished work."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from toolchain import paths
from toolchain.bare import debian
from toolchain.console import Step, run, step

EPOCH = 1577836800
"""Time of every file in an image. Not 0, because zip archives cannot hold a time before 1980."""

LABELS = {"org.opencontainers.image.description": "Built locally from packages; not the official image"}


def debootstrap(
    root: Path, suite: str, variant: str, packages: Sequence[str], options: Sequence[str], doing: Step
) -> None:
    """Make a Debian file system.

    Args:
        root: Folder to make.
        suite: Release of Debian.
        variant: `essential` for an installed system, `extract` for unpacked packages that were never set up.
        packages: Packages that it holds besides, with all that they depend on.
        options: Further options of mmdebstrap.
        doing: Step that is told the progress.
    """
    tools = debian.unpack(["mmdebstrap", "debian-archive-keyring"])
    keyring = tools / "usr/share/keyrings/debian-archive-keyring.gpg"
    command = ["mmdebstrap", "--mode=root", f"--variant={variant}", f"--include={','.join(packages)}"]
    command += [f"--keyring={keyring}", "--format=directory", *options]
    run(
        # The mounts of an interrupted build end with their namespace.
        ["unshare", "--mount", "--propagation", "private", *command, suite, root, *_mirror()],
        log=paths.state("logs", f"image-{root.name}.log"),
        doing=doing,
        env={**debian.environment(tools), "SOURCE_DATE_EPOCH": str(EPOCH)},
    )
    for name in ("hostname", "resolv.conf"):  # this machine's, for the time of the build
        (root / "etc" / name).unlink(missing_ok=True)
        (root / "etc" / name).touch()


def _mirror() -> list[str]:
    """The Debian mirror that this machine's apt uses; empty for mmdebstrap's default on a system that is not Debian."""
    if not shutil.which("apt-get"):
        return []
    selection = ["Identifier: Packages", "Origin: Debian", "Label: Debian"]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *selection]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split()[:1]


def write(root: Path, layer: Path, without: Sequence[str]) -> None:
    """Write a folder as an uncompressed tar whose bytes depend on the files alone.

    Args:
        root: Folder that stands for `/`.
        layer: File to write. It gets its name only when it is complete.
        without: Folders whose content is left out.
    """
    unfinished = layer.with_name(f"{layer.name}.partial")
    command = ["tar", "--create", "--file", unfinished, "--directory", root, "--format=gnu", "--numeric-owner"]
    command += ["--sort=name", f"--mtime=@{EPOCH}", "--hard-dereference"]
    command += [f"--exclude=./{folder}/*" for folder in without]
    with step(f"writing the layer {layer.stem}", "a few seconds"):
        run([*command, "."], log=paths.state("logs", f"image-{layer.stem}.log"))
    unfinished.replace(layer)


def partial(root: Path) -> Path:
    """A place to make `root` in, without what an interrupted run left there."""
    unfinished = root.with_name(f"{root.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def discard(*leftovers: Path) -> None:
    """Delete in the background: tens of thousands of files are as slow to delete as the image was to build."""
    subprocess.Popen(["rm", "-rf", *leftovers], stdin=subprocess.DEVNULL, start_new_session=True)
