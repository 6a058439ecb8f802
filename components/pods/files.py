"""Files in the pods, from ConfigMaps and Secrets: one volume for each directory."""

import pulumi
import pulumi_kubernetes as k8s

from ..contracts import Files, SecretKey
from .objects import Scope


def file_volume(scope: Scope, component: str, files: Files) -> k8s.core.v1.VolumeArgs:
    """The volume; makes a ConfigMap and a Secret for the content that is given.

    The names of both change with their content, so that pods are rolled when it changes.
    """
    sources: list[k8s.core.v1.VolumeProjectionArgs] = []
    resource = f"{scope.name}-{files.name}"
    if files.plain:
        config_map = k8s.core.v1.ConfigMap(
            resource,
            metadata=scope.metadata(component),
            data={_key(path): content for path, content in files.plain.items()},
            immutable=True,
            opts=scope.options(),
        )
        projection = k8s.core.v1.ConfigMapProjectionArgs(
            name=config_map.metadata.name,  # type: ignore[arg-type]
            items=[k8s.core.v1.KeyToPathArgs(key=_key(path), path=path) for path in files.plain],
        )
        sources.append(k8s.core.v1.VolumeProjectionArgs(config_map=projection))
    given = {path: value for path, value in files.secret.items() if not isinstance(value, SecretKey)}
    if given:
        secret = k8s.core.v1.Secret(
            f"{resource}-secret",
            metadata=scope.metadata(component),
            type="Opaque",
            string_data={_key(path): pulumi.Output.secret(value) for path, value in given.items()},
            immutable=True,
            opts=scope.options(),
        )
        found = [(secret.metadata.name, _key(path), path) for path in given]
    else:
        found = []
    found += [(value.name, value.key, path) for path, value in files.secret.items() if isinstance(value, SecretKey)]
    for name, key, path in found:
        projection = k8s.core.v1.SecretProjectionArgs(
            name=name,  # type: ignore[arg-type]
            items=[k8s.core.v1.KeyToPathArgs(key=key, path=path)],
        )
        sources.append(k8s.core.v1.VolumeProjectionArgs(secret=projection))
    return k8s.core.v1.VolumeArgs(
        name=files.name,
        # Readable by the pod's group, which is the group of its volumes.
        projected=k8s.core.v1.ProjectedVolumeSourceArgs(sources=sources, default_mode=0o440),
    )


def file_mount(files: Files) -> k8s.core.v1.VolumeMountArgs:
    return k8s.core.v1.VolumeMountArgs(name=files.name, mount_path=files.directory, read_only=True)


def _key(path: str) -> str:
    """A path as a key, which must hold no slash."""
    return path.replace("/", "-")
