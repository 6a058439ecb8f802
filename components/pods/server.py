"""The tracking server's Deployment."""

import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, ProbeArgs
from ..cluster.access import allowed_hosts, allowed_origins
from ..cluster.scaling import spread
from ..contracts import SecretValue
from . import tls
from .migration import migration_container, migration_script, migration_volume
from .objects import (
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
    user_containers,
)
from .stores import Stores
from .tls import tls_mount, tls_volume

PORT_NAME = "http"
"""Name of the port at which requests enter a pod, whichever container listens there."""


def deployment(
    scope: Scope,
    stores: Stores,
    keys: Mapping[str, SecretValue],
    after: Sequence[pulumi.Resource],
    additions: Sequence[Additions] = (),
    users: Additions | None = None,
) -> k8s.apps.v1.Deployment:
    """The server pods.

    Args:
        scope: What the parts have in common.
        stores: The database and the artifacts.
        keys: Secret variables that the replicas share.
        after: What must have happened before any pod of this version starts.
        additions: What other parts add to the pods; at most one of them brings a proxy.
        users: What a migration in these pods needs to reach the database of users, where users log in.
    """
    args = scope.args
    server = args.server
    pod_volumes = [scratch_volume(args.pod.tmp_size), *stores.pod_volumes]
    init_containers = [*stores.init_containers, *chain.from_iterable(part.init_containers for part in additions)]
    if stores.backend.in_pod:
        container = migration_container(scope, stores.backend, users)
        container.volume_mounts = [*container.volume_mounts, *claim_mounts(stores.backend.volumes)]  # type: ignore[misc]
        init_containers.append(container)
        pod_volumes.append(migration_volume(migration_script(scope)))
    strategy = k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    if not stores.exclusive:
        strategy = k8s.apps.v1.DeploymentStrategyArgs(
            type="RollingUpdate",
            rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(
                max_surge=server.max_surge, max_unavailable=server.max_unavailable
            ),
        )
    # The deadline is for one step of a rollout, of which there is one for each replica.
    timeout = f"{server.progress_deadline_seconds + 5 + 30 * max(0, args.most_replicas - 1)}s"
    return k8s.apps.v1.Deployment(
        f"{scope.name}-server",
        metadata=_deployment_metadata(scope),
        spec=k8s.apps.v1.DeploymentSpecArgs(
            # Left out, it is the autoscaler's: each `up` would take it back otherwise.
            replicas=server.replicas if args.autoscaling is None else None,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
            strategy=strategy,
            progress_deadline_seconds=server.progress_deadline_seconds,
            revision_history_limit=server.revision_history_limit,
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=scope.pod_metadata("server"),
                spec=scope.pod_spec(
                    token=bool(args.rbac.rules or args.rbac.cluster_rules),
                    termination_grace_period_seconds=server.drain_seconds + server.shutdown_grace_seconds,
                    init_containers=[
                        *init_containers,
                        *user_containers(args.pod.part("init_containers")),
                    ]
                    or None,
                    containers=[
                        _container(scope, stores, keys, additions),
                        *chain.from_iterable(part.containers for part in additions),
                        *user_containers(args.pod.part("containers")),
                    ],
                    volumes=[
                        *pod_volumes,
                        *([] if proxy_port(additions) else tls_volume(scope)),
                        *chain.from_iterable(part.volumes for part in additions),
                        *args.pod.part("volumes"),
                    ],
                    topology_spread_constraints=spread(scope),
                ),
            ),
        ),
        opts=scope.options(depends_on=after, custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout)),
    )


def _deployment_metadata(scope: Scope) -> k8s.meta.v1.ObjectMetaArgs:
    args = scope.args
    metadata = scope.metadata("server", args.names.deployment, annotations=args.pod.deployment_annotations or None)
    metadata.labels = {**args.pod.deployment_labels, **scope.labels("server")}
    return metadata


def proxy_port(additions: Sequence[Additions]) -> int | None:
    """Port of the proxy in front of the server, if there is one."""
    return next((part.proxy_port for part in additions if part.proxy_port is not None), None)


def _container(
    scope: Scope, stores: Stores, keys: Mapping[str, SecretValue], additions: Sequence[Additions]
) -> k8s.core.v1.ContainerArgs:
    args = scope.args
    server, pod = args.server, args.pod
    proxy = proxy_port(additions)
    port = entrance(scope, additions)
    health = k8s.core.v1.HTTPGetActionArgs(
        path=f"{server.static_prefix}/health",
        # By number: the kubelet looks a name up among the ports of this container only.
        port=port,
        scheme=None if server.tls is None else "HTTPS",
    )
    ports = [k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=server.port)]
    return k8s.core.v1.ContainerArgs(
        name="mlflow",
        image=image_reference(args.image),
        image_pull_policy=args.image.pull_policy.value,
        command=["mlflow", "server"],
        args=[
            *_arguments(scope, behind_proxy=proxy is not None),
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
        env_from=list(scope.environment_from) or None,
        ports=ports if proxy is None else None,
        volume_mounts=[
            scratch_mount(),
            *stores.mounts,
            *([] if proxy else tls_mount(scope)),
            *chain.from_iterable(part.mounts for part in additions),
            *pod.part("mounts"),
        ],
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
        security_context=scope.container_security(),
        # Tight while starting, so that a pod serves within a second of being able to; patient afterwards, since a busy
        # server is not a dead one.
        startup_probe=k8s.core.v1.ProbeArgs(
            http_get=health, period_seconds=1, timeout_seconds=5, failure_threshold=server.startup_timeout_seconds
        ),
        readiness_probe=_probe(health, pod.probes.readiness, period=5, timeout=5, failures=3),
        liveness_probe=_probe(health, pod.probes.liveness, period=20, timeout=10, failures=6),
        lifecycle=None if stores.exclusive else drain(scope),
        termination_message_policy="FallbackToLogsOnError",
    )


def _probe(
    health: k8s.core.v1.HTTPGetActionArgs, given: ProbeArgs, *, period: int, timeout: int, failures: int
) -> k8s.core.v1.ProbeArgs:
    return k8s.core.v1.ProbeArgs(
        http_get=health,
        period_seconds=given.period_seconds or period,
        timeout_seconds=given.timeout_seconds or timeout,
        failure_threshold=given.failure_threshold or failures,
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
    uvicorn: dict[str, Any] = {}
    if server.log_level is not None:
        uvicorn["log-level"] = server.log_level.value.lower()
    if server.tls is not None and not behind_proxy:
        uvicorn |= {"ssl-certfile": f"{tls.DIRECTORY}/tls.crt", "ssl-keyfile": f"{tls.DIRECTORY}/tls.key"}
    if options := _options({**uvicorn, **server.uvicorn}):
        # MLflow takes them apart as a shell does.
        line.append(f"--uvicorn-opts={shlex.join(options)}")
    return [*line, *_options(server.options)]


def _options(options: Mapping[str, Any]) -> list[str]:
    given = {option: value for option, value in options.items() if value is not False}
    return [f"--{option}" if value is True else f"--{option}={value}" for option, value in given.items()]


def _environment(scope: Scope, port: int) -> dict[str, Input[str]]:
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": allowed_hosts(scope, port),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": allowed_origins(scope),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if scope.args.server.job_execution else "false",
    }
