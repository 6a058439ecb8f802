"""A directory that an NFS server exports."""

import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Input, Problem, block
from ..checks import (
    absolute_path,
    between,
    host_name,
)
from ..kinds import ArtifactBlock, MlflowImage

__all__ = ["NfsArgs"]


@block
class NfsArgs(ArtifactBlock):
    """A directory that an NFS server exports, mounted in the server's pods. All replicas share it."""

    server_only = "a volume, which only the server can reach"
    mlflow_image = MlflowImage.BASE
    spooled = False

    server: Input[str]
    """DNS name or address of the server, as the nodes resolve it."""
    path: Input[str]
    """Exported directory. The pods' user (`pod.runAsUser`) must be allowed to write there."""
    mount_options: list[str] = Field(default_factory=lambda: ["nfsvers=4.1", "hard"])
    """Mount options."""
    size_gb: int = 100
    """Nominal size of the volume in GiB, which Kubernetes requires; the NFS server sets the real limit."""

    def problems(self) -> Iterable[Problem]:
        yield from host_name(self.server, "server")
        yield from absolute_path(self.path, "path")
        yield from between(self.size_gb, 1, 1_048_576, "size_gb", "GiB")
        for index, option in enumerate(self.mount_options):
            if not re.fullmatch(r"[a-z_]+(=[\w.:/-]+)?", option):
                yield Problem(("mount_options", index), f"{option!r} is not a mount option", "write name or name=value")
