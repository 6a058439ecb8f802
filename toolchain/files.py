"""Writing small files so that they are never seen half written."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, text: str, *, private: bool = False) -> None:
    """Write a text file in one go: readers, and a run after an interruption, see the old content or the new.

    Args:
        path: The file; its folder is created if needed.
        text: The content.
        private: Let nobody but the user read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)
