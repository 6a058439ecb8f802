"""Checks that blocks of several clouds share."""

import enum
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..base import Problem, plain
from ..checks import counted, pattern

__all__ = ["CloudEngine"]


class CloudEngine(enum.Enum):
    """Engine of a managed database."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


AWS_TAG = r"[\w .:/=+@-]"
"""https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html, in every service."""
AZURE_TAG = r"[^<>%&\\?/\x00-\x1f\x7f]"
"""https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations"""
_IN_VALUES = {AWS_TAG: AWS_TAG, AZURE_TAG: r"[^\x00-\x1f\x7f]"}
_SIGNS = {AWS_TAG: "'_.:/=+-@'", AZURE_TAG: "signs other than '<>%&\\?/'"}


_SYNTAX = {
    "aws": ("an ARN, which is AWS's", r"arn:[\w-]+:.*"),
    "azure": ("a resource id of Azure", r"/subscriptions/.*"),
    "gcp": (
        "a resource name of Google Cloud",
        r"(https://www\.googleapis\.com/.*|//\w+\.googleapis\.com/.*|projects/.*)",
    ),
}


def tags(
    values: Mapping[str, Any], path: str, characters: str, longest: int, reserved: str, most: int
) -> Iterator[Problem]:
    """Tags as AWS and Azure have them.

    Args:
        values: The tags.
        path: Their field.
        characters: Those of keys, as a class of regular expressions; values have them as well, and on Azure all others.
        longest: Characters of a key.
        reserved: Prefixes of keys that the cloud keeps for itself, as a regular expression, in any case.
        most: How many there may be, beside those of the component.
    """
    if len(values) > most:
        yield Problem((path,), f"holds {len(values)} tags, and there may be {most}", "remove some")
    for key, value in values.items():
        known = plain(value)
        if re.match(reserved, key, re.IGNORECASE):
            yield Problem((path, key), "is the key of a tag with a prefix that the cloud reserves", "use another key")
        elif not re.fullmatch(rf"{characters}{{1,{longest}}}", key) or key != key.strip():
            fix = f"use 1 to {longest} letters, digits, spaces and {_SIGNS[characters]}"
            yield Problem((path, key), "is not the key of a tag", fix)
        elif isinstance(known, str) and not re.fullmatch(rf"{_IN_VALUES[characters]}{{0,256}}", known):
            fix = "use up to 256 characters without line breaks"
            fix += f": letters, digits, spaces and {_SIGNS[characters]}" if characters == AWS_TAG else ""
            yield Problem((path, key), f"has the value {known[:60]!r}, which is not one of a tag", fix)


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
