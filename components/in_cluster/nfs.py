"""A directory that an NFS server exports, mounted into the server pods."""

import pulumi_kubernetes as k8s

from ..arguments import AccessMode, NfsArgs
from ..contracts import ArtifactStore, Volume
from ..pods.scope import Scope

_DIRECTORY = "/mlflow/artifacts"


def nfs(scope: Scope, args: NfsArgs) -> ArtifactStore:
    """Files on an NFS server, served by MLflow.

    Through a PersistentVolume and a claim, since Pod Security `restricted` forbids naming an NFS server in a pod. Deleting
    the two leaves the files in place.
    """
    size = f"{args.size_gb}Gi"
    volume = k8s.core.v1.PersistentVolume(
        f"{scope.name}-artifacts",
        metadata=k8s.meta.v1.ObjectMetaArgs(labels=scope.labels("artifacts")),
        spec=k8s.core.v1.PersistentVolumeSpecArgs(
            capacity={"storage": size},
            access_modes=[AccessMode.READ_WRITE_MANY.value],
            persistent_volume_reclaim_policy="Retain",
            storage_class_name="",
            mount_options=args.mount_options,
            nfs=k8s.core.v1.NFSVolumeSourceArgs(server=args.server, path=args.path),
        ),
        opts=scope.options(),
    )
    claim = k8s.core.v1.PersistentVolumeClaim(
        f"{scope.name}-artifacts",
        metadata=scope.metadata("artifacts", annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[AccessMode.READ_WRITE_MANY.value],
            # Empty rather than left out: no class may provision another volume for it.
            storage_class_name="",
            volume_name=volume.metadata.name,  # type: ignore[arg-type]
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": size}),
        ),
        opts=scope.options(protect=scope.args.deletion_protection),
    )
    return ArtifactStore(
        destination=_DIRECTORY,
        volumes=[
            Volume(
                name="artifacts",
                claim_name=claim.metadata.name,  # type: ignore[arg-type]
                mount_path=_DIRECTORY,
                shared=True,
            )
        ],
    )
