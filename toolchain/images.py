"""Container images where no registry can be reached: built from package sources under the same reference.

What is built holds the packages of the official image but is not the official image, so nothing may depend on what
only ours has. Where a registry answers, the cluster pulls the official one and nothing here is used.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from toolchain import debian, environments, oci, paths
from toolchain.console import UserError, run, say, step

if TYPE_CHECKING:
    from toolchain.cluster import Cluster

RECIPES = paths.ROOT / "toolchain" / "image"
"""Locked requirements, a file for each image that can be built. `uv pip compile` makes the `.txt` from the `.in`."""

_OFFICIAL = re.compile(r"ghcr\.io/mlflow/mlflow:v(\d[\d.]*-full)")

_SUITE = "bookworm"
_PYTHON = "3.11"
"""Debian release and Python of the official image, which starts from `python:3.11-slim-bookworm`."""

_PACKAGES = ("ca-certificates", "libstdc++6", "netbase", "python3", "tzdata")
"""What `python:slim` holds beyond Debian's essential packages, as far as MLflow and its packages use it."""

_STEPS = 1
"""Raise it when the steps below change what they make, so that images in the cache are built again."""

_EPOCH = 1577836800
"""Time of every file in an image. Not 0, because zip archives cannot hold a time before 1980."""


def ensure(reference: str, cluster: Cluster) -> None:
    """See to it that the cluster has an image or can pull it; else build it and load it into the cluster.

    Args:
        reference: Full image name with registry and tag.
        cluster: Cluster that is to run it.

    Raises:
        UserError: The cluster is one of our own, and the image can neither be pulled nor built.
    """
    # A cluster of the user's own may reach registries that this machine does not.
    if not cluster.ours or cluster.has_image(reference) or registry_answers(reference):
        return
    cluster.load_image(archive(reference))


def registry_answers(reference: str, timeout: float = 5) -> bool:
    """Whether the registry that an image reference names answers this machine, whatever it answers.

    Args:
        reference: Image name.
        timeout: Seconds to wait.
    """
    first, slash, _ = reference.partition("/")
    if not slash or not (first == "localhost" or "." in first or ":" in first):
        return True  # names no registry: what that means is the cluster's to know
    url = f"https://{first}/v2/"
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return True
    except urllib.error.HTTPError:
        return True  # 401 is the usual answer to someone who is not logged in
    except (OSError, ValueError):  # ValueError: not a host name
        return False


def archive(reference: str) -> Path:
    """The archive of an image, built if it is not in the cache; finished parts of an interrupted build are kept.

    Raises:
        UserError: Nothing is known about how to build the image, or building it failed.
    """
    recipe = _recipe(reference)
    lines = [recipe.read_text(), _SUITE, *_PACKAGES, platform.machine(), str(_STEPS), reference]
    folder = paths.cache("images", hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16])
    image = folder / "image.tar"
    if image.exists():
        return image
    if os.geteuid() != 0:
        raise UserError(
            f"cannot pull {reference}, and building it needs root", "Use a cluster that can pull it, or run as root."
        )
    with paths.lock("images", f"building {reference}"):
        if not image.exists():
            say(f"  the registry of {reference} does not answer: building it from packages, 1 to 2 minutes")
            _build(reference, recipe, folder)
    return image


def _recipe(reference: str) -> Path:
    match = _OFFICIAL.fullmatch(reference)
    recipe = RECIPES / f"mlflow-{match[1] if match else ''}.txt"
    if recipe.is_file():
        return recipe
    raise UserError(
        f"image {reference}: the cluster does not have it, its registry does not answer, and only "
        + ", ".join(f"ghcr.io/mlflow/mlflow:v{path.stem.partition('-')[2]}" for path in sorted(RECIPES.glob("*.txt")))
        + " can be built here",
        "Load the image into the cluster, or name one in a registry that this machine reaches.",
    )


