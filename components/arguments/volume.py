"""A persistent volume claim, new or existing; used by SQLite and by artifacts on a volume."""

import enum
from collections.abc import Iterable

from .base import Input, Problem, block, plain
from .checks import between, kubernetes_name, relative_path
from .kinds import ArtifactBlock, MlflowImage

__all__ = ["AccessMode", "VolumeArgs"]


class AccessMode(enum.Enum):
    """How many nodes may mount the volume."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


@block
class VolumeArgs(ArtifactBlock):
    """A claim created by this stack, or an existing one."""

    server_only = "a volume, which only the server can reach"
    mlflow_image = MlflowImage.BASE
    spooled = False

    size_gb: int = 20
    """Requested size of a new claim in GiB."""
    storage_class: Input[str] | None = None
    """StorageClass of a new claim; the cluster's default if not given."""
    access_mode: AccessMode = AccessMode.READ_WRITE_ONCE
    """Access mode of a new claim. More than one replica needs `ReadWriteMany`."""
    existing_claim: Input[str] | None = None
    """Name of a claim in the deployment's namespace to use instead of creating one."""
    sub_path: str | None = None
    """Directory of the existing claim to use instead of its root, so that one claim can hold database and artifacts. It is created
    if it does not exist."""

    @property
    def shared(self) -> bool:
        """Whether several pods can use it at once, as far as known."""
        # The access mode of an existing claim is not known here.
        return self.existing_claim is not None or self.access_mode is AccessMode.READ_WRITE_MANY

    def same_claim(self, other: "VolumeArgs") -> bool:
        """Whether both name one claim, as far as known."""
        one, two = self.existing_claim, other.existing_claim
        return one is not None and (one is two or (isinstance(plain(one), str) and plain(one) == plain(two)))

    def holds(self, other: "VolumeArgs") -> bool:
        """Whether the directory of another is this one, or lies within it, on one claim."""
        outer, inner = (f"{each.sub_path or ''}/".lstrip("/") for each in (self, other))
        return inner.startswith(outer)

    def problems(self) -> Iterable[Problem]:
        yield from between(self.size_gb, 1, 65_536, "size_gb", "GiB")
        yield from kubernetes_name(self.storage_class, "storage_class", "the name of a StorageClass")
        yield from kubernetes_name(self.existing_claim, "existing_claim", "the name of a claim")
        yield from relative_path(self.sub_path, "sub_path")
        if self.sub_path is not None and self.existing_claim is None:
            fix = "remove it, or name a claim in existingClaim"
            yield Problem(("sub_path",), "is given for a claim that is made for this volume alone", fix)
        if self.existing_claim is not None and self.storage_class is not None:
            yield Problem(
                ("storage_class",),
                "is given for a claim that exists already",
                "remove storageClass, or remove existingClaim",
            )
