"""The AWS half of a deployment: what of it is made on AWS, as the neutral contracts that the Kubernetes half reads."""

from ..arguments import AwsArgs
from ..contracts import ArtifactStore, DatabaseConnection, WorkloadIdentity
from ..pods.objects import Scope
from . import artifacts, database, identity
from .resources import Aws


class Cloud:
    """Makes the chosen parts; each is asked for at most once."""

    def __init__(self, scope: Scope) -> None:
        """Nothing is made yet.

        Args:
            scope: What the parts have in common, the identity not yet among it.
        """
        self._aws = Aws(scope, scope.args.aws or AwsArgs())
        self._role: identity.iam.Role | None = None

    def identity(self) -> WorkloadIdentity | None:
        """The pods' role; None if none is to be made. What it may do follows from the artifacts."""
        chosen = self._aws.scope.args.identity
        if chosen is None or (chosen.irsa is None and chosen.pod_identity is None):
            return None
        self._role, made = identity.role(self._aws, chosen)
        return made

    def database(self) -> DatabaseConnection | None:
        """The database; None if it is not to be made here."""
        choice = self._aws.scope.args.database
        if choice.rds is not None:
            return database.instance(self._aws, choice.rds)
        return database.cluster(self._aws, choice.aurora) if choice.aurora is not None else None

    def artifacts(self) -> ArtifactStore | None:
        """The bucket, or the existing one to which the role gets access; None if neither is on AWS."""
        choice = self._aws.scope.args.artifacts
        if choice.aws_bucket is not None:
            return artifacts.bucket(self._aws, choice.aws_bucket, self._role)
        if choice.s3 is not None and self._role is not None:
            return artifacts.use_existing(self._aws, choice.s3, self._role)
        return None
