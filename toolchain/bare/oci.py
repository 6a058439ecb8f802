"""Container images written as archives, with nothing but the standard library.

An archive is an OCI image layout that also holds the `manifest.json` of `docker save`, as Docker 25 and later write it:
`ctr images import`, `kind load image-archive`, `k3d image import`, `minikube image load` and `docker load` all take it.
Layers stay uncompressed: an archive is made and imported on one machine, where disk is cheaper than time.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""The image specification's (Go's) names of this machine's architectures."""

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CHUNK = 1 << 20


def write_image(
    archive: Path,
    reference: str,
    layers: Sequence[Path],
    *,
    env: Mapping[str, str] | None = None,
    entrypoint: Sequence[str] = (),
    cmd: Sequence[str] = (),
    user: str = "",
    working_dir: str = "",
    labels: Mapping[str, str] | None = None,
) -> str:
    """Write an image for this machine's architecture as an archive; equal arguments give equal bytes. One long function,
    since it writes the parts of the archive in order.

    Args:
        archive: File to write. It gets its name only when it is complete.
        reference: Full name with registry and tag, under which the image is imported.
        layers: Uncompressed layer tars, lowest first.
        env: Environment variables of the container.
        entrypoint: Program that a container always runs; none by default.
        cmd: Program, or its arguments if there is an entrypoint, that a pod may replace.
        user: User name or number; root by default.
        working_dir: Directory in which the container starts; `/` by default.
        labels: Image labels.

    Returns:
        The digest of the image's manifest, `sha256:…`.
    """
    digests = [_digest(layer) for layer in layers]
    settings = {
        "Env": [f"{name}={value}" for name, value in sorted((env or {}).items())],
        "Entrypoint": list(entrypoint),
        "Cmd": list(cmd),
        "User": user,
        "WorkingDir": working_dir,
        "Labels": dict(sorted((labels or {}).items())),
    }
    config = _json(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",  # any real time would change the digest
            "config": {name: value for name, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": digests},  # of the uncompressed tar, so the digest itself
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [
                {"mediaType": _LAYER, "digest": digest, "size": layer.stat().st_size}
                for digest, layer in zip(digests, layers, strict=True)
            ],
        }
    )
    # containerd takes the name from the first annotation, other tools the tag from the second.
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [{**_descriptor(_MANIFEST, manifest), "annotations": names}],
    }
    docker = {
        "Config": _blob(_sha256(config)),
        "RepoTags": [reference],
        "Layers": [_blob(digest) for digest in digests],
    }

    partial = archive.with_name(f"{archive.name}.partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json(index))
        _add(tar, "manifest.json", _json([docker]))
        _add(tar, _blob(_sha256(manifest)), manifest)
        _add(tar, _blob(_sha256(config)), config)
        for digest, layer in dict(zip(digests, layers, strict=True)).items():  # equal layers are one blob
            with layer.open("rb") as source:
                entry = _entry(_blob(digest), layer.stat().st_size)
                tar.addfile(entry, source)
    partial.replace(archive)
    return _sha256(manifest)


def write_layer(layer: Path, program: Path, name: str) -> None:
    """Write a layer that holds one static program, and the little else that programs count on.

    Args:
        layer: File to write.
        program: File of the program.
        name: Its path in the image.
    """
    users = b"root:x:0:0::/:/none\nnobody:x:65534:65534::/:/none\n"
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        with program.open("rb") as source:
            entry = _entry(name.lstrip("/"), program.stat().st_size)
            entry.mode = 0o755
            tar.addfile(entry, source)
        _add(tar, "etc/passwd", users)
        scratch = _entry("tmp", 0)
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(scratch)


def _digest(path: Path) -> str:
    """The digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _sha256(data), "size": len(data)}


def _blob(digest: str) -> str:
    """Where the layout keeps the content with a digest."""
    return f"blobs/{digest.replace(':', '/')}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    return entry


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))
