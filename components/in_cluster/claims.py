"""Persistent volume claims that hold a deployment's data."""

import pulumi_kubernetes as k8s

from ..arguments import AccessMode, VolumeArgs
from ..contracts import Volume
from ..pods.scope import Scope


def claim(scope: Scope, purpose: str, args: VolumeArgs, mount_path: str) -> Volume:
    """Create a claim, or use the existing one.

    A created claim is protected unless deletion protection is off, and never replaced by a new, empty one.
    """
    if args.existing_claim is not None:
        # Whether others mount it too is unknown: treated as exclusive unless the arguments say otherwise.
        shared = args.access_mode is AccessMode.READ_WRITE_MANY or scope.args.most_replicas > 1
        return Volume(name=purpose, claim_name=args.existing_claim, mount_path=mount_path, shared=shared)
    made = k8s.core.v1.PersistentVolumeClaim(
        f"{scope.name}-{purpose}",
        metadata=scope.metadata(
            purpose,
            # A class that binds on first use leaves the claim pending until the pod exists.
            annotations={"pulumi.com/skipAwait": "true"},
        ),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[args.access_mode.value],
            storage_class_name=args.storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{args.size_gb}Gi"}),
        ),
        opts=scope.options(protect=scope.args.deletion_protection),
    )
    return Volume(
        name=purpose,
        claim_name=made.metadata.name,  # type: ignore[arg-type]
        mount_path=mount_path,
        shared=args.access_mode is AccessMode.READ_WRITE_MANY,
    )
