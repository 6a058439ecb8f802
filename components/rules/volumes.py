"""Claims that several parts of a deployment share."""

from collections.abc import Iterator
from itertools import combinations

from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs, VolumeArgs
from ..arguments.base import Problem, walk


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Each part has a directory of its own: clients of the artifact store could read and overwrite the database, for one."""
    given = [(path, block) for path, block in walk(args) if isinstance(block, VolumeArgs)]
    for (first, one), (path, other) in combinations(given, 2):
        if one.same_claim(other) and (one.holds(other) or other.holds(one)):
            # SQLite shows nothing but its file, and the artifacts may lie below it, as charts have them.
            if args.database.sqlite is not None and one is args.database.sqlite.volume and not other.holds(one):
                continue
            spelled = ".".join(to_camel(str(part)) for part in first)
            message = f"is the directory of {spelled}, or one of the two lies within the other, on one claim"
            fix = "give each a directory of its own, such as 'database' and 'artifacts'"
            yield Problem((*path, "sub_path"), message, fix, either=((*first, "sub_path"),))
