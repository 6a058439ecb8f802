"""Persistent volume claims that hold a deployment's data."""

import hashlib

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import AccessMode, Input, VolumeArgs
from ..contracts import Volume
from ..pods.scope import Scope


def claim(scope: Scope, purpose: str, args: VolumeArgs, mount_path: str) -> Volume:
    """Create a claim, or use the existing one.

    A created claim is protected unless deletion protection is off, and never replaced by a new, empty one.
    """
    if args.existing_claim is not None:
        # Whether others mount it too is unknown: treated as exclusive unless the arguments say otherwise.
        shared = args.access_mode is AccessMode.READ_WRITE_MANY or scope.args.most_replicas > 1
        return Volume(
            name=purpose, claim_name=args.existing_claim, mount_path=mount_path, shared=shared, sub_path=args.sub_path
        )
    made = k8s.core.v1.PersistentVolumeClaim(
        f"{scope.name}-{purpose}",
        metadata=scope.metadata(
            purpose,
            _name(f"{scope.name}-{purpose}", args),
            # A class that binds on first use leaves the claim pending until the pod exists.
            annotations={"pulumi.com/skipAwait": "true"},
        ),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[args.access_mode.value],
            storage_class_name=args.storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{args.size_gb}Gi"}),
        ),
        # The deletion of a claim waits for the pods that use it, so the next one comes first, under another name.
        opts=scope.lasting(protect=scope.args.deletion_protection, delete_before_replace=False),
    )
    return Volume(
        name=purpose,
        claim_name=made.metadata.name,  # type: ignore[arg-type]
        mount_path=mount_path,
        shared=args.access_mode is AccessMode.READ_WRITE_MANY,
    )


def _name(name: str, args: VolumeArgs) -> Input[str]:
    """A name that changes with what cannot be changed in a claim."""

    def named(fixed: list[str | None]) -> str:
        usual = fixed == [None, AccessMode.READ_WRITE_ONCE.value]
        return name if usual else f"{name}-{hashlib.sha256(repr(fixed).encode()).hexdigest()[:8]}"

    return pulumi.Output.all(args.storage_class, args.access_mode.value).apply(named)
