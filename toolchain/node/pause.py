"""The image of which the first container of every pod is made: our `pause` program and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from toolchain import paths


def pause_image(program: Path) -> tuple[str, Path]:
    """Reference and archive of the image. The tag follows the content, so that a new one is imported."""
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    reference, archive = f"localhost/pause:{digest[:12]}", paths.cache("images", f"pause-{digest[:12]}.tar")
    if archive.exists():
        return reference, archive
    layer = _tar({"pause": program.read_bytes()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    archive.parent.mkdir(parents=True, exist_ok=True)
    temporary = archive.with_suffix(".new")
    temporary.write_bytes(
        _tar(
            {
                "config.json": json.dumps(config).encode(),
                "layer.tar": layer,
                "manifest.json": json.dumps(manifest).encode(),
            }
        )
    )
    temporary.replace(archive)
    return reference, archive


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
