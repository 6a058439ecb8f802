"""From what a managed database is made, instead of empty: a snapshot, or another database at a point in time.

A restore makes a new database and never changes the one that it reads. `resources/refusals.py` refuses the entry for a database that exists.
"""

import re
from collections.abc import Iterable

from ..base import Block, Problem, block
from ..checks import exactly_one, pattern
from ..moments import past, utc

__all__ = ["AwsRestoreArgs", "AzureRestoreArgs", "CloudSqlRestoreArgs"]

_INSTANCE = r"[a-z][a-z0-9-]*"


@block
class RestoreBlock(Block):
    """Base of these blocks."""

    @property
    def origin(self) -> str:
        """What the database is restored from, in words: the value of the tag `restored-from`."""
        given = (getattr(self, name, None) for name in ("source", "snapshot", "time"))
        return " ".join(value for value in given if value)

    @property
    def time(self) -> str | None:
        """The point in time as the clouds' APIs take it: in UTC, to the second."""
        return utc(getattr(self, "point_in_time", None))


@block
class AwsRestoreArgs(RestoreBlock):
    """A snapshot, or a database and a point in time."""

    one_of = ("snapshot", "point_in_time")

    snapshot: str | None = None
    """Name or ARN of a snapshot, which must be encrypted."""
    source: str | None = None
    """With `pointInTime`: the identifier of the database to restore from, or, of one that was deleted and left its automated
    backups, its resource id (`db-…`, `cluster-…`)."""
    point_in_time: str | None = None
    """Time with time zone (RFC 3339, `2026-03-14T09:26:53Z`), between `EarliestRestorableTime` and `LatestRestorableTime` of the source."""

    @property
    def deleted_source(self) -> bool:
        """Whether the source is named by its resource id, which alone leads to a deleted one."""
        return bool(re.fullmatch(r"(db|cluster)-[A-Z0-9]{20,}", self.source or ""))

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`snapshot: <name>`, or `source` and `pointInTime`")
        yield from past(self.point_in_time, "point_in_time")
        yield from pattern(
            self.snapshot, r"[A-Za-z][\w:-]*", "snapshot", "a snapshot of RDS", "write its name or its ARN"
        )
        yield from pattern(
            self.source,
            rf"{_INSTANCE}|(db|cluster)-[A-Z0-9]{{20,}}",
            "source",
            "a database of RDS in this account and region",
            "write its identifier, or the resource id of a deleted one",
        )
        if self.point_in_time is not None and self.source is None:
            yield Problem(("source",), "is required with pointInTime", "name the database to restore from")
        if self.snapshot is not None and self.source is not None and self.point_in_time is None:
            yield Problem(("source",), "is given as well as snapshot, which knows its own", "remove it")


@block
class CloudSqlRestoreArgs(RestoreBlock):
    """An instance, and a backup of it or a point in time."""

    one_of = ("snapshot", "point_in_time")

    source: str
    """Name of the instance to restore from, in the same project and region."""
    snapshot: str | None = None
    """Id of a backup of that instance, as `gcloud sql backups list` shows it."""
    point_in_time: str | None = None
    """Time with time zone (RFC 3339, `2026-03-14T09:26:53Z`), as far back as the instance's `logRetentionDays`."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`pointInTime: 2026-03-14T09:26:53Z`")
        yield from past(self.point_in_time, "point_in_time")
        yield from pattern(
            self.snapshot, r"\d+", "snapshot", "the id of a backup", "copy the number from `gcloud sql backups list`"
        )
        name = self.source.rpartition(":")[2].rpartition("/")[2]
        fix = f"write its name alone: {name!r}" if re.fullmatch(_INSTANCE, name) else "write the name alone"
        yield from pattern(self.source, _INSTANCE, "source", "the name of an instance of Cloud SQL", fix)


@block
class AzureRestoreArgs(RestoreBlock):
    """A server and a point in time. Azure restores its backups by their time as well."""

    source: str
    """Resource id of the server to restore from: same engine, version and region."""
    point_in_time: str
    """Time with time zone (RFC 3339, `2026-03-14T09:26:53Z`), as far back as the server's `backupRetentionDays`. That of a backup is its
    completion time."""
    completed: bool = False
    """Set it once the server is there, and keep the rest: Azure restores into new servers only, so that every later change of the server has
    to ask for something else. Until then, such a change is refused."""

    def problems(self) -> Iterable[Problem]:
        yield from past(self.point_in_time, "point_in_time")
        yield from pattern(
            self.source,
            r"(?i:/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.DBfor(PostgreSQL|MySQL)/flexibleServers/[^/]+)",
            "source",
            "the resource id of a flexible server",
            "write /subscriptions/…/resourceGroups/…/providers/Microsoft.DBforPostgreSQL/flexibleServers/<name>",
        )
