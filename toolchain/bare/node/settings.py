"""What the node's first process is told, and the making of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain import paths
from toolchain.bare import debian, golang
from toolchain.bare.node import addresses, network, pki
from toolchain.bare.node.pause import pause_image
from toolchain.console import UserError

_PROGRAMS = ("kubernetes", "etcd", "coredns", "local-path", "metrics-server")
_PACKAGES = {"containerd": "containerd", "runc": "runc", "iptables": "iptables", "ip": "iproute2", "openssl": "openssl"}
_CNI_FOLDERS = ("usr/lib/cni", "opt/cni/bin", "usr/libexec/cni")
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "XTABLES_LIBDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TZ")


@dataclass(frozen=True)
class Settings:
    """All paths are the host's.

    Args:
        state: Folder that becomes `/node`.
        programs: Binaries by name, as `golang.build` names them, and `containerd`.
        environment: Environment variables with which they are found and run.
        cni_programs: Folder of the CNI plugins.
        pause_image: Reference of the image of which every pod's first container is made.
        pause_archive: That image.
        visible: Folders that must keep their paths although the node has its own `/run`, `/tmp` and `/var`.
        way_out: Whether packets may leave through the host.
    """

    state: str
    programs: dict[str, str]
    environment: dict[str, str]
    cni_programs: str
    pause_image: str
    pause_archive: str
    visible: tuple[str, ...]
    way_out: bool

    def write(self, path: Path) -> None:
        """Write to a file that `read` reads."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, path: Path) -> Settings:
        """What `write` wrote."""
        values = json.loads(path.read_text())
        return cls(**{**values, "visible": tuple(values["visible"])})


def prepare(state: Path) -> Settings:
    """Build, fetch or make what the node needs and is missing.

    Args:
        state: Folder of the node's data.

    Raises:
        UserError: Something could not be had.
    """
    programs = golang.build([*_PROGRAMS, "pause"])
    cni_programs, environment = _system_programs()
    reference, archive = pause_image(programs.pop("pause"))
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki.ensure(state / "pki", state / "kubeconfig")
    for folder in ("etcd", "containerd", "kubelet", "volumes", "logs/pods"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "etcd").chmod(0o700)
    containerd = shutil.which("containerd", path=environment["PATH"])
    assert containerd
    return Settings(
        state=str(state),
        programs={**{name: str(path) for name, path in programs.items()}, "containerd": containerd},
        environment=environment,
        cni_programs=str(cni_programs),
        pause_image=reference,
        pause_archive=str(archive),
        visible=(str(paths.cache()), str(paths.ROOT), sys.base_prefix),
        way_out=network.has_way_out(),
    )


def fetch() -> None:
    """Fetch what `prepare` needs from the network, beside other work.

    Raises:
        UserError: Something could not be had.
    """
    golang.download(_PROGRAMS)
    _system_programs()


def _system_programs() -> tuple[Path, dict[str, str]]:
    """The folder of the CNI plugins, and the environment that finds containerd and the rest.

    The system's own are used if all are there, else Debian's packages, unpacked in the cache.
    """
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"}
    root = Path("/")
    missing = [name for name in _PACKAGES if not shutil.which(name, path=environment["PATH"])]
    if missing or not _cni_folder(root):
        packages = [package for program, package in _PACKAGES.items() if program in missing]
        root = debian.unpack([*packages, "containernetworking-plugins"])
        environment = debian.environment(root)
    folder = _cni_folder(root)
    if not folder:
        raise UserError("the CNI plugins were not found", "Install the package containernetworking-plugins.")
    # What else the user has in the environment is none of the daemons' business, and it may be secret.
    kept = {name: value for name, value in environment.items() if name.upper() in _ENVIRONMENT}
    inside = f"localhost,127.0.0.1,{addresses.NETWORK},.svc,.{addresses.DOMAIN}"  # never through a proxy
    former = kept.get("no_proxy") or kept.get("NO_PROXY", "")
    for name in ("no_proxy", "NO_PROXY"):
        kept[name] = f"{former},{inside}".lstrip(",")
    return folder, kept


def _cni_folder(root: Path) -> Path | None:
    return next((root / folder for folder in _CNI_FOLDERS if (root / folder / "ptp").exists()), None)
