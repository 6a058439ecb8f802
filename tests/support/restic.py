"""The restic that the image holds, as a program of this machine."""

import functools
import json
import shutil
import tarfile
from pathlib import Path

from toolchain import paths, versions
from toolchain.bare import images


@functools.cache
def program() -> Path:
    """Its path: the machine's own if it has the pinned version or a newer one, else out of the image, which is built if need be."""
    archive = images.archive(versions.RESTIC_IMAGE)
    target = paths.cache("restic", archive.parent.name) / "restic"
    with paths.lock("restic", "unpacking restic"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as image:
                manifest = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
                for layer in manifest[0]["Layers"]:
                    with tarfile.open(fileobj=image.extractfile(layer)) as content:
                        for member in content:
                            if member.name.lstrip("./") == "usr/bin/restic":
                                part = target.with_suffix(".part")
                                with part.open("wb") as file:
                                    shutil.copyfileobj(content.extractfile(member), file)  # type: ignore[arg-type]
                                part.chmod(0o755)
                                part.rename(target)
    return target
