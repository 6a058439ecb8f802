"""The image of which the first container of every pod is made: our `pause` program and nothing else."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from pathlib import Path

from toolchain import oci, paths


def pause_image(program: Path) -> tuple[str, Path]:
    """Reference and archive of the image. The tag follows the content, so that a new one is imported."""
    tag = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
    reference, archive = f"localhost/pause:{tag}", paths.cache("images", f"pause-{tag}.tar")
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            layer = Path(temporary, "layer.tar")
            with tarfile.open(layer, "w") as tar:
                entry = tarfile.TarInfo("pause")
                entry.size, entry.mode = program.stat().st_size, 0o755
                with program.open("rb") as source:
                    tar.addfile(entry, source)
            oci.write_image(archive, reference, [layer], entrypoint=["/pause"], user="65535:65535")
    return reference, archive
