"""Artifact stores in the cluster: files on a claim."""

from ..arguments import VolumeArgs
from ..contracts import ArtifactStore
from ..pods.scope import Scope
from .claims import claim

_DIRECTORY = "/mlflow/artifacts"


def volume(scope: Scope, args: VolumeArgs) -> ArtifactStore:
    """Files on a claim, served by the server."""
    return ArtifactStore(destination=_DIRECTORY, volumes=[claim(scope, "artifacts", args, _DIRECTORY)])
