"""The tools and the cluster."""

from tests.support.fixtures import kubectl, new_stack, session

__all__ = ["kubectl", "new_stack", "session"]
