"""Fixtures that start real things, shared between the tests of a run."""

from tests.support.fixtures import *  # noqa: F403 - pytest takes the fixtures, and nothing else
