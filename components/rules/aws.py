"""Rules for AWS only."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Settings that would empty a protected bucket."""
    bucket = args.artifacts.aws_bucket
    if bucket is not None and bucket.force_destroy and args.deletion_protection:
        message = "would delete all artifacts, and deletionProtection is on"
        yield Problem(("artifacts", "aws_bucket", "force_destroy"), message, "set deletionProtection to false as well")
