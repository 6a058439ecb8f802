"""The artifact store in a pod: environment, key files and claims."""

import dataclasses
from dataclasses import dataclass

import pulumi

from ..arguments import NetworkPolicyArgs
from ..contracts import ArtifactStore, NetworkDestination, SecretKey
from ..in_image import Program
from .environment import plain_environment, secret_environment
from .part import PodPart, join
from .plugin import installed, plugin
from .scope import Scope
from .volumes import claims, files


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """How a pod reaches the artifact store.

    Attributes:
        part: Environment, files and claims.
        exclusive: Whether only one pod at a time may hold the claims.
    """

    part: PodPart
    exclusive: bool


def artifact_store(scope: Scope, store: ArtifactStore) -> Artifacts:
    """Render the store; creates a Secret for its credentials, if there are any."""
    plain, secret = dict(store.environment), dict(store.secret_environment)
    args = scope.args.artifacts
    variable = "MLFLOW_ARTIFACTS_DESTINATION" if args.proxied else "MLFLOW_DEFAULT_ARTIFACT_ROOT"
    if isinstance(store.destination, SecretKey):
        secret[variable] = store.destination
    elif store.confidential:
        secret[variable] = pulumi.Output.secret(store.destination)
    else:
        plain[variable] = store.destination
    if not args.proxied:
        plain["MLFLOW_SERVE_ARTIFACTS"] = "false"
    if scope.args.server.artifacts_only:
        plain["MLFLOW_ARTIFACTS_ONLY"] = "true"
    if args.default_root is not None:
        secret.pop("MLFLOW_DEFAULT_ARTIFACT_ROOT", None)
        plain["MLFLOW_DEFAULT_ARTIFACT_ROOT"] = args.default_root
    variables = PodPart(
        # Secrets first, since Kubernetes only expands references to earlier variables.
        environment=[
            *secret_environment(scope, "artifacts", "artifacts", secret),
            *plain_environment(plain),
        ],
        network=destinations(scope, store),
    )
    parts = [claims(store.volumes), *(files(scope, "artifacts", each) for each in store.files)]
    if store.presigned is False:
        parts.append(installed(scope, "artifacts", PROXIED_STORES))
    return Artifacts(part=join(variables, *parts), exclusive=any(not volume.shared for volume in store.volumes))


def destinations(scope: Scope, store: ArtifactStore) -> list[NetworkDestination]:
    """What a pod must reach for it, in the networks that the arguments name."""
    policy, network = scope.args.network_policy or NetworkPolicyArgs(), store.network
    if network is not None:
        network = dataclasses.replace(network, networks=policy.artifacts_cidrs)
    return scope.destinations(network, store.credentials)


PROXIED_STORES = plugin(
    Program("proxied_stores.py"),
    "proxied-stores",
    "/etc/mlflow/plugins",
    "mlflow.artifact_repository",
    {"s3": "S3", "gs": "Gcs", "wasbs": "AzureBlob"},
)
"""Keeps MLflow from handing out presigned URLs."""
