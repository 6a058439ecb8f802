"""MinIO in the cluster: one pod with one claim, and a bucket."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import MinioArgs
from ..contracts import ArtifactStore, Files, NetworkDestination, SecretKey, SecretValue, Storage, StorageKind
from ..existing.artifacts import compatible
from ..in_image import Program
from ..pods.containers import container, mlflow_container
from ..pods.environment import plain_environment, secret_environment
from ..pods.jobs import job
from ..pods.part import PodPart, join
from ..pods.scope import Scope
from ..pods.volumes import TMP, claims, files, secret
from .claims import claim
from .stores import store

_COMPONENT = "minio"
_USER = "mlflow"
_PORT = 9000
_PROGRAM = Program("make_bucket.py")


def minio(scope: Scope, args: MinioArgs) -> ArtifactStore:
    """The server, its Service, and a Job that creates the bucket."""
    name = f"{scope.name}-minio"
    service = k8s.core.v1.Service(
        name,
        # The provider would watch the endpoints for another ten seconds after the pod is ready.
        metadata=scope.metadata(_COMPONENT, name, annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.ServiceSpecArgs(
            selector=scope.selector(_COMPONENT),
            ports=[k8s.core.v1.ServicePortArgs(name="http", port=_PORT, target_port="http")],
        ),
        opts=scope.options(),
    )
    password = args.password
    if password is None:
        # After a first object in the cluster, so that an `up` that cannot reach it leaves nothing in the state.
        password = random.RandomPassword(
            f"{scope.name}-minio-password", length=40, special=False, opts=scope.options(depends_on=[service])
        ).result
    key = SecretKey(name=secret(scope, "minio-root", _COMPONENT, {"password": password}), key="password")
    server = _server(scope, args, name, key)
    host = service.metadata.name.apply(lambda _: f"{name}.{scope.args.namespace}.svc")  # type: ignore[union-attr]
    url = pulumi.Output.concat("http://", host, f":{_PORT}")
    access = {**compatible(url), "AWS_ACCESS_KEY_ID": _USER}
    access["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = "path"
    login: dict[str, SecretValue] = {"AWS_SECRET_ACCESS_KEY": key}
    reach = PodPart(
        environment=[
            *plain_environment(access),
            *secret_environment(scope, "minio-bucket", _COMPONENT, login),
        ]
    )
    return ArtifactStore(
        destination=f"s3://{args.bucket}",
        environment=access,
        secret_environment=login,
        network=NetworkDestination(host=host, port=_PORT, component=_COMPONENT),
        # Its address is internal to the cluster.
        presigned=False,
        storage=Storage(
            kind=StorageKind.S3,
            bucket=args.bucket,
            endpoint=url,
            path_style=True,
            environment={"AWS_ACCESS_KEY_ID": _USER},
            secret_environment=login,
        ),
        ready=[_bucket(scope, args, reach, server)],
    )


def _server(scope: Scope, args: MinioArgs, service: str, key: SecretKey) -> k8s.apps.v1.StatefulSet:
    data = claims([claim(scope, "minio", args.volume, "/data")])
    settings = {"HOME": TMP, "MINIO_ROOT_USER": _USER, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
    password = secret_environment(scope, "minio-server", _COMPONENT, {"MINIO_ROOT_PASSWORD": key})
    part = join(PodPart(environment=[*plain_environment(settings), *password]), data)
    live = k8s.core.v1.HTTPGetActionArgs(path="/minio/health/live", port="http")
    ready = k8s.core.v1.HTTPGetActionArgs(path="/minio/health/ready", port="http")
    made = container(
        scope,
        "minio",
        part,
        args,
        image=args.image,
        command=["minio", "server", "/data", f"--address=:{_PORT}"],
        disk="64Mi",
        ports=[k8s.core.v1.ContainerPortArgs(name="http", container_port=_PORT)],
        startup_probe=k8s.core.v1.ProbeArgs(http_get=ready, period_seconds=1, timeout_seconds=5, failure_threshold=300),
        readiness_probe=k8s.core.v1.ProbeArgs(http_get=ready, period_seconds=5, timeout_seconds=5, failure_threshold=3),
        liveness_probe=k8s.core.v1.ProbeArgs(http_get=live, period_seconds=20, timeout_seconds=10, failure_threshold=6),
    )
    return store(scope, _COMPONENT, part, made, service=service, scratch="64Mi")


def _bucket(scope: Scope, args: MinioArgs, reach: PodPart, server: pulumi.Resource) -> k8s.batch.v1.Job:
    """A Job with MLflow's image, which contains an S3 client; MinIO's may not."""
    component = "minio-bucket"
    program = Files(name=component, directory="/etc/mlflow/minio", plain={_PROGRAM.name: _PROGRAM.source})
    part = join(reach, files(scope, _COMPONENT, program))
    made = mlflow_container(
        scope,
        "bucket",
        part,
        scope.args.resources.minio_bucket,
        command=["python", f"{program.directory}/{_PROGRAM.name}", args.bucket],
    )
    limit = scope.args.server.progress_deadline_seconds
    return job(scope, component, part, made, scratch="16Mi", after=[server], timeout_seconds=limit, retries=2)
