"""Fixtures that start real things, shared between the tests of a run."""

from tests.support.fixtures import kubectl, mariadb_server, new_stack, postgresql_server, s3_url, session, unreachable

__all__ = ["kubectl", "mariadb_server", "new_stack", "postgresql_server", "s3_url", "session", "unreachable"]
