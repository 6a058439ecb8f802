"""The MLflow image, with the packages of the official one: https://github.com/mlflow/mlflow/blob/master/docker/Dockerfile.full."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from toolchain import environments, paths
from toolchain.bare import oci
from toolchain.bare.images import layers
from toolchain.console import run, step

_SUITE = "bookworm"
_PYTHON = "3.11"
"""Debian release and Python of the official image, which starts from `python:3.11-slim-bookworm`."""

_PACKAGES = ("ca-certificates", "libstdc++6", "netbase", "python3", "tzdata")
"""What `python:slim` holds beyond Debian's essential packages, as far as MLflow and its packages use it."""

REQUIREMENTS = Path(__file__).resolve().parent / "recipes" / "mlflow.in"
LOCK = REQUIREMENTS.with_suffix(".txt")

_STEPS = 1
"""Raise it when the steps below change what they make, so that images in the cache are built again."""

_LEFT_OUT = ("dev", "proc", "sys", "run", "tmp", "var/cache", "var/lib/apt", "var/log")


def locked() -> str:
    """The version of MLflow whose packages are locked."""
    return environments.requirements(LOCK)["mlflow"].partition("==")[2]


def lock() -> None:
    """Lock the newest packages that fit the version of MLflow in components/versions.py, as the official image was built.

    Raises:
        UserError: No set of packages fits, or they cannot be had.
    """
    made = paths.ROOT / "build" / LOCK.name
    made.unlink(missing_ok=True)
    environments.resolve(
        [REQUIREMENTS], made, "--python-version", _PYTHON, "--python-platform", "x86_64-manylinux_2_36"
    )
    made.replace(LOCK)


@dataclass(frozen=True)
class MlflowImage:
    """An image of one version of MLflow.

    Attributes:
        requirements: Its locked packages. `make bump` makes the `.txt` from the `.in`.
    """

    requirements: Path

    expect = "1 to 2 minutes"

    def content(self) -> list[str]:
        """What the image is made of; another content is another image."""
        return [self.requirements.read_text(), _SUITE, *_PACKAGES, platform.machine(), str(_STEPS)]

    def build(self, reference: str, folder: Path) -> None:
        """Make the layers one after the other, then the archive `image.tar`; only the archive is kept."""
        base, packages = folder / "base", folder / "packages"
        base_layer, packages_layer = folder / "base.tar", folder / "packages.tar"
        if not base.exists():
            _base(base)
        if not packages.exists():
            _packages(packages, self.requirements)
        if not packages_layer.exists():
            _bytecode(base, packages)
            layers.write(packages, packages_layer, _LEFT_OUT)
        if not base_layer.exists():
            layers.write(base, base_layer, _LEFT_OUT)
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
                labels=layers.LABELS,
            )
        layers.discard(base, packages, base_layer, packages_layer)


def _base(root: Path) -> None:
    """A minimal Debian with Python."""
    partial = layers.partial(root)
    unread = [f"path-exclude=/usr/share/{part}/*" for part in ("doc", "info", "locale", "man")]
    unread.append("path-include=/usr/share/doc/*/copyright")
    options = [f"--dpkgopt={option}" for option in ("force-unsafe-io", *unread)]
    with step("building a minimal Debian with Python", "about 30 seconds") as doing:
        layers.debootstrap(partial, _SUITE, "essential", _PACKAGES, options, doing)
    partial.replace(root)


def _packages(root: Path, recipe: Path) -> None:
    """A virtual environment at /opt/venv, installed from outside so that the image needs no network and no installer."""
    command, env = environments.uv()
    partial = layers.partial(root)
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
