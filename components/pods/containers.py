"""The one place that builds containers, and the pod template around them."""

from collections.abc import Sequence
from typing import Any, Protocol

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import ImageArgs, Input, TmpVolumeArgs
from ..arguments.checks import amount
from ..arguments.manifests import Manifest
from .environment import plain_environment, unique
from .part import PodPart
from .scope import Scope, merged
from .volumes import TMP, scratch_mount, scratch_volume

SECURITY: Any = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""What Pod Security `restricted` requires of each container, and a read-only root filesystem."""

_HOME: dict[str, Input[str]] = {
    # The root filesystem is read-only, and the user has no home directory.
    "HOME": TMP,
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


class Resources(Protocol):
    """Requests and limits of a container: `ResourcesArgs`, or another block that has the same fields."""

    @property
    def cpu_request(self) -> str: ...
    @property
    def cpu_limit(self) -> str | None: ...
    @property
    def memory_request(self) -> str: ...
    @property
    def memory_limit(self) -> str: ...


def container(
    scope: Scope,
    name: str,
    part: PodPart,
    resources: Resources,
    *,
    image: Input[str],
    command: Sequence[str] | None = None,
    arguments: Sequence[Input[str]] = (),
    disk: str = "16Mi",
    writes: str | None = None,
    user: int | None = None,
    **more: Any,
) -> k8s.core.v1.ContainerArgs:
    """A container with a private `/tmp`, a read-only root filesystem and no privileges, unless the user's security context says
    otherwise.

    Args:
        scope: The deployment.
        name: Name of the container.
        part: Its environment and mounts; the rest of the part is for the pod.
        resources: Requests and limits.
        image: Image reference.
        command: Replaces the image's entry point.
        arguments: Arguments of the command.
        disk: Request of ephemeral storage.
        writes: What it may write to a volume on its node's disk, where that is more: a limit that all containers share must leave it
            that.
        user: Numeric user id, where it is not that of the pod. If the arguments let the cluster choose, it chooses this one too.
        **more: Further fields: ports, probes, lifecycle.
    """
    requests = {"cpu": resources.cpu_request, "memory": resources.memory_request, "ephemeral-storage": disk}
    shared = scope.args.resources.all
    limits = {
        "memory": resources.memory_limit,
        "cpu": resources.cpu_limit or _at_least(requests["cpu"], shared.cpu_limit),
        "ephemeral-storage": _at_least(writes or disk, shared.ephemeral_storage_limit),
    }
    own = {} if user is None or scope.args.pod.run_as_user is None else {"runAsUser": user, "runAsGroup": user}
    return k8s.core.v1.ContainerArgs(
        name=name,
        image=image,
        image_pull_policy=scope.args.image.pull_policy.value,
        command=list(command) if command else None,
        args=list(arguments) or None,
        env=list(part.environment),
        env_from=list(part.environment_from) or None,
        volume_mounts=[scratch_mount(), *part.mounts],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests=requests, limits={name: limit for name, limit in limits.items() if limit is not None}
        ),
        security_context=merged({**SECURITY, **own}, scope.args.pod.part("container_security_context")),
        # The last lines of the log tell why it failed; this puts them into the pod's status, where `pulumi up` shows them.
        termination_message_policy="FallbackToLogsOnError",
        **more,
    )


def _at_least(request: str, limit: str | None) -> str | None:
    """A limit that many containers share, for one that may ask for more."""
    return request if limit is not None and (amount(request) or 0) > (amount(limit) or 0) else limit


def mlflow_container(
    scope: Scope,
    name: str,
    part: PodPart,
    resources: Resources,
    *,
    command: Sequence[str],
    user: PodPart | None = None,
    **more: Any,
) -> k8s.core.v1.ContainerArgs:
    """A container that runs the MLflow image.

    Args:
        scope: The deployment.
        name: Name of the container.
        part: What the component needs in it.
        resources: Requests and limits.
        command: Program and first arguments.
        user: The user's additions, if any. Their variables come last, so that they can refer to the component's, and adding
            one moves no other.
        **more: As for `container`.
    """
    user = user or PodPart()
    variables = unique([*plain_environment(_HOME), *part.environment, *_with_python_path(part, user)])
    whole = PodPart(environment=variables, environment_from=user.environment_from, mounts=part.mounts)
    return container(
        scope,
        name,
        whole,
        resources,
        image=image_reference(scope.args.image),
        command=command,
        **more,
    )


def _with_python_path(part: PodPart, user: PodPart) -> list[k8s.core.v1.EnvVarArgs]:
    """The user's variables, with the component's module directories before theirs in PYTHONPATH."""
    if not part.python_path:
        return list(user.environment)
    ours = ":".join(part.python_path)
    others = [variable for variable in user.environment if variable.name != "PYTHONPATH"]
    theirs = [variable for variable in user.environment if variable.name == "PYTHONPATH"]
    if not theirs:
        return [*plain_environment({"PYTHONPATH": ours}), *others]
    # By reference, since it may come from a Secret or a ConfigMap.
    renamed = k8s.core.v1.EnvVarArgs(name="USER_PYTHONPATH", value=theirs[0].value, value_from=theirs[0].value_from)
    return [renamed, *plain_environment({"PYTHONPATH": f"{ours}:$(USER_PYTHONPATH)"}), *others]


def user_containers(given: Sequence[Manifest]) -> list[Any]:
    """The user's containers, in camelCase, with the component's security context unless they override it."""
    return [{**each, "securityContext": merged(SECURITY, each.get("securityContext") or {})} for each in given]


def image_reference(image: ImageArgs) -> pulumi.Output[str]:
    """`repository:tag` or `repository:tag@digest`."""
    return pulumi.Output.all(image.repository, image.tag, image.digest).apply(
        lambda parts: f"{parts[0]}:{parts[1]}" + (f"@{parts[2]}" if parts[2] else "")
    )


def template(
    scope: Scope,
    part: PodPart,
    containers: Sequence[k8s.core.v1.ContainerArgs],
    *,
    metadata: k8s.meta.v1.ObjectMetaArgs,
    scratch: str,
    scratch_claim: TmpVolumeArgs | None = None,
    **more: Any,
) -> k8s.core.v1.PodTemplateSpecArgs:
    """A pod template.

    Args:
        scope: The deployment.
        part: Additions of all concerns: volumes, init containers and sidecars.
        containers: The main container.
        metadata: Labels, by which the pods are selected, and annotations.
        scratch: Size limit of `/tmp`.
        scratch_claim: A volume for it, instead of space on the node.
        **more: Further fields of the pod's specification.
    """
    return k8s.core.v1.PodTemplateSpecArgs(
        metadata=metadata,
        spec=scope.pod_spec(
            init_containers=list(part.init_containers) or None,
            containers=[*containers, *part.containers],
            volumes=[scratch_volume(scratch, scratch_claim), *part.volumes],
            **more,
        ),
    )


def drain(scope: Scope, wait: Sequence[str] = ()) -> k8s.core.v1.LifecycleArgs | None:
    """Keep serving while endpoints are withdrawn; only then do containers get their signal.

    For the server and for a proxy in front of it.

    Args:
        scope: The deployment.
        wait: What waits in the container for as many seconds as its last argument says; empty if the kubelet is to wait.
    """
    seconds = scope.args.server.drain_seconds
    if not seconds:
        return None
    handler = k8s.core.v1.LifecycleHandlerArgs(sleep=k8s.core.v1.SleepActionArgs(seconds=seconds))
    if wait:
        handler = k8s.core.v1.LifecycleHandlerArgs(exec_=k8s.core.v1.ExecActionArgs(command=[*wait, str(seconds)]))
    return k8s.core.v1.LifecycleArgs(pre_stop=handler)
