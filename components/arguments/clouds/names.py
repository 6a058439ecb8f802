"""What the blocks of all clouds check: identifiers that belong to another cloud, and blocks that need each other."""

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..base import Path, Problem, plain
from ..checks import pattern


class CloudEngine(enum.Enum):
    """Kind of a managed database."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


_SYNTAX = {
    "aws": ("an ARN, which is AWS's", r"arn:[\w-]+:.*"),
    "azure": ("a resource id of Azure", r"/subscriptions/.*"),
    "gcp": (
        "a resource name of Google Cloud",
        r"(https://www\.googleapis\.com/.*|//\w+\.googleapis\.com/.*|projects/.*)",
    ),
}


def cloud_name(value: Any, cloud: str, regex: str, path: str, what: str, fix: str) -> Iterator[Problem]:
    """A known identifier must match the whole expression; one that is spelled as another cloud does is called so."""
    known = plain(value)
    if not isinstance(known, str) or re.fullmatch(regex, known):
        return
    for other, (kind, syntax) in _SYNTAX.items():
        if other != cloud and re.fullmatch(syntax, known):
            yield Problem((path,), f"{known!r} is {kind}, not {what}", fix)
            return
    yield Problem((path,), f"{known!r} is not {what}", fix)


def needed(facts: Any, names: tuple[str, ...], by: str, block: str) -> Iterator[Problem]:
    """What a choice needs to know of its cloud.

    Args:
        facts: The cloud's block, or None.
        names: Fields of it that must be given.
        by: Configuration path of the choice.
        block: Name of the cloud's block.
    """
    if facts is None:
        yield Problem((block,), f"is required by {by}", f"describe the cloud in the block `{block}`")
        return
    for name in names:
        if getattr(facts, name) is None:
            yield Problem((block, name), f"is required by {by}", "give it")


def database_names(args: Any, reserved: str) -> Iterator[Problem]:
    """Names of database and user, without what would have to be quoted."""
    fix = "use up to 32 letters, digits and '_', starting with a letter"
    for field, what in (("database", "the name of a database"), ("username", "the name of a user")):
        yield from pattern(getattr(args, field), r"[A-Za-z][A-Za-z0-9_]{0,31}", field, what, fix)
    if re.fullmatch(reserved, args.username):
        yield Problem(("username",), f"{args.username!r} is a name that the cloud keeps for itself", "use another one")
    password = plain(args.password)
    if isinstance(password, str) and len(password) < 16:
        yield Problem(("password",), f"has {len(password)} characters", "use 16 or more, or let it be generated")


def kept_as_long(artifacts: int, backups: int, path: Path, database: str) -> Iterator[Problem]:
    """A database that is set back must find the artifacts of its time."""
    if artifacts < backups:
        message = f"{artifacts} days are less than the {backups} days for which backups of the database are kept"
        retention = ("database", database, "backup_retention_days")
        yield Problem(path, message, f"use {backups} or more", either=(retention,))


def one_cloud(made: Mapping[str, Iterable[str]]) -> Iterator[Problem]:
    """Things may be made on one cloud only: an identity of one is nobody on another.

    Args:
        made: What is made by its configuration path, by cloud.
    """
    clouds = {cloud: found for cloud, paths in made.items() if (found := list(paths))}
    if len(clouds) > 1:
        listed = ", ".join(path for paths in clouds.values() for path in paths)
        message = f"things would be made on {len(clouds)} clouds: {listed}"
        fix = "keep one cloud; what is elsewhere can be brought as existing (database.postgresql, artifacts.s3, …)"
        yield Problem((), message, fix)
