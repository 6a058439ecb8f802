"""Checks that blocks of several clouds share."""

import enum
import re
from collections.abc import Iterator
from typing import Any

from ..base import Problem, plain
from ..checks import counted, pattern

__all__ = ["CloudEngine"]


class CloudEngine(enum.Enum):
    """Engine of a managed database."""

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
    """A known identifier must match the whole expression; the message recognises identifiers of other clouds."""
    known = plain(value)
    if not isinstance(known, str) or re.fullmatch(regex, known):
        return
    for other, (kind, syntax) in _SYNTAX.items():
        if other != cloud and re.fullmatch(syntax, known):
            yield Problem((path,), f"{known!r} is {kind}, not {what}", fix)
            return
    yield Problem((path,), f"{known!r} is not {what}", fix)


def database_names(args: Any, reserved: str) -> Iterator[Problem]:
    """Names of database and user, without what would have to be quoted."""
    fix = "use up to 32 letters, digits and '_', starting with a letter"
    for field, what in (("database", "the name of a database"), ("username", "the name of a user")):
        yield from pattern(getattr(args, field), r"[A-Za-z][A-Za-z0-9_]{0,31}", field, what, fix)
    if re.fullmatch(reserved, args.username):
        yield Problem(("username",), f"{args.username!r} is a name that the cloud reserves", "use another one")
    password = plain(args.password)
    if isinstance(password, str) and len(password) < 16:
        yield Problem(
            ("password",), f"has {counted(len(password), 'character')}", "use 16 or more, or let it be generated"
        )
