"""What every Kubernetes object of a deployment shares: labels, security, environment, and secrets by reference."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import ImageArgs, Input, MlflowDeploymentArgs
from ..arguments.manifests import Manifest
from ..contracts import NetworkDestination, SecretKey, SecretValue, Volume, WorkloadIdentity

TMP = "/tmp"  # noqa: S108 - a private volume of the pod
CONTAINER_SECURITY: Any = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""What Pod Security `restricted` asks of each container, and a read-only root."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the parts of one deployment have in common.

    Attributes:
        name: Name of the component; also of the Service and the ServiceAccount, which are addressed by name.
        namespace: Namespace of all objects (an output of the Namespace where it is made, so that it comes first).
        args: The arguments.
        identity: What the pods are towards their cloud.
        parent: The component.
        environment: The user's own variables, for every container that runs MLflow; secret values by reference.
        environment_from: The user's Secrets and ConfigMaps of variables, for the same containers.
    """

    name: str
    namespace: Input[str]
    args: MlflowDeploymentArgs
    identity: WorkloadIdentity
    parent: pulumi.Resource
    environment: Sequence[k8s.core.v1.EnvVarArgs] = ()
    environment_from: Sequence[k8s.core.v1.EnvFromSourceArgs] = ()

    @property
    def service_name(self) -> str:
        """Name of the Service."""
        return self.args.names.service or self.name

    def options(self, **more: object) -> pulumi.ResourceOptions:
        """Options of a child: its parent and nothing merged from the caller, who is inherited from already."""
        return pulumi.ResourceOptions(parent=self.parent, **more)  # type: ignore[arg-type]

    @property
    def account_name(self) -> str:
        """Name of the ServiceAccount that the pods run as."""
        return self.args.service_account.name or self.name

    def selector(self) -> dict[str, str]:
        """Labels that exactly the server pods carry: the value of `component` differs for every other pod."""
        return self.labels("server", own=False)

    def labels(self, component: str, own: bool = True) -> dict[str, str]:
        """Labels of an object, with the user's own first so that they cannot replace ours."""
        ours = {
            "app.kubernetes.io/name": "mlflow",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": component,
        }
        return {**self.args.labels, **ours, "app.kubernetes.io/managed-by": "pulumi"} if own else ours

    def metadata(
        self,
        component: str,
        name: str | None = None,
        *,
        extra_labels: Mapping[str, str] | None = None,
        **more: object,
    ) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of an object; without a name Pulumi names it, so that a replacement can precede the deletion."""
        return k8s.meta.v1.ObjectMetaArgs(
            name=name,
            **{"namespace": self.namespace, **more},  # type: ignore[arg-type]
            labels={**(extra_labels or {}), **self.labels(component)},
        )

    def pod_metadata(self, component: str) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of a pod template."""
        return k8s.meta.v1.ObjectMetaArgs(
            labels={**self.args.pod.labels, **self.identity.pod_labels, **self.labels(component)},
            annotations=self.args.pod.annotations or None,
        )

    def pod_spec(
        self,
        *,
        user: int | None = None,
        token: bool = False,
        affinity: k8s.core.v1.AffinityArgs | None = None,
        **more: object,
    ) -> k8s.core.v1.PodSpecArgs:
        """Pod specification that passes Pod Security `restricted`.

        Args:
            user: Numeric user; that of MLflow's pods if not given.
            token: Whether the pod may speak to the Kubernetes API.
            affinity: Where the pod must run; as the arguments say if not given.
            **more: The rest of the specification.
        """
        pod = self.args.pod
        user = user or pod.run_as_user
        return k8s.core.v1.PodSpecArgs(
            service_account_name=self.account_name,
            automount_service_account_token=token,
            # A Service called `mlflow` would otherwise inject MLFLOW_PORT=tcp://…, which MLflow reads as its port.
            enable_service_links=False,
            security_context=_merged(
                {
                    "runAsNonRoot": True,
                    "runAsUser": user,
                    "runAsGroup": user,
                    "fsGroup": user,
                    "fsGroupChangePolicy": "OnRootMismatch",
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                pod.part("security_context"),
            ),
            image_pull_secrets=[
                k8s.core.v1.LocalObjectReferenceArgs(name=name) for name in self.args.image.pull_secrets
            ]
            or None,
            node_selector=pod.node_selector or None,
            affinity=affinity or pod.part("affinity") or None,
            tolerations=pod.part("tolerations") or None,
            priority_class_name=pod.priority_class_name,
            runtime_class_name=pod.runtime_class_name,
            scheduler_name=pod.scheduler_name,
            host_aliases=pod.part("host_aliases") or None,
            dns_policy=pod.dns_policy,
            dns_config=pod.part("dns_config") or None,
            **more,  # type: ignore[arg-type]
        )

    def container_security(self) -> k8s.core.v1.SecurityContextArgs:
        """Security context of the component's own containers."""
        return _merged(CONTAINER_SECURITY, self.args.pod.part("container_security_context"))


def user_containers(given: Sequence[Manifest]) -> list[Any]:
    """Containers that a user adds, in camelCase, with our security context where they say nothing else."""
    return [
        {**each, "securityContext": _merged(CONTAINER_SECURITY, each.get("securityContext") or {})} for each in given
    ]


def _merged(ours: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """Two levels deep, which is as deep as security contexts go; null leaves a field to the cluster."""
    merged = {
        key: {**ours[key], **value} if isinstance(value, Mapping) and isinstance(ours.get(key), Mapping) else value
        for key, value in {**ours, **given}.items()
    }
    return {key: value for key, value in merged.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Additions:
    """What another part of the deployment (authentication, monitoring) adds to each server pod.

    Attributes:
        arguments: Arguments of `mlflow server`.
        environment: Variables of the server's container, secret values by reference. They win over the component's own,
            and the user's win over them.
        mounts: Mounts of the server's container.
        volumes: Volumes of the pod.
        init_containers: What runs before the server, in this order.
        containers: What runs beside it.
        proxy_port: Port of one of `containers` through which all requests come. That container names the port `http`; the
            Service and the probes go there, so it must let `<prefix>/health` pass without credentials; and the server
            itself listens on the pod's loopback only, on `server.port`, without TLS.
        network: What the containers must be able to reach, besides the stores.
    """

    arguments: Sequence[str] = ()
    environment: Sequence[k8s.core.v1.EnvVarArgs] = ()
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()
    volumes: Sequence[k8s.core.v1.VolumeArgs] = ()
    init_containers: Sequence[k8s.core.v1.ContainerArgs] = ()
    containers: Sequence[k8s.core.v1.ContainerArgs] = ()
    proxy_port: int | None = None
    network: Sequence[NetworkDestination] = ()


def entrance(scope: Scope, additions: Iterable[Additions]) -> int:
    """Port at which requests enter a pod: the proxy's, or the server's own."""
    ports = (part.proxy_port for part in additions if part.proxy_port is not None)
    return next(ports, scope.args.server.port)


def image_reference(image: ImageArgs) -> pulumi.Output[str]:
    """`repository:tag` or `repository:tag@digest`."""
    return pulumi.Output.all(image.repository, image.tag, image.digest).apply(
        lambda parts: f"{parts[0]}:{parts[1]}" + (f"@{parts[2]}" if parts[2] else "")
    )


def plain_environment(values: Mapping[str, Input[str]]) -> list[k8s.core.v1.EnvVarArgs]:
    """Environment variables with their values in the pod specification."""
    return [k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def unique(*groups: Iterable[k8s.core.v1.EnvVarArgs]) -> list[k8s.core.v1.EnvVarArgs]:
    """One entry for each name, of the last group that has it: server-side apply refuses two of one name."""
    return list({str(variable.name): variable for group in groups for variable in group}.values())


def secret_environment(
    scope: Scope, resource: str, component: str, values: Mapping[str, SecretValue]
) -> list[k8s.core.v1.EnvVarArgs]:
    """Environment variables that refer to a Secret by name and key.

    Values that are given go into one new Secret. Its name is made by Pulumi and changes with its content, so that pods
    which refer to it are rolled when a value changes.
    """
    given = {name: value for name, value in values.items() if not isinstance(value, SecretKey)}
    made: Input[str] | None = None
    if given:
        secret = k8s.core.v1.Secret(
            resource,
            metadata=scope.metadata(component),
            type="Opaque",
            string_data={name: pulumi.Output.secret(value) for name, value in given.items()},
            immutable=True,
            opts=scope.options(),
        )
        made = secret.metadata.name  # type: ignore[assignment]
    variables = []
    for name, value in values.items():
        if not isinstance(value, SecretKey):
            assert made is not None, "a value that is given is in the Secret"
            value = SecretKey(name=made, key=name)
        variables.append(secret_reference(name, value))
    return variables


def secret_reference(name: str, key: SecretKey) -> k8s.core.v1.EnvVarArgs:
    """An environment variable that refers to a key of a Secret."""
    selector = k8s.core.v1.SecretKeySelectorArgs(name=key.name, key=key.key)
    return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(secret_key_ref=selector))


def scratch_volume(size: str) -> k8s.core.v1.VolumeArgs:
    """The private `/tmp` of a pod."""
    return k8s.core.v1.VolumeArgs(name="tmp", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=size))


def scratch_mount() -> k8s.core.v1.VolumeMountArgs:
    return k8s.core.v1.VolumeMountArgs(name="tmp", mount_path=TMP)


def claim_volumes(volumes: Iterable[Volume]) -> list[k8s.core.v1.VolumeArgs]:
    return [
        k8s.core.v1.VolumeArgs(
            name=volume.name,
            persistent_volume_claim=k8s.core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=volume.claim_name),
        )
        for volume in volumes
    ]


def claim_mounts(volumes: Sequence[Volume]) -> list[k8s.core.v1.VolumeMountArgs]:
    return [k8s.core.v1.VolumeMountArgs(name=volume.name, mount_path=volume.mount_path) for volume in volumes]


def config_volume(name: str, config_map: k8s.core.v1.ConfigMap) -> k8s.core.v1.VolumeArgs:
    return k8s.core.v1.VolumeArgs(
        name=name,
        config_map=k8s.core.v1.ConfigMapVolumeSourceArgs(name=config_map.metadata.name),  # type: ignore[arg-type]
    )


def config_map(scope: Scope, purpose: str, data: Mapping[str, Input[str]]) -> k8s.core.v1.ConfigMap:
    """A ConfigMap whose name, made by Pulumi, changes with its content."""
    return k8s.core.v1.ConfigMap(
        f"{scope.name}-{purpose}",
        metadata=scope.metadata("server"),
        data=data,
        immutable=True,
        opts=scope.options(),
    )


def secret_volume(name: str, secret: Input[str], items: Mapping[str, str] | None = None) -> k8s.core.v1.VolumeArgs:
    """Files from a Secret, readable by the pod's group only.

    Args:
        name: Name of the volume.
        secret: Name of the Secret.
        items: File names by their keys; all keys under their own names if None.
    """
    paths = [k8s.core.v1.KeyToPathArgs(key=key, path=path) for key, path in (items or {}).items()]
    source = k8s.core.v1.SecretVolumeSourceArgs(secret_name=secret, items=paths or None, default_mode=0o440)
    return k8s.core.v1.VolumeArgs(name=name, secret=source)


HOME: dict[str, Input[str]] = {
    # The root file system is read-only and the user has no home directory.
    "HOME": TMP,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Environment of every container that runs MLflow."""
