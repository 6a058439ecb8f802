"""Rules that concern several blocks of arguments, one theme per module. Checks of a single block stay with the block."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from . import (
    artifacts,
    authentication,
    backups,
    clouds,
    connections,
    continuous,
    garbage_collection,
    images,
    pods,
    publishing,
    replicas,
    security,
    upgrade,
    urls,
    variables,
    volumes,
)

_THEMES = (
    artifacts,
    authentication,
    backups,
    clouds,
    connections,
    continuous,
    garbage_collection,
    images,
    pods,
    publishing,
    replicas,
    security,
    upgrade,
    urls,
    variables,
    volumes,
)


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Problems between blocks; each block checks itself."""
    for theme in _THEMES:
        yield from theme.problems(args)
