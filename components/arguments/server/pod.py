"""Kubernetes settings of the server's pods."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import Field

from .. import reserved
from ..base import Block, Input, Path, Problem, block, plain
from ..checks import (
    PORT_NAME,
    PORT_NAME_FIX,
    between,
    duplicates,
    kubernetes_label_name,
    kubernetes_name,
    labels,
    memory,
    pattern,
    qualified_keys,
)
from ..manifests import Manifest, in_camel_case, shape
from . import restricted
from .resources import ResourcesArgs

__all__ = ["PodArgs", "ProbeArgs", "ProbesArgs", "TmpVolumeArgs"]

_PARTS = {
    "affinity": "core/v1.Affinity",
    "tolerations": "[core/v1.Toleration]",
    "host_aliases": "[core/v1.HostAlias]",
    "dns_config": "core/v1.PodDNSConfig",
    "security_context": "core/v1.PodSecurityContext",
    "container_security_context": "core/v1.SecurityContext",
    "containers": "[core/v1.Container]",
    "init_containers": "[core/v1.Container]",
    "volumes": "[core/v1.Volume]",
    "mounts": "[core/v1.VolumeMount]",
}
"""Fields that are parts of Kubernetes objects, with their types."""


@block
class ProbeArgs(Block):
    """How often the kubelet probes the server, and how many failures it tolerates."""

    period_seconds: int | None = None
    """Time between two probes, in seconds."""
    timeout_seconds: int | None = None
    """How long a response may take, in seconds."""
    failure_threshold: int | None = None
    """Consecutive failures after which the probe counts as failed."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.period_seconds, 1, 3600, "period_seconds", "seconds")
        yield from between(self.timeout_seconds, 1, 3600, "timeout_seconds", "seconds")
        yield from between(self.failure_threshold, 1, 1000, "failure_threshold")


@block
class ProbesArgs(Block):
    """Probes of the server's container. `server.startupTimeoutSeconds` sets how long a start may take."""

    readiness: ProbeArgs = ProbeArgs()
    """Removes a pod from the Service. Defaults: every 2 seconds, with a timeout of 5 seconds, after 3 failures. What is slower than
    `server.drainSeconds` cannot remove the last pods before they end: calls that begin then may take two minutes."""
    liveness: ProbeArgs = ProbeArgs()
    """Restarts a server. Defaults: every 20 seconds, with a timeout of 10 seconds, after 6 failures, to spare a server that
    is merely busy."""


