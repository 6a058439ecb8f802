"""What is made on Azure for one deployment."""

import dataclasses
import functools

from ..arguments import AzureBlobArgs
from ..contracts import ArtifactStore, DatabaseConnection, WorkloadIdentity
from ..existing import artifacts as existing_artifacts
from ..pods.objects import Scope
from . import artifacts, database, identity
from .artifacts import Container


class Cloud:
    """Makes what the arguments ask for, and nothing else."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def identity(self) -> WorkloadIdentity | None:
        """A user-assigned identity, for the container that is made or the one that exists."""
        choice = self._scope.args.identity
        args = choice.azure_workload_identity if choice is not None else None
        if args is None:
            return None
        container = args.container_id if args.container_id is not None else self._container.id
        return identity.workload_identity(self._scope, args, container)

    def database(self) -> DatabaseConnection | None:
        """A flexible server."""
        args = self._scope.args.database.azure_flexible_server
        return None if args is None else database.flexible_server(self._scope, args)

    def artifacts(self) -> ArtifactStore | None:
        """A storage account with a container."""
        args = self._scope.args.artifacts.azure_container
        if args is None:
            return None
        made = self._container
        # Not presigned: signing is allowed by a role on the whole account, which is more than the one container.
        blob = AzureBlobArgs(account=made.account, container=made.name, prefix=args.prefix, presigned=False)
        return dataclasses.replace(existing_artifacts.azure_blob(blob), ready=[made.ready])

    @functools.cached_property
    def _container(self) -> Container:
        args = self._scope.args.artifacts.azure_container
        assert args is not None, "arguments hold a container"
        return artifacts.container(self._scope, args)
