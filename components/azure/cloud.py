"""What Azure creates for one deployment."""

import dataclasses
import functools
from collections.abc import Sequence

import pulumi

from ..arguments import AzureBlobArgs, AzureWorkloadIdentityArgs, Input
from ..contracts import ArtifactStore, DatabaseConnection, Place, WorkloadIdentity
from ..existing import artifacts as existing
from . import artifacts, database, identity
from .artifacts import Container
from .identity import Principal


class Cloud:
    """Creates only what the arguments ask for."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def identity(self) -> WorkloadIdentity | None:
        """A user-assigned identity, by Workload Identity."""
        return None if self._principal is None else self._principal.identity

    def database(self) -> DatabaseConnection | None:
        """A flexible server."""
        args = self._place.args.database.azure_flexible_server
        return None if args is None else database.flexible_server(self._place, args)

    def artifacts(self) -> ArtifactStore | None:
        """A storage account with a container."""
        args = self._place.args.artifacts.azure_container
        if args is None or self._container is None:
            return None
        made = self._container
        # Not presigned: signing needs a role on the whole account rather than on the one container.
        blob = AzureBlobArgs(account=made.account, container=made.name, prefix=args.prefix, presigned=False)
        return dataclasses.replace(existing.azure_blob(blob, made.domain), ready=[made.ready])

    def grant(self) -> Sequence[pulumi.Resource]:
        """Let the principal use the blobs of the container, and of that of backups."""
        whole = self._place.args
        args = None if whole.identity is None else whole.identity.azure_workload_identity
        if args is None or self._principal is None:
            return []
        containers: dict[str, Input[str]] = {}
        if args.container_id is not None or self._container is not None:
            containers["artifacts"] = self._container_id(args)
        to = whole.backup.destination.azure if whole.backup is not None else None
        if to is not None and to.container_id is not None and to.container_id not in containers.values():
            containers["backup"] = to.container_id
        locked = self._container is not None and whole.deletion_protection
        return [
            identity.grant(self._place, self._principal.id, container, locked and name == "artifacts", name)
            for name, container in containers.items()
        ]

    def _container_id(self, args: AzureWorkloadIdentityArgs) -> Input[str]:
        if args.container_id is not None:
            return args.container_id
        assert self._container is not None, "arguments hold a container"
        return self._container.id

    @functools.cached_property
    def _principal(self) -> Principal | None:
        choice = self._place.args.identity
        args = None if choice is None else choice.azure_workload_identity
        return None if args is None else identity.workload_identity(self._place, args)

    @functools.cached_property
    def _container(self) -> Container | None:
        args = self._place.args.artifacts.azure_container
        return None if args is None else artifacts.container(self._place, args)
