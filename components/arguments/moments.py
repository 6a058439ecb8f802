"""Points in time, as restores take them."""

import datetime
import re
from collections.abc import Iterator

from .base import Problem

_TIME = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d| [+-]\d{4} \S+)?"
"""RFC 3339; also as Pulumi hands on what is not quoted in YAML (`2026-03-14 09:26:53 +0000 UTC`), and without a time zone, so that the
message can say what is missing."""


def utc(text: str | None) -> str | None:
    """The same point in time in UTC, to the second; None if it is not given, is not one, or has no time zone."""
    made = None if text is None else _moment(text)
    return None if made is None else made.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def past(text: str | None, name: str) -> Iterator[Problem]:
    """Refuse what is not a point in time that has passed.

    Args:
        text: The value; None if not given.
        name: The field.
    """
    if text is None:
        return
    moment, fix = _moment(text), "write for example 2026-03-14T09:26:53Z"
    match = re.fullmatch(_TIME, text)
    if match and match[3] is None:
        yield Problem((name,), f"{text!r} has no time zone", "add Z for UTC, or an offset such as +02:00")
    elif moment is None:
        yield Problem((name,), f"{text!r} is not a date with a time of day", fix)
    # The one look at a clock: whatever was restored stays in the past.
    elif moment > datetime.datetime.now(datetime.timezone.utc):
        yield Problem((name,), f"{text!r} is in the future", "give a time that backups reach, or check its offset")


def _moment(text: str) -> datetime.datetime | None:
    match = re.fullmatch(_TIME, text)
    if match is None or match[3] is None:
        return None
    zone = "+00:00" if match[3] in "Zz" else re.sub(r" ([+-]\d\d)(\d\d) .*", r"\1:\2", match[3])
    try:
        return datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}")
    except ValueError:
        return None
