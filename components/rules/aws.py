"""Rules for AWS only."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..arguments.kinds import CloudName


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Settings that would empty a protected bucket, or make a role useless."""
    bucket, existing = args.artifacts.aws_bucket, args.artifacts.s3
    if bucket is not None and bucket.force_destroy and args.deletion_protection:
        message = "would delete all artifacts, and deletionProtection is on"
        yield Problem(("artifacts", "aws_bucket", "force_destroy"), message, "set deletionProtection to false as well")
    role = args.identity.chosen if args.identity is not None else None
    if role is None or role[1].made_on is not CloudName.AWS or existing is None or existing.cloud is None:
        return
    if existing.access_key_id is not None or existing.existing_secret is not None:
        message = "artifacts.s3 has access keys, which the pods would use instead of the role"
        yield Problem(("identity", role[0]), message, "remove the keys, or the role")
