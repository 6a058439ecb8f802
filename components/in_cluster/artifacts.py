"""Artifact stores in the cluster: files on a claim."""

import dataclasses

from ..arguments import VolumeArgs
from ..contracts import ArtifactStore
from ..pods.scope import Scope
from .claims import claim

_DIRECTORY = "/mlflow/artifacts"


def volume(scope: Scope, args: VolumeArgs) -> ArtifactStore:
    """Files on a claim, served by the server."""
    mounted, sqlite = claim(scope, "artifacts", args, _DIRECTORY), scope.args.database.sqlite
    if sqlite is not None and args.same_claim(sqlite.volume):
        # The kubelet may wait forever for a second volume of one claim: https://github.com/kubernetes/kubernetes/issues/132921.
        mounted = dataclasses.replace(mounted, name="database", declared=False)
    return ArtifactStore(destination=_DIRECTORY, volumes=[mounted])
