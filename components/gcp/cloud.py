"""What Google Cloud creates for one deployment."""

import functools
from collections.abc import Sequence

import pulumi

from ..arguments import GcsArgs, Input
from ..contracts import ArtifactStore, DatabaseConnection, Place, WorkloadIdentity
from ..existing import artifacts as existing
from . import artifacts, database, identity
from .identity import Principal


class Cloud:
    """Creates only what the arguments ask for."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def identity(self) -> WorkloadIdentity | None:
        """A Google service account, or the Kubernetes ServiceAccount itself, by Workload Identity."""
        return None if self._principal is None else self._principal.identity

    def database(self) -> DatabaseConnection | None:
        """A Cloud SQL instance."""
        args = self._place.args.database.cloud_sql
        return None if args is None else database.cloud_sql(self._place, args)

    def artifacts(self) -> ArtifactStore | None:
        """A bucket."""
        args = self._place.args.artifacts.gcp_bucket
        return None if args is None else existing.gcs(GcsArgs(bucket=self._bucket, prefix=args.prefix))

    def grant(self) -> Sequence[pulumi.Resource]:
        """Let the principal use the objects of the bucket, and of that of backups."""
        args, principal = self._place.args, self._principal
        if principal is None:
            return []
        buckets: dict[str, Input[str]] = {}
        if args.artifacts.gcs is not None or args.artifacts.gcp_bucket is not None:
            buckets["artifacts"] = self._bucket
        to = args.backup.destination.gcs if args.backup is not None else None
        # One grant on one bucket: whoever removes the second of two would remove the first.
        if to is not None and not to.has_keys and to.bucket not in buckets.values():
            buckets["backup"] = to.bucket
        return [identity.grant(self._place, principal.member, bucket, name) for name, bucket in buckets.items()]

    @functools.cached_property
    def _principal(self) -> Principal | None:
        choice = self._place.args.identity
        if choice is not None and choice.gcp_service_account is not None:
            return identity.service_account(self._place, choice.gcp_service_account)
        return identity.direct(self._place) if choice is not None and choice.gcp_direct is not None else None

    @functools.cached_property
    def _bucket(self) -> Input[str]:
        choice = self._place.args.artifacts
        if choice.gcs is not None:
            return choice.gcs.bucket
        assert choice.gcp_bucket is not None, "arguments hold a bucket"
        return artifacts.bucket(self._place, choice.gcp_bucket).name
