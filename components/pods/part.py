"""`PodPart`: what one concern (a store, authentication, metrics) adds to a pod."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pulumi_kubernetes as k8s

from ..contracts import NetworkDestination


@dataclass(frozen=True, kw_only=True)
class PodPart:
    """What one concern adds to a pod. Parts are joined, and none can overwrite another's additions.

    Attributes:
        environment: Variables of the pod's main container, secret values by reference.
        environment_from: Secrets and ConfigMaps whose keys all become its variables.
        python_path: Entries of PYTHONPATH. A separate list, since several parts add to it.
        arguments: Arguments of `mlflow server`.
        launcher: Program that `mlflow server` is run by, with its first arguments; of one part at most.
        mounts: Mounts of the main container.
        volumes: Volumes of the pod.
        init_containers: Init containers, in this order.
        containers: Sidecars.
        proxy_port: Port of the sidecar that receives all requests. It names the port `http`; Service and probes use it, so
            it must let `<prefix>/health` through without credentials; the server then only listens on the loopback
            interface, on `server.port`, without TLS.
        network: What the pod must be able to reach, which network policies allow.
    """

    environment: Sequence[k8s.core.v1.EnvVarArgs] = ()
    environment_from: Sequence[k8s.core.v1.EnvFromSourceArgs] = ()
    python_path: Sequence[str] = ()
    arguments: Sequence[str] = ()
    launcher: Sequence[str] = ()
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()
    volumes: Sequence[k8s.core.v1.VolumeArgs] = ()
    init_containers: Sequence[k8s.core.v1.ContainerArgs] = ()
    containers: Sequence[k8s.core.v1.ContainerArgs] = ()
    proxy_port: int | None = None
    network: Sequence[NetworkDestination] = ()


def join(*parts: PodPart) -> PodPart:
    """All parts in one, in this order.

    Raises:
        ValueError: Two parts have a variable, mount, volume or container of the same name, or a proxy each. This is a bug in
            a part, not a mistake of the user.
    """
    made = PodPart(
        environment=_all(part.environment for part in parts),
        environment_from=_all(part.environment_from for part in parts),
        python_path=_all(part.python_path for part in parts),
        arguments=_all(part.arguments for part in parts),
        launcher=next((part.launcher for part in parts if part.launcher), ()),
        mounts=_all(part.mounts for part in parts),
        volumes=_all(part.volumes for part in parts),
        init_containers=_all(part.init_containers for part in parts),
        containers=_all(part.containers for part in parts),
        proxy_port=next((part.proxy_port for part in parts if part.proxy_port is not None), None),
        network=_all(part.network for part in parts),
    )
    _once("variable", (_field(each, "name") for each in made.environment))
    _once("mount", (_field(each, "mount_path", "mountPath") for each in made.mounts))
    _once("volume", (_field(each, "name") for each in made.volumes))
    _once("container", (_field(each, "name") for each in (*made.init_containers, *made.containers)))
    _once("proxy", ("proxy" for part in parts if part.proxy_port is not None))
    return made


def _all(sequences: Iterable[Sequence]) -> list:
    return list(chain.from_iterable(sequences))


def _field(item: Any, name: str, in_manifest: str | None = None) -> str:
    """A field of an SDK object, or of a user's manifest."""
    return str(item[in_manifest or name] if isinstance(item, Mapping) else getattr(item, name))


def _once(what: str, names: Iterable[str]) -> None:
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise ValueError(f"two parts of the pod bring the {what} {', '.join(twice)}")
