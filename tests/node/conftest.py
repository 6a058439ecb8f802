"""The tools and the cluster."""

from tests.support.fixtures import kubectl, session

__all__ = ["kubectl", "session"]
