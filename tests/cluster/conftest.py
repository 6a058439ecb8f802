"""Fixtures that start real things, shared between tests."""

from tests.support.fixtures import *  # noqa: F403 - pytest takes the fixtures, and nothing else
