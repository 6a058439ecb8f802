"""The stores as any pod of the deployment reaches them: the server, and jobs that run MLflow's own commands."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ..contracts import ArtifactStore, Files, SecretKey
from ..in_image import Program
from .backend_store import BackendStore
from .files import file_mount, file_volume
from .objects import HOME, Scope, claim_mounts, claim_volumes, plain_environment, secret_environment, unique


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What a pod needs to run MLflow on the database and the artifacts of a deployment.

    Attributes:
        scope: What the parts have in common.
        backend: Connection to the backend store.
        artifacts: Environment of the artifact store, secret values by reference.
        pod_volumes, mounts: Certificates, key files and claims of both; what is mounted must be in the pod's volumes.
        init_containers: What must have run in the pod before.
        exclusive: Whether only one pod at a time may hold the volumes, or the database in them.
    """

    scope: Scope
    backend: BackendStore
    artifacts: Sequence[k8s.core.v1.EnvVarArgs]
    pod_volumes: Sequence[k8s.core.v1.VolumeArgs]
    mounts: Sequence[k8s.core.v1.VolumeMountArgs]
    init_containers: Sequence[k8s.core.v1.ContainerArgs]
    exclusive: bool

    def environment_of(self, application: str) -> list[k8s.core.v1.EnvVarArgs]:
        """The whole environment of a container that runs MLflow, the user's own variables with it.

        Args:
            application: Name under which a database server lists the connections, `mlflow-…`. Only servers may be called
                `mlflow-server`: a migration waits for these.
        """
        return unique(
            plain_environment(HOME), self.artifacts, self.backend.environment_of(application), self.scope.environment
        )


def stores(scope: Scope, backend: BackendStore, artifacts: ArtifactStore) -> Stores:
    """Join the two; makes a Secret for the credentials of the artifact store where there are any."""
    claims = [*backend.volumes, *artifacts.volumes]
    files = [*artifacts.files, *([PROXIED_STORES] if artifacts.presigned is False else [])]
    plain, secret = dict(artifacts.environment), dict(artifacts.secret_environment)
    if artifacts.presigned is False:
        plain["PYTHONPATH"] = PROXIED_STORES.directory
    args = scope.args.artifacts
    variable = "MLFLOW_ARTIFACTS_DESTINATION" if args.proxied else "MLFLOW_DEFAULT_ARTIFACT_ROOT"
    if isinstance(artifacts.destination, SecretKey):
        secret[variable] = artifacts.destination
    elif artifacts.confidential:
        secret[variable] = pulumi.Output.secret(artifacts.destination)
    else:
        plain[variable] = artifacts.destination
    if not args.proxied:
        plain["MLFLOW_SERVE_ARTIFACTS"] = "false"
    if scope.args.server.artifacts_only:
        plain["MLFLOW_ARTIFACTS_ONLY"] = "true"
    if args.default_root is not None:
        secret.pop("MLFLOW_DEFAULT_ARTIFACT_ROOT", None)
        plain["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = args.default_root
    return Stores(
        scope=scope,
        backend=backend,
        # Secrets first, since Kubernetes expands references to earlier variables only.
        artifacts=[
            *secret_environment(scope, f"{scope.name}-artifacts", "artifacts", secret),
            *plain_environment(plain),
        ],
        pod_volumes=[
            *backend.pod_volumes,
            *claim_volumes(claims),
            *(file_volume(scope, "artifacts", each) for each in files),
        ],
        mounts=[*backend.mounts, *claim_mounts(claims), *map(file_mount, files)],
        init_containers=backend.init_containers,
        exclusive=backend.in_pod or any(not volume.shared for volume in claims),
    )


def _plugin(script: Program) -> Files:
    """A module with its entry points, as an installed package has them."""
    module = script.module
    points = {"s3": "S3", "gs": "Gcs", "wasbs": "AzureBlob"}
    lines = ["[mlflow.artifact_repository]", *(f"{scheme} = {module}:{kind}" for scheme, kind in points.items()), ""]
    return Files(
        name="proxied-stores",
        directory="/etc/mlflow/plugins",
        plain={
            script.name: script.source,
            f"{module}-1.dist-info/entry_points.txt": "\n".join(lines),
            f"{module}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n",
        },
    )


PROXIED_STORES = _plugin(Program("proxied_stores.py"))
"""What keeps MLflow from handing out presigned URLs."""
