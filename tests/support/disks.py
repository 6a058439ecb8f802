"""Disks that are small enough to be filled."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Disk:
    """A file system.

    Attributes:
        folder: Where it is mounted.
    """

    folder: Path

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room on it until the body ends."""
        filler, block = self.folder / "filler", bytes(4096)
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(block)
        try:
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def disk(folder: Path, size: str) -> Iterator[Disk]:
    """Mount one in memory, of a size as `mount` takes it. Needs root."""
    folder.mkdir(exist_ok=True)
    mode = f"size={size},mode={folder.stat().st_mode & 0o7777:o}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", mode, "tmpfs", str(folder)], check=True)
    try:
        yield Disk(folder)
    finally:
        # A server that was killed a moment ago may still be there.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