@block
class TmpVolumeArgs(Block):
    """A volume for `/tmp` that is made for each pod."""

    storage_class: Input[str] | None = None
    """StorageClass of the volume; the cluster's default if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.storage_class, "storage_class", "the name of a StorageClass")


@block
class PodArgs(Block):
    """Kubernetes settings of the server's pods. Settings of the pod rather than of the server's container (placement, for
    example, but not volumes) also apply to the deployment's jobs."""

    resources: ResourcesArgs = ResourcesArgs()
    """Requests and limits."""
    tmp_size: str = "6Gi"
    """Limit of `/tmp`, where a server keeps each file that goes through it until it is complete, unless artifacts are on a volume
    (`artifacts.volume`, `artifacts.nfs`). All that are on their way at the same time must fit: an upload that does not waits, and is
    refused if it never can. The pod requests as much ephemeral storage of its node."""
    tmp_volume: TmpVolumeArgs | None = None
    """A volume for `/tmp` with `tmpSize`, instead of space on the node: for artifacts that a node has no room for. It is made with
    each pod and deleted with it (a generic ephemeral volume)."""
    run_as_user: int | None = 1000
    """Numeric user and group id of the pods that run MLflow; the official image sets none and would run as root. Databases in
    the cluster run as their image's own user, 999. Null lets the cluster choose user and groups of every pod (OpenShift); a
    cluster that does not choose needs them in `securityContext`, including `fsGroup`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the pods that run MLflow: of servers and jobs. Pods of stores in the cluster have none that can be
    changed, since a change restarts them; see docs/clusters.md."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Further annotations of the same pods."""
    job_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the pods of jobs alone. They win over `labels`, and over those that keep the sidecars of service meshes away,
    with which a job would never end: `sidecar.istio.io/inject: "true"` lets Istio's in."""
    job_annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the pods of jobs alone, likewise: `linkerd.io/inject: enabled` lets Linkerd's in."""
    deployment_labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of the Deployment itself."""
    deployment_annotations: dict[str, str] = Field(default_factory=dict)
    """Further annotations of the Deployment itself."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have."""
    affinity: Manifest = Field(default_factory=dict)
    """Affinity, as in a pod's specification."""
    tolerations: list[Manifest] = Field(default_factory=list)
    """Tolerations, as in a pod's specification."""
    priority_class_name: str | None = None
    """PriorityClass of the pods."""
    runtime_class_name: str | None = None
    """RuntimeClass of the pods."""
    scheduler_name: str | None = None
    """Scheduler that places the pods."""
    host_aliases: list[Manifest] = Field(default_factory=list)
    """Additional entries of `/etc/hosts`, as in a pod's specification."""
    dns_policy: str | None = None
    """`ClusterFirst`, `Default` or `None`; `ClusterFirst` if not given."""
    dns_config: Manifest = Field(default_factory=dict)
    """DNS resolver settings, as in a pod's specification."""
    security_context: Manifest = Field(default_factory=dict)
    """Security context of every pod, merged over the component's own, as in a pod's specification."""
    container_security_context: Manifest = Field(default_factory=dict)
    """Security context of each of the component's own containers in every pod, merged over theirs, as in a container's
    specification."""
    containers: list[Manifest] = Field(default_factory=list)
    """Sidecars of the server, as in a pod's specification. They get the component's security context (no privileges,
    read-only root filesystem) unless they override it."""
    init_containers: list[Manifest] = Field(default_factory=list)
    """Additional init containers, as in a pod's specification, with the same security context."""
    volumes: list[Manifest] = Field(default_factory=list)
    """Additional volumes of the server's pods, as in a pod's specification."""
    mounts: list[Manifest] = Field(default_factory=list)
    """Additional volume mounts of the server's container, as in a container's specification."""
    probes: ProbesArgs = ProbesArgs()
    """Probes of the server's container."""

    def problems(self) -> Iterable[Problem]:
        yield from memory(self.tmp_size, "tmp_size")
        yield from between(self.run_as_user, 1, 2**31 - 1, "run_as_user", "(root is refused)")
        yield from kubernetes_name(self.priority_class_name, "priority_class_name", "the name of a PriorityClass")
        yield from kubernetes_name(self.runtime_class_name, "runtime_class_name", "the name of a RuntimeClass")
        yield from kubernetes_name(self.scheduler_name, "scheduler_name", "the name of a scheduler")
        yield from labels(self.labels, "labels")
        yield from qualified_keys(self.annotations, "annotations")
        yield from labels(self.job_labels, "job_labels")
        yield from qualified_keys(self.job_annotations, "job_annotations")
        yield from labels(self.deployment_labels, "deployment_labels")
        yield from qualified_keys(self.deployment_annotations, "deployment_annotations")
        yield from labels(self.node_selector, "node_selector", refused=())
        if self.dns_policy not in (None, "ClusterFirst", "Default", "None"):
            yield Problem(("dns_policy",), f"{self.dns_policy!r} is not allowed", "use ClusterFirst, Default or None")
        wrong = [problem for name, kind in _PARTS.items() for problem in shape(getattr(self, name), kind, (name,))]
        yield from wrong
        if not wrong:
            yield from self._names()

    def _names(self) -> Iterator[Problem]:
        """Names, directories and ports that are already in use, and mounts of unknown volumes."""
        yield from self._containers()
        yield from self._volumes()
        yield from self._mounts([volume["name"] for volume in self.part("volumes")])
        addresses = [plain(alias["ip"]) for alias in self.part("host_aliases")]
        yield from duplicates(addresses, ("host_aliases",), "ip")

    def _containers(self) -> Iterator[Problem]:
        taken = set(reserved.CONTAINERS)
        for field in ("init_containers", "containers"):
            for index, container in enumerate(self.part(field)):
                name = container["name"]
                if name in taken:
                    yield Problem(
                        (field, index, "name"), f"{name!r} is taken by another container", "choose another name"
                    )
                taken.add(name)
                yield from _label(name, (field, index, "name"), "a container")
                if not container.get("image"):
                    yield Problem((field, index, "image"), "is required", "name the image of the container")
                yield from self._lists(container, (field, index))
                for at, port in enumerate(container.get("ports") or []):
                    if port.get("name") == reserved.PORT_NAME:
                        message = f"{reserved.PORT_NAME!r} is the port by which the Service finds the server"
                        yield Problem((field, index, "ports", at, "name"), message, "choose another name")

    def _lists(self, container: Mapping[str, Any], path: Path) -> Iterator[Problem]:
        """Items of a container that Kubernetes knows by a name or path, and would refuse the second of, and mounts of volumes that
        are not there."""
        for field, key in (("env", "name"), ("volumeMounts", "mountPath"), ("ports", "name")):
            values = [plain(item.get(key)) for item in container.get(field) or []]
            yield from duplicates(values, (*path, field), key)
        for at, port in enumerate(container.get("ports") or []):
            for problem in pattern(port.get("name"), PORT_NAME, "", "the name of a port", PORT_NAME_FIX):
                yield Problem((*path, "ports", at, "name"), problem.message, problem.fix)
        known = [volume["name"] for volume in self.part("volumes")]
        for at, mount in enumerate(container.get("volumeMounts") or []):
            if mount["name"] not in (*known, *reserved.VOLUMES):
                fix = f"use one of: {', '.join(known)}" if known else "add it to pod.volumes"
                yield Problem((*path, "volumeMounts", at, "name"), f"{mount['name']!r} is not a volume of the pod", fix)
            yield from _place(mount, (*path, "volumeMounts", at))

    def _volumes(self) -> Iterator[Problem]:
        volumes = [volume["name"] for volume in self.part("volumes")]
        for index, volume in enumerate(self.part("volumes")):
            sources = [key for key, value in volume.items() if key != "name" and value is not None]
            if len(sources) != 1:
                found = ", ".join(sources) or "none"
                yield Problem(
                    ("volumes", index), f"needs one source, and has {found}", "write for example emptyDir: {}"
                )
        for index, name in enumerate(volumes):
            yield from _label(name, ("volumes", index, "name"), "a volume")
            if name in reserved.VOLUMES or name in volumes[:index]:
                yield Problem(("volumes", index, "name"), f"{name!r} is taken by another volume", "choose another name")

    def _mounts(self, volumes: list[str]) -> Iterator[Problem]:
        paths: set[str] = set()
        for index, mount in enumerate(self.part("mounts")):
            if mount["name"] not in volumes:
                known = f"use one of: {', '.join(volumes)}" if volumes else "add it to pod.volumes"
                yield Problem(("mounts", index, "name"), f"{mount['name']!r} is not a volume of pod.volumes", known)
            given = plain(mount["mountPath"])
            if not isinstance(given, str):
                continue
            if wrong := [*_place(mount, ("mounts", index))]:
                yield from wrong
                continue
            path, where = reserved.normal(given), ("mounts", index, "mountPath")
            if path == reserved.SCRATCH:
                yield Problem(where, f"{path!r} is mounted already", "use a folder below it")
            elif reserved.is_taken(path):
                yield Problem(where, f"{path!r} is where the component mounts its own files", "mount it elsewhere")
            elif path in paths:
                yield Problem(where, f"{path!r} is mounted already by another of pod.mounts", "mount it elsewhere")
            paths.add(path)

    def not_restricted(self) -> Iterator[Problem]:
        """What Pod Security `restricted` would reject; paths are relative to this block."""
        yield from restricted.security_context(self.part("security_context"), ("security_context",))
        yield from restricted.security_context(self.part("container_security_context"), ("container_security_context",))
        for field in ("init_containers", "containers"):
            for index, container in enumerate(self.part(field)):
                yield from restricted.container(container, (field, index))
        for index, volume in enumerate(self.part("volumes")):
            yield from restricted.volume(volume, ("volumes", index))

    def part(self, name: str) -> Any:
        """One of the parts of Kubernetes objects, with all keys in camelCase."""
        return in_camel_case(getattr(self, name), _PARTS[name])


def _place(mount: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Where something is mounted, as Kubernetes takes it."""
    given, inside = plain(mount.get("mountPath")), plain(mount.get("subPath"))
    if isinstance(given, str) and (not given.startswith("/") or ":" in given):
        message = f"{given!r} is not an absolute path without ':'"
        yield Problem((*path, "mountPath"), message, "start it with '/', and use no ':'")
    if isinstance(inside, str) and (inside.startswith("/") or ".." in inside.split("/")):
        yield Problem((*path, "subPath"), f"{inside!r} leads out of the volume", "write a path inside it, without '..'")


def _label(name: Any, path: Path, of: str) -> Iterator[Problem]:
    """Names within a pod are DNS labels."""
    for problem in kubernetes_label_name(name, "", f"the name of {of}"):
        yield Problem(path, problem.message, problem.fix)
