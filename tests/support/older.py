"""Images of older versions of MLflow, to upgrade from."""

import json
import tarfile
from pathlib import Path

from components import versions
from toolchain import cluster, environments, paths
from toolchain.bare import images, oci
from toolchain.bare.images import layers, mlflow
from toolchain.console import run
from toolchain.files import write

REPOSITORY = versions.MLFLOW_IMAGE.partition(":")[0]
_BESIDE = "opt/older"
"""Where the older version is in an image that is built here: beside the newer one, before it on Python's path."""


def tag(version: str) -> str:
    """Tag of the official image."""
    return f"v{version}-full"


def ensure(version: str) -> None:
    """See to it that the test cluster has an image of that version or can pull it."""
    reference, target = f"{REPOSITORY}:{tag(version)}", cluster.current()
    if target is None or not target.ours or target.has_image(reference) or images.registry_answers(reference):
        return
    base = images.archive(versions.MLFLOW_IMAGE)
    folder = paths.cache("images", f"older-{version}-{base.parent.name}")
    with paths.lock(folder.name, f"building {reference}"):
        if not (folder / "image.tar").exists():
            folder.mkdir(parents=True, exist_ok=True)
            with tarfile.open(base) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                below = json.loads(manifest.read())[0]["Layers"]
                archive.extractall(folder, [archive.getmember(name) for name in below], filter="data")
            root, layer = folder / "root", folder / "layer.tar"
            install(version, root / _BESIDE)
            site = root / f"opt/venv/lib/python{mlflow._PYTHON}/site-packages"
            site.mkdir(parents=True)
            write(site / "older.pth", f"import sys; sys.path.insert(0, '/{_BESIDE}')\n")
            layers.write(root, layer, ())
            env = {"PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
            oci.write_image(
                folder / "image.tar", reference, [*(folder / name for name in below), layer], env=env, cmd=["python3"]
            )
            layers.discard(folder / "blobs", root, layer)
    target.load_image(folder / "image.tar")


def install(version: str, folder: Path, *more: str) -> None:
    """Install MLflow with further packages and nothing else; what it needs besides is what the newer one needs."""
    command, env = environments.uv()
    # Before 3.0, tracing was in the others.
    names = ["mlflow", "mlflow-skinny", *(["mlflow-tracing"] if version >= "3" else [])]
    packages = [*(f"{name}=={version}" for name in names), *more]
    options = ["--no-deps", "--python", environments.INTERPRETER, "--compile-bytecode", "--target", folder]
    run([*command, "pip", "install", *options, *packages], log=paths.state("logs", f"older-{version}.log"), env=env)
