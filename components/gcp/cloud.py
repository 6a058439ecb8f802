"""What is made on Google Cloud for one deployment."""

import functools

from ..arguments import GcsArgs, Input
from ..contracts import ArtifactStore, DatabaseConnection, WorkloadIdentity
from ..existing import artifacts as existing_artifacts
from ..pods.objects import Scope
from . import artifacts, database, identity


class Cloud:
    """Makes what the arguments ask for, and nothing else."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def identity(self) -> WorkloadIdentity | None:
        """A service account or a direct grant, for the bucket that is made or the one that exists."""
        choice = self._scope.args.identity
        if choice is not None and choice.gcp_service_account is not None:
            return identity.service_account(self._scope, choice.gcp_service_account, self._bucket)
        if choice is not None and choice.gcp_direct is not None:
            return identity.direct(self._scope, self._bucket)
        return None

    def database(self) -> DatabaseConnection | None:
        """A Cloud SQL instance."""
        args = self._scope.args.database.cloud_sql
        return None if args is None else database.cloud_sql(self._scope, args)

    def artifacts(self) -> ArtifactStore | None:
        """A bucket."""
        args = self._scope.args.artifacts.gcp_bucket
        return None if args is None else existing_artifacts.gcs(GcsArgs(bucket=self._bucket, prefix=args.prefix))

    @functools.cached_property
    def _bucket(self) -> Input[str]:
        choice = self._scope.args.artifacts
        if choice.gcs is not None:
            return choice.gcs.bucket
        assert choice.gcp_bucket is not None, "arguments hold a bucket"
        return artifacts.bucket(self._scope, choice.gcp_bucket).name
