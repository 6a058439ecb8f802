"""Fixtures that start real things, shared between the tests of a run."""

from tests.support.fixtures import (
    aws_cloud,
    kubectl,
    mariadb_server,
    new_aws_stack,
    new_stack,
    postgresql_server,
    s3_url,
    session,
    unreachable,
)

__all__ = [
    "aws_cloud",
    "kubectl",
    "mariadb_server",
    "new_aws_stack",
    "new_stack",
    "postgresql_server",
    "s3_url",
    "session",
    "unreachable",
]
