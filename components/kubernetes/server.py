"""The tracking server's Deployment."""

from collections.abc import Mapping, Sequence
from itertools import chain

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input
from ..contracts import SecretValue
from .access import allowed_hosts, allowed_origins
from .migration import migration_container, migration_script, migration_volume
from .objects import (
    CONTAINER_SECURITY,
    TMP,
    Additions,
    Scope,
    claim_mounts,
    entrance,
    image_reference,
    plain_environment,
    scratch_mount,
    scratch_volume,
    secret_environment,
    unique,
)
from .stores import Stores

PORT_NAME = "http"
"""Name of the port at which requests enter a pod, whichever container listens there."""


def deployment(
    scope: Scope,
    stores: Stores,
    keys: Mapping[str, SecretValue],
    after: Sequence[pulumi.Resource],
    additions: Sequence[Additions] = (),
) -> k8s.apps.v1.Deployment:
    """The server pods.

    Args:
        scope: What the parts have in common.
        stores: The database and the artifacts.
        keys: Secret variables that the replicas share.
        after: What must have happened before any pod of this version starts.
        additions: What other parts add to the pods; at most one of them brings a proxy.
    """
    args = scope.args
    server = args.server
    pod_volumes = [scratch_volume(args.pod.tmp_size), *stores.pod_volumes]
    init_containers = [*stores.init_containers]
    if stores.backend.in_pod:
        container = migration_container(scope, stores.backend)
        container.volume_mounts = [*container.volume_mounts, *claim_mounts(stores.backend.volumes)]  # type: ignore[misc]
        init_containers.append(container)
        pod_volumes.append(migration_volume(migration_script(scope)))
    strategy = k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    if not stores.exclusive:
        strategy = k8s.apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
        )
    # The deadline is for one step of a rollout, of which there is one for each replica.
    timeout = f"{server.progress_deadline_seconds + 5 + 30 * max(0, server.replicas - 1)}s"
    return k8s.apps.v1.Deployment(
        f"{scope.name}-server",
        metadata=scope.metadata("server"),
        spec=k8s.apps.v1.DeploymentSpecArgs(
            replicas=server.replicas,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
            strategy=strategy,
            progress_deadline_seconds=server.progress_deadline_seconds,
            revision_history_limit=3,
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=scope.pod_metadata("server"),
                spec=scope.pod_spec(
                    token=bool(args.rbac.rules or args.rbac.cluster_rules),
                    termination_grace_period_seconds=server.drain_seconds + server.shutdown_grace_seconds,
                    init_containers=[*init_containers, *chain.from_iterable(part.init_containers for part in additions)]
                    or None,
                    containers=[
                        _container(scope, stores, keys, additions),
                        *chain.from_iterable(part.containers for part in additions),
                    ],
                    volumes=[*pod_volumes, *chain.from_iterable(part.volumes for part in additions)],
                ),
            ),
        ),
        opts=scope.options(depends_on=after, custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout)),
    )


def _container(
    scope: Scope, stores: Stores, keys: Mapping[str, SecretValue], additions: Sequence[Additions]
) -> k8s.core.v1.ContainerArgs:
    args = scope.args
    server, pod = args.server, args.pod
    proxy_port = next((part.proxy_port for part in additions if part.proxy_port is not None), None)
    port = entrance(scope, additions)
    # By number: the kubelet looks a name up among the ports of this container only.
    health = k8s.core.v1.HTTPGetActionArgs(path=f"{server.static_prefix}/health", port=port)
    ports = [k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=server.port)]
    return k8s.core.v1.ContainerArgs(
        name="mlflow",
        image=image_reference(args.image),
        image_pull_policy=args.image.pull_policy.value,
        command=["mlflow", "server"],
        args=[
            *_arguments(scope, behind_proxy=proxy_port is not None),
            *chain.from_iterable(part.arguments for part in additions),
        ],
        working_dir=TMP,
        env=unique(
            # First, so that the list of allowed hosts can refer to it.
            [_pod_ip()],
            stores.environment_of("mlflow-server"),
            plain_environment(_environment(scope, port)),
            secret_environment(scope, f"{scope.name}-server", "server", keys),
            chain.from_iterable(part.environment for part in additions),
            scope.environment,
        ),
        ports=ports if proxy_port is None else None,
        volume_mounts=[scratch_mount(), *stores.mounts, *chain.from_iterable(part.mounts for part in additions)],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={
                "cpu": pod.resources.cpu_request,
                "memory": pod.resources.memory_request,
                "ephemeral-storage": "256Mi",
            },
            limits={
                "memory": pod.resources.memory_limit,
                **({"cpu": pod.resources.cpu_limit} if pod.resources.cpu_limit else {}),
            },
        ),
        security_context=CONTAINER_SECURITY,
        # Tight while starting, so that a pod serves within a second of being able to; patient afterwards, since a busy
        # server is not a dead one.
        startup_probe=k8s.core.v1.ProbeArgs(
            http_get=health, period_seconds=1, timeout_seconds=5, failure_threshold=server.startup_timeout_seconds
        ),
        readiness_probe=k8s.core.v1.ProbeArgs(
            http_get=health, period_seconds=5, timeout_seconds=5, failure_threshold=3
        ),
        liveness_probe=k8s.core.v1.ProbeArgs(
            http_get=health, period_seconds=20, timeout_seconds=10, failure_threshold=6
        ),
        lifecycle=None if stores.exclusive else drain(scope),
        termination_message_policy="FallbackToLogsOnError",
    )


def drain(scope: Scope) -> k8s.core.v1.LifecycleArgs | None:
    """Endpoints are withdrawn while the pod still serves; only then does a container get its signal.

    Also for a proxy in front of the server. Pointless where the next pod starts after this one has ended.
    """
    seconds = scope.args.server.drain_seconds
    if not seconds:
        return None
    sleep = k8s.core.v1.SleepActionArgs(seconds=seconds)
    return k8s.core.v1.LifecycleArgs(pre_stop=k8s.core.v1.LifecycleHandlerArgs(sleep=sleep))


def _pod_ip() -> k8s.core.v1.EnvVarArgs:
    field = k8s.core.v1.ObjectFieldSelectorArgs(field_path="status.podIP")
    return k8s.core.v1.EnvVarArgs(name="POD_IP", value_from=k8s.core.v1.EnvVarSourceArgs(field_ref=field))


def _arguments(scope: Scope, *, behind_proxy: bool) -> list[str]:
    server = scope.args.server
    host = "127.0.0.1" if behind_proxy else "0.0.0.0"  # noqa: S104 - what must not reach it is for network policies
    line = [f"--host={host}", f"--port={server.port}", f"--workers={server.workers}"]
    if server.static_prefix:
        line.append(f"--static-prefix={server.static_prefix}")
    for option, value in server.options.items():
        if value is not False:
            line.append(f"--{option}" if value is True else f"--{option}={value}")
    return line


def _environment(scope: Scope, port: int) -> dict[str, Input[str]]:
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": allowed_hosts(scope, port),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": allowed_origins(scope),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if scope.args.server.job_execution else "false",
    }
