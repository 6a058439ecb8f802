"""Claims that several parts of a deployment share."""

from collections.abc import Iterator
from itertools import combinations

from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs, VolumeArgs
from ..arguments.base import Problem, plain, walk


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
    to = args.backup.destination.volume if args.backup is not None else None
    claim = plain(to.existing_claim) if to is not None else None
    for path, one in given:
        if isinstance(claim, str) and claim == plain(one.existing_claim):
            spelled = ".".join(to_camel(str(part)) for part in path)
            message = f"{claim!r} is the claim of {spelled}: what destroys one destroys the other"
            yield Problem(("backup", "destination", "volume", "existing_claim"), message, "use another claim")
