"""The stores as any pod of the deployment reaches them: the server, and jobs that run MLflow's own commands."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi_kubernetes as k8s

from ..contracts import ArtifactStore
from .backend_store import BackendStore
from .objects import (
    HOME,
    Scope,
    claim_mounts,
    claim_volumes,
    plain_environment,
    secret_environment,
    unique,
)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What a pod needs to run MLflow on the database and the artifacts of a deployment.

    Attributes:
        scope: What the parts have in common.
        backend: Connection to the backend store.
        artifacts: Environment of the artifact store, secret values by reference.
        pod_volumes, mounts: Certificates, key files and claims of both; what is mounted must be in the pod's volumes.
        exclusive: Whether only one pod at a time may hold the volumes, or the database in them.
    """

    scope: Scope
    backend: BackendStore
    artifacts: Sequence[k8s.core.v1.EnvVarArgs]
    pod_volumes: Sequence[k8s.core.v1.VolumeArgs]
    mounts: Sequence[k8s.core.v1.VolumeMountArgs]
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
    presigned = "true" if artifacts.presigned else "false"
    plain = {
        **artifacts.environment,
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": presigned,
        "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": presigned,
    }
    if scope.args.artifacts.proxied:
        plain["MLFLOW_ARTIFACTS_DESTINATION"] = artifacts.destination
    else:
        plain["MLFLOW_SERVE_ARTIFACTS"] = "false"
        plain["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = artifacts.destination
    secret = secret_environment(scope, f"{scope.name}-artifacts", "artifacts", artifacts.secret_environment)
    return Stores(
        scope=scope,
        backend=backend,
        artifacts=[*plain_environment(plain), *secret],
        pod_volumes=[*backend.pod_volumes, *claim_volumes(claims)],
        mounts=[*backend.mounts, *claim_mounts(claims)],
        exclusive=backend.in_pod or any(not volume.shared for volume in claims),
    )
