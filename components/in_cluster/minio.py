"""MinIO in the cluster: one pod on one claim, and a bucket."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import MinioArgs
from ..contracts import ArtifactStore, Files, NetworkDestination, SecretKey
from ..existing.artifacts import compatible
from ..in_image import Program
from ..pods.files import file_mount, file_volume
from ..pods.objects import (
    CONTAINER_SECURITY,
    HOME,
    TMP,
    Scope,
    claim_mounts,
    claim_volumes,
    image_reference,
    plain_environment,
    scratch_mount,
    scratch_volume,
    secret_environment,
)
from .claims import claim

_COMPONENT = "minio"
_USER = "mlflow"
_PORT = 9000
_SCRIPT = Program("make_bucket.py")


def minio(scope: Scope, args: MinioArgs) -> ArtifactStore:
    """The server, its Service, and a Job that makes the bucket."""
    name = f"{scope.name}-minio"
    service = k8s.core.v1.Service(
        name,
        # The provider would watch the endpoints for ten more seconds after the pod is ready.
        metadata=scope.metadata(_COMPONENT, name, annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.ServiceSpecArgs(
            selector=_selector(scope),
            ports=[k8s.core.v1.ServicePortArgs(name="http", port=_PORT, target_port="http")],
        ),
        opts=scope.options(),
    )
    password = args.password
    if password is None:
        # After a first object in the cluster: an `up` that cannot reach it leaves nothing in the state.
        password = random.RandomPassword(
            f"{scope.name}-minio-password", length=40, special=False, opts=scope.options(depends_on=[service])
        ).result
    made = k8s.core.v1.Secret(
        f"{scope.name}-minio-root",
        metadata=scope.metadata(_COMPONENT),
        type="Opaque",
        string_data={"password": pulumi.Output.secret(password)},
        immutable=True,
        opts=scope.options(),
    )
    key = SecretKey(name=made.metadata.name, key="password")  # type: ignore[arg-type]
    server = _server(scope, args, name, key)
    host = service.metadata.name.apply(lambda _: f"{name}.{scope.args.namespace}.svc")  # type: ignore[union-attr]
    access = {**compatible(pulumi.Output.concat("http://", host, f":{_PORT}")), "AWS_ACCESS_KEY_ID": _USER}
    access["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = "path"
    secret = {"AWS_SECRET_ACCESS_KEY": key}
    environment = [
        *plain_environment({**HOME, **access}),
        *secret_environment(scope, f"{scope.name}-minio-bucket", _COMPONENT, secret),
    ]
    return ArtifactStore(
        destination=f"s3://{args.bucket}",
        environment=access,
        secret_environment=secret,
        network=NetworkDestination(host=host, port=_PORT, component=_COMPONENT),
        # Its address is the cluster's own.
        presigned=False,
        ready=[_bucket(scope, args, environment, server)],
    )


def _selector(scope: Scope) -> dict[str, str]:
    return {**scope.selector(), "app.kubernetes.io/component": _COMPONENT}


def _server(scope: Scope, args: MinioArgs, service: str, key: SecretKey) -> k8s.apps.v1.StatefulSet:
    volume = claim(scope, "minio", args.volume, "/data")
    settings = {"HOME": TMP, "MINIO_ROOT_USER": _USER, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    live = k8s.core.v1.HTTPGetActionArgs(path="/minio/health/live", port="http")
    ready = k8s.core.v1.HTTPGetActionArgs(path="/minio/health/ready", port="http")
    container = k8s.core.v1.ContainerArgs(
        name="minio",
        image=args.image,
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["minio", "server", "/data", f"--address=:{_PORT}"],
        env=[
            *plain_environment(settings),
            *secret_environment(scope, f"{scope.name}-minio-server", _COMPONENT, {"MINIO_ROOT_PASSWORD": key}),
        ],
        ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=_PORT)],
        volume_mounts=[scratch_mount(), *claim_mounts([volume])],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": args.cpu_request, "memory": args.memory_request, "ephemeral-storage": "64Mi"},
            limits={"memory": args.memory_limit},
        ),
        security_context=CONTAINER_SECURITY,
        startup_probe=k8s.core.v1.ProbeArgs(http_get=ready, period_seconds=1, timeout_seconds=5, failure_threshold=300),
        readiness_probe=k8s.core.v1.ProbeArgs(http_get=ready, period_seconds=5, timeout_seconds=5, failure_threshold=3),
        liveness_probe=k8s.core.v1.ProbeArgs(http_get=live, period_seconds=20, timeout_seconds=10, failure_threshold=6),
        termination_message_policy="FallbackToLogsOnError",
    )
    return k8s.apps.v1.StatefulSet(
        f"{scope.name}-minio",
        metadata=scope.metadata(_COMPONENT),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=1,
            service_name=service,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=_selector(scope)),
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=scope.pod_metadata(_COMPONENT),
                spec=scope.pod_spec(
                    containers=[container],
                    volumes=[scratch_volume("64Mi"), *claim_volumes([volume])],
                ),
            ),
        ),
        opts=scope.options(),
    )


def _bucket(
    scope: Scope, args: MinioArgs, environment: list[k8s.core.v1.EnvVarArgs], server: pulumi.Resource
) -> k8s.batch.v1.Job:
    """A Job, because MinIO's image need not hold its client; MLflow's holds one."""
    script = Files(
        name="minio-bucket",
        directory="/etc/mlflow/minio",
        plain={_SCRIPT.name: _SCRIPT.source},
    )
    container = k8s.core.v1.ContainerArgs(
        name="bucket",
        image=image_reference(scope.args.image),
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["python", f"{script.directory}/{_SCRIPT.name}", args.bucket],
        env=environment,
        volume_mounts=[scratch_mount(), file_mount(script)],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "50m", "memory": "96Mi", "ephemeral-storage": "16Mi"}, limits={"memory": "512Mi"}
        ),
        security_context=CONTAINER_SECURITY,
        termination_message_policy="FallbackToLogsOnError",
    )
    return k8s.batch.v1.Job(
        f"{scope.name}-minio-bucket",
        metadata=scope.metadata("minio-bucket", annotations={"pulumi.com/replaceUnready": "true"}),
        spec=k8s.batch.v1.JobSpecArgs(
            backoff_limit=2,
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=scope.pod_metadata("minio-bucket"),
                spec=scope.pod_spec(
                    restart_policy="Never",
                    containers=[container],
                    volumes=[scratch_volume("16Mi"), file_volume(scope, _COMPONENT, script)],
                ),
            ),
        ),
        opts=scope.options(depends_on=[server]),
    )
