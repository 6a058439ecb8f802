"""Volumes of pods and their mounts: scratch space, claims, and files from ConfigMaps and Secrets."""

from collections.abc import Iterable, Mapping

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, TmpVolumeArgs
from ..contracts import Files, SecretKey, Volume
from .part import PodPart
from .scope import Scope

TMP = "/tmp"  # noqa: S108 - a private volume of the pod


def scratch_volume(size: str, claim: TmpVolumeArgs | None = None, name: str = "tmp") -> k8s.core.v1.VolumeArgs:
    """The private `/tmp` of a pod: on its node, or on a volume that is made with the pod and deleted with it. Other scratch space too,
    under another name."""
    if claim is None:
        return k8s.core.v1.VolumeArgs(name=name, empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=size))
    spec = k8s.core.v1.PersistentVolumeClaimSpecArgs(
        access_modes=["ReadWriteOnce"],
        storage_class_name=claim.storage_class,
        resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": size}),
    )
    template = k8s.core.v1.PersistentVolumeClaimTemplateArgs(spec=spec)
    ephemeral = k8s.core.v1.EphemeralVolumeSourceArgs(volume_claim_template=template)
    return k8s.core.v1.VolumeArgs(name=name, ephemeral=ephemeral)


def scratch_mount() -> k8s.core.v1.VolumeMountArgs:
    """Its mount, in every container."""
    return k8s.core.v1.VolumeMountArgs(name="tmp", mount_path=TMP)


def memory_volume(name: str) -> k8s.core.v1.VolumeArgs:
    """A small volume in memory, for secrets that an init container writes and that must not reach a disk."""
    source = k8s.core.v1.EmptyDirVolumeSourceArgs(medium="Memory", size_limit="1Mi")
    return k8s.core.v1.VolumeArgs(name=name, empty_dir=source)


def read_only(name: str, path: str) -> k8s.core.v1.VolumeMountArgs:
    """A read-only mount."""
    return k8s.core.v1.VolumeMountArgs(name=name, mount_path=path, read_only=True)


def claims(volumes: Iterable[Volume]) -> PodPart:
    """Persistent volume claims, mounted."""
    volumes = list(volumes)
    return PodPart(
        volumes=[
            k8s.core.v1.VolumeArgs(
                name=volume.name,
                persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=volume.claim_name),
            )
            for volume in volumes
            if volume.declared
        ],
        mounts=[
            k8s.core.v1.VolumeMountArgs(name=volume.name, mount_path=volume.mount_path, sub_path=volume.sub_path)
            for volume in volumes
        ],
    )


def config_map(scope: Scope, purpose: str, component: str, data: Mapping[str, Input[str]]) -> k8s.core.v1.ConfigMap:
    """A ConfigMap. Pulumi generates its name, which changes with its content and so rolls the pods that mount it."""
    return k8s.core.v1.ConfigMap(
        f"{scope.name}-{purpose}",
        metadata=scope.metadata(component),
        data=data,
        immutable=True,
        opts=scope.options(),
    )


def config_volume(name: str, config_map: k8s.core.v1.ConfigMap) -> k8s.core.v1.VolumeArgs:
    """Files from a ConfigMap."""
    return k8s.core.v1.VolumeArgs(
        name=name,
        config_map=k8s.core.v1.ConfigMapVolumeSourceArgs(name=config_map.metadata.name),  # type: ignore[arg-type]
    )


def secret(scope: Scope, purpose: str, component: str, data: Mapping[str, Input[str]]) -> Input[str]:
    """A Secret likewise; returns its name."""
    made = k8s.core.v1.Secret(
        f"{scope.name}-{purpose}",
        metadata=scope.metadata(component),
        type="Opaque",
        string_data={key: pulumi.Output.secret(value) for key, value in data.items()},
        immutable=True,
        opts=scope.options(),
    )
    return made.metadata.name  # type: ignore[return-value]


def secret_volume(
    name: str, secret: Input[str], items: Mapping[str, str] | None = None, mode: int | None = 0o440
) -> k8s.core.v1.VolumeArgs:
    """Files from a Secret.

    Args:
        name: Name of the volume.
        secret: Name of the Secret.
        items: File names by their keys; all keys under their own names if None.
        mode: File permissions; by default only readable by the pod's group, by all if None.
    """
    paths = [k8s.core.v1.KeyToPathArgs(key=key, path=path) for key, path in (items or {}).items()]
    source = k8s.core.v1.SecretVolumeSourceArgs(secret_name=secret, items=paths or None, default_mode=mode)
    return k8s.core.v1.VolumeArgs(name=name, secret=source)


def files(scope: Scope, component: str, given: Files) -> PodPart:
    """Files in one read-only directory; creates a ConfigMap and a Secret for the given content.

    The names of both change with their content, so that a change rolls the pods.
    """
    sources: list[k8s.core.v1.VolumeProjectionArgs] = []
    if given.plain:
        data = {_key(path): content for path, content in given.plain.items()}
        made = config_map(scope, given.name, component, data)
        projection = k8s.core.v1.ConfigMapProjectionArgs(
            name=made.metadata.name,  # type: ignore[arg-type]
            items=[k8s.core.v1.KeyToPathArgs(key=_key(path), path=path) for path in given.plain],
        )
        sources.append(k8s.core.v1.VolumeProjectionArgs(config_map=projection))
    values = {path: value for path, value in given.secret.items() if not isinstance(value, SecretKey)}
    found: list[tuple[Input[str], str, str]] = []
    if values:
        name = secret(scope, f"{given.name}-secret", component, {_key(path): value for path, value in values.items()})
        found = [(name, _key(path), path) for path in values]
    found += [(value.name, value.key, path) for path, value in given.secret.items() if isinstance(value, SecretKey)]
    for name, key, path in found:
        projection = k8s.core.v1.SecretProjectionArgs(name=name, items=[k8s.core.v1.KeyToPathArgs(key=key, path=path)])
        sources.append(k8s.core.v1.VolumeProjectionArgs(secret=projection))
    # Readable by the pod's group, which owns its volumes.
    projected = k8s.core.v1.ProjectedVolumeSourceArgs(sources=sources, default_mode=0o440)
    return PodPart(
        volumes=[k8s.core.v1.VolumeArgs(name=given.name, projected=projected)],
        mounts=[read_only(given.name, given.directory)],
    )


def _key(path: str) -> str:
    """A path as a key, which must not contain a slash."""
    return path.replace("/", "-")
