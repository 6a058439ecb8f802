"""What AWS creates for one deployment."""

import functools
from collections.abc import Sequence

import pulumi
from pulumi_aws import s3

from ..arguments import AwsArgs
from ..contracts import ArtifactStore, DatabaseConnection, Place, WorkloadIdentity
from . import artifacts, database, identity
from .identity import Role
from .resources import Aws


class Cloud:
    """Creates only what the arguments ask for."""

    def __init__(self, place: Place) -> None:
        self._aws = Aws(place, place.args.aws or AwsArgs())

    def identity(self) -> WorkloadIdentity | None:
        """A role, by IRSA or EKS Pod Identity."""
        return None if self._role is None else self._role.identity

    def database(self) -> DatabaseConnection | None:
        """An RDS instance, or an Aurora cluster."""
        choice = self._aws.place.args.database
        if choice.rds is not None:
            return database.instance(self._aws, choice.rds)
        return database.cluster(self._aws, choice.aurora) if choice.aurora is not None else None

    def artifacts(self) -> ArtifactStore | None:
        """A bucket."""
        args = self._aws.place.args.artifacts.aws_bucket
        return None if args is None or self._bucket is None else artifacts.store(args, *self._bucket)

    def grant(self) -> Sequence[pulumi.Resource]:
        """Let the role use the bucket under its prefix, and the key that encrypts it; likewise that of backups."""
        role, args = self._role, self._aws.place.args
        to = args.backup.destination.s3 if args.backup is not None else None
        if role is None:
            return []
        granted = list(self._artifacts_grant(role))
        if to is not None and to.cloud is not None and not to.has_keys:
            arn, key = pulumi.Output.concat("arn:*:s3:::", to.bucket), self._aws.facts.kms_key_arn
            granted.append(identity.grant(self._aws, role.resource, arn, to.prefix, key, "backup"))
        return granted

    def _artifacts_grant(self, role: Role) -> Sequence[pulumi.Resource]:
        choice = self._aws.place.args.artifacts
        if choice.aws_bucket is not None and self._bucket is not None:
            arn, prefix, key = self._bucket[0].arn, choice.aws_bucket.prefix, self._aws.key
        elif choice.s3 is not None:
            arn = pulumi.Output.concat("arn:*:s3:::", choice.s3.bucket)
            prefix, key = choice.s3.prefix, self._aws.facts.kms_key_arn
        else:
            return []
        return [identity.grant(self._aws, role.resource, arn, prefix, key)]

    @functools.cached_property
    def _role(self) -> Role | None:
        chosen = self._aws.place.args.identity
        if chosen is None or (chosen.irsa is None and chosen.pod_identity is None):
            return None
        return identity.role(self._aws, chosen)

    @functools.cached_property
    def _bucket(self) -> tuple[s3.Bucket, Sequence[pulumi.Resource]] | None:
        args = self._aws.place.args.artifacts.aws_bucket
        return None if args is None else artifacts.bucket(self._aws, args)
