"""The tracking server: ServiceAccount and Deployment."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input
from ..contracts import ArtifactStore, SecretValue
from .access import allowed_hosts
from .backend_store import BackendStore
from .migration import migration_container, migration_script, migration_volume
from .objects import (
    CONTAINER_SECURITY,
    HOME,
    Scope,
    claim_mounts,
    claim_volumes,
    image_reference,
    plain_environment,
    scratch_mount,
    scratch_volume,
    secret_environment,
)

_PORT_NAME = "http"


def service_account(scope: Scope) -> k8s.core.v1.ServiceAccount:
    """The account that cloud trust policies name; it needs nothing of the Kubernetes API."""
    return k8s.core.v1.ServiceAccount(
        f"{scope.name}-service-account",
        metadata=scope.metadata(
            "server", scope.name, annotations=dict(scope.identity.service_account_annotations) or None
        ),
        automount_service_account_token=False,
        opts=scope.options(),
    )


def deployment(
    scope: Scope,
    store: BackendStore,
    artifacts: ArtifactStore,
    secrets: Mapping[str, SecretValue],
    after: list[pulumi.Resource],
) -> k8s.apps.v1.Deployment:
    """The server pods.

    Args:
        scope: What the parts have in common.
        store: Connection to the backend store.
        artifacts: Artifact store.
        secrets: Secret variables of the server itself.
        after: What must have happened before any pod of this version starts.
    """
    args = scope.args
    server = args.server
    volumes = [*store.volumes, *artifacts.volumes]
    # A volume of one node or a SQLite file must not be held by an old and a new pod at once.
    exclusive = store.in_pod or any(not volume.shared for volume in volumes)
    pod_volumes = [scratch_volume(args.pod.tmp_size), *store.pod_volumes, *claim_volumes(volumes)]
    init_containers: list[k8s.core.v1.ContainerArgs] = []
    if store.in_pod:
        container = migration_container(scope, store)
        container.volume_mounts = [*container.volume_mounts, *claim_mounts(store.volumes)]  # type: ignore[misc]
        init_containers.append(container)
        pod_volumes.append(migration_volume(migration_script(scope)))
    strategy = k8s.apps.v1.DeploymentStrategyArgs(type="Recreate")
    if not exclusive:
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
                    termination_grace_period_seconds=server.drain_seconds + server.shutdown_grace_seconds,
                    init_containers=init_containers or None,
                    containers=[_container(scope, store, artifacts, secrets, drain=not exclusive)],
                    volumes=pod_volumes,
                ),
            ),
        ),
        opts=scope.options(depends_on=after, custom_timeouts=pulumi.CustomTimeouts(create=timeout, update=timeout)),
    )


def _container(
    scope: Scope, store: BackendStore, artifacts: ArtifactStore, secrets: Mapping[str, SecretValue], *, drain: bool
) -> k8s.core.v1.ContainerArgs:
    args = scope.args
    server, pod = args.server, args.pod
    health = k8s.core.v1.HTTPGetActionArgs(path=f"{server.static_prefix}/health", port=_PORT_NAME)
    own = {name: pulumi.Output.secret(value) for name, value in (server.secret_env or {}).items()}
    secret_values = {**secrets, **artifacts.secret_environment, **own}
    # One entry for each name: server-side apply refuses two.
    plain = {name: value for name, value in _environment(scope, artifacts).items() if name not in secret_values}
    return k8s.core.v1.ContainerArgs(
        name="mlflow",
        image=image_reference(args.image),
        image_pull_policy=args.image.pull_policy.value,
        command=["mlflow", "server"],
        args=_arguments(scope),
        working_dir="/tmp",  # noqa: S108 - the only writable place
        env=[
            # First, so that the list of allowed hosts can refer to it.
            k8s.core.v1.EnvVarArgs(
                name="POD_IP",
                value_from=k8s.core.v1.EnvVarSourceArgs(
                    field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path="status.podIP")
                ),
            ),
            *plain_environment(plain),
            *store.environment_of("mlflow-server"),
            *secret_environment(scope, f"{scope.name}-server", "server", secret_values),
        ],
        ports=[k8s.core.v1.ContainerPortArgs(name=_PORT_NAME, container_port=server.port)],
        volume_mounts=[scratch_mount(), *store.mounts, *claim_mounts([*store.volumes, *artifacts.volumes])],
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
        # Endpoints are withdrawn while the pod still serves; only then does the server get its signal. Pointless where the
        # next pod starts after this one has ended.
        lifecycle=k8s.core.v1.LifecycleArgs(
            pre_stop=k8s.core.v1.LifecycleHandlerArgs(sleep=k8s.core.v1.SleepActionArgs(seconds=server.drain_seconds))
        )
        if drain and server.drain_seconds
        else None,
        termination_message_policy="FallbackToLogsOnError",
    )


def _arguments(scope: Scope) -> list[str]:
    server = scope.args.server
    line = ["--host=0.0.0.0", f"--port={server.port}", f"--workers={server.workers}"]
    if server.static_prefix:
        line.append(f"--static-prefix={server.static_prefix}")
    for option, value in server.options.items():
        if value is not False:
            line.append(f"--{option}" if value is True else f"--{option}={value}")
    return line


def _environment(scope: Scope, artifacts: ArtifactStore) -> dict[str, Input[str]]:
    server = scope.args.server
    presigned = "true" if artifacts.presigned else "false"
    environment: dict[str, Input[str]] = {
        **HOME,
        "MLFLOW_SERVER_ALLOWED_HOSTS": allowed_hosts(scope),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if server.job_execution else "false",
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": presigned,
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": presigned,
        **artifacts.environment,
    }
    if server.cors_allowed_origins:
        origins = pulumi.Output.all(*server.cors_allowed_origins)
        environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] = origins.apply(",".join)
    if scope.args.artifacts.proxied:
        environment["MLFLOW_ARTIFACTS_DESTINATION"] = artifacts.destination
    else:
        environment["MLFLOW_SERVE_ARTIFACTS"] = "false"
        environment["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = artifacts.destination
    return {**environment, **server.env}