def _build(reference: str, recipe: Path, folder: Path) -> None:
    """Make the layers one after the other, then the archive; only the archive is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    base, packages = folder / "base", folder / "packages"
    base_layer, packages_layer = folder / "base.tar", folder / "packages.tar"
    if not base.exists():
        _base(base)
    if not packages.exists():
        _packages(packages, recipe)
    if not packages_layer.exists():
        _bytecode(base, packages)
        _layer(packages, packages_layer)
    if not base_layer.exists():
        _layer(base, base_layer)
    with step("writing the image"):
        oci.write_image(
            folder / "image.tar",
            reference,
            [base_layer, packages_layer],
            env={
                "PATH": "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG": "C.UTF-8",
            },
            cmd=["python3"],
            labels={"org.opencontainers.image.description": "Built locally from packages; not the official image"},
        )
    # Tens of thousands of files: as slow to delete as the image was to build, so nobody waits for it.
    leftovers = [base, packages, base_layer, packages_layer]
    subprocess.Popen(["rm", "-rf", *leftovers], stdin=subprocess.DEVNULL, start_new_session=True)


def _base(root: Path) -> None:
    """A minimal Debian with Python."""
    tools = debian.unpack(["mmdebstrap", "debian-archive-keyring"])
    partial = _partial(root)
    keyring = tools / "usr/share/keyrings/debian-archive-keyring.gpg"
    command = ["mmdebstrap", "--mode=root", "--variant=essential", f"--include={','.join(_PACKAGES)}"]
    command += [f"--keyring={keyring}", "--format=directory", "--dpkgopt=force-unsafe-io"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "info", "locale", "man")]
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    with step("building a minimal Debian with Python", "about 30 seconds") as doing:
        run(
            # The mounts of an interrupted build end with their namespace.
            ["unshare", "--mount", "--propagation", "private", *command, _SUITE, partial, *_mirror()],
            log=paths.state("logs", "image-base.log"),
            doing=doing,
            env={**debian.environment(tools), "SOURCE_DATE_EPOCH": str(_EPOCH)},
        )
    for name in ("hostname", "resolv.conf"):  # this machine's, for the time of the build
        (partial / "etc" / name).unlink(missing_ok=True)
        (partial / "etc" / name).touch()
    partial.replace(root)


def _mirror() -> list[str]:
    """The Debian mirror that this machine's apt uses; empty for mmdebstrap's default on a system that is not Debian."""
    selection = ["Identifier: Packages", "Origin: Debian", "Label: Debian"]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *selection]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split()[:1]


def _packages(root: Path, recipe: Path) -> None:
    """A virtual environment at /opt/venv, installed from outside so that the image needs no network and no installer."""
    command, env = environments.uv()
    partial = _partial(root)
    venv = partial / "opt" / "venv"
    site = venv / "lib" / f"python{_PYTHON}" / "site-packages"
    site.mkdir(parents=True)
    install = ["pip", "install", "--no-deps", "--requirement", recipe]
    install += ["--python", environments.INTERPRETER, "--target", site]
    install += ["--python-version", _PYTHON, "--python-platform", f"{platform.machine()}-manylinux_2_36"]
    with step("installing the Python packages", "about 15 seconds") as doing:
        run([*command, *install], log=paths.state("logs", "image-packages.log"), doing=doing, env=env)
    for tests in [path for path in site.rglob("tests") if path.is_dir()]:  # a tenth of the files, and nobody runs them
        shutil.rmtree(tests, ignore_errors=True)  # some lie within others
    programs = venv / "bin"
    (site / "bin").replace(programs)
    for program in programs.iterdir():
        first, _, rest = program.read_bytes().partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            program.unlink()  # it may be a link into uv's cache
            program.write_bytes(b"#!/opt/venv/bin/python\n" + rest)
            program.chmod(0o755)
    for name in ("python", "python3", f"python{_PYTHON}"):
        (programs / name).symlink_to(f"/usr/bin/python{_PYTHON}")
    (venv / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {_PYTHON}\n")
    partial.replace(root)


def _bytecode(base: Path, packages: Path) -> None:
    """Compile everything, because a container with a read-only root would do it again at every start.

    The files do not record their source's time, which changes when the layer is written.
    """
    script = (
        'mount --rbind /dev "$1/dev"; mount -t proc proc "$1/proc"; mkdir -p "$1/opt/venv"; mount --bind "$2" "$1/opt/venv";'
        f' exec chroot "$1" python{_PYTHON} -m compileall -qq -f -j 0 --invalidation-mode unchecked-hash'
        f" /opt/venv/lib /usr/lib/python3 /usr/lib/python{_PYTHON}"
    )
    with step("compiling Python bytecode", "about 30 seconds"):
        run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", base, packages / "opt/venv"],
            log=paths.state("logs", "image-bytecode.log"),
        )


def _layer(root: Path, layer: Path) -> None:
    """A folder as an uncompressed tar whose bytes depend on the files alone."""
    partial = layer.with_name(f"{layer.name}.partial")
    command = ["tar", "--create", "--file", partial, "--directory", root, "--format=gnu", "--numeric-owner"]
    command += ["--sort=name", f"--mtime=@{_EPOCH}", "--hard-dereference"]
    command += [
        f"--exclude=./{folder}/*"
        for folder in ("dev", "proc", "sys", "run", "tmp", "var/cache", "var/lib/apt", "var/log")
    ]
    with step(f"writing the layer {layer.stem}", "a few seconds"):
        run([*command, "."], log=paths.state("logs", "image-layer.log"))
    partial.replace(layer)


def _partial(root: Path) -> Path:
    """A place to make `root` in, without what an interrupted run left there."""
    partial = root.with_name(f"{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    return partial
