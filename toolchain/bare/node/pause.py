"""The image of which the first container of every pod is made: our `pause` program and nothing else."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from toolchain import paths
from toolchain.bare import oci


def pause_image(program: Path) -> tuple[str, Path]:
    """Reference and archive of the image. The tag follows the content, so that a new one is imported."""
    tag = hashlib.sha256(program.read_bytes()).hexdigest()[:12]
    reference, archive = f"localhost/pause:{tag}", paths.cache("images", f"pause-{tag}.tar")
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            layer = Path(temporary, "layer.tar")
            oci.write_layer(layer, program, "/pause")
            oci.write_image(archive, reference, [layer], entrypoint=["/pause"], user="65535:65535")
    return reference, archive
