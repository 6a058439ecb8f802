"""Jobs that run on a schedule. The block and the field of one are together here; its pod is in `pods/`."""

import re
import zoneinfo
from collections.abc import Iterable
from typing import Any

from .base import Block, Problem, block
from .checks import between, counted
from .server.resources import ResourcesArgs

__all__ = ["GarbageCollectionArgs", "ScheduledJobsArgs"]

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: number for number, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


@block
class GarbageCollectionArgs(Block):
    """Permanently delete what users have deleted: `mlflow gc` as a CronJob.

    MLflow only hides deleted runs, experiments and models; this removes them and their artifacts.
    """

    schedule: str = "0 3 * * 0"
    """When to run: a cron expression of five fields, or `@daily` and the like."""
    time_zone: str | None = None
    """Time zone of the schedule, for example `Europe/Berlin`; that of the cluster's control plane if not given."""
    older_than: str = "30d"
    """How long ago something must have been deleted, for example `30d` or `1d12h`. Not shorter than the retention of
    backups: a restored backup would list runs whose artifacts are gone."""
    all_workspaces: bool = False
    """Cover all workspaces instead of only the default one."""
    suspend: bool = False
    """Keep the CronJob but start no Jobs."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="100m", memory_request="256Mi", memory_limit="1Gi")
    """Requests and limits of its container."""
    timeout_seconds: int = 3600
    """How long one run may take, in seconds."""
    starting_deadline_seconds: int = 3600
    """How late a run that missed its scheduled time may still start, in seconds."""
    successful_history: int = 1
    """Finished Jobs to keep."""
    failed_history: int = 3
    """Failed Jobs to keep, with their logs."""

    def problems(self) -> Iterable[Problem]:
        yield from scheduled(self)
        if not re.fullmatch(r"(?=.)(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?", self.older_than):
            fix = "write days, hours, minutes and seconds in this order, for example '30d' or '1d12h'"
            yield Problem(("older_than",), f"{self.older_than!r} is not an age", fix)


@block
class ScheduledJobsArgs(Block):
    """The part of the arguments that schedules jobs."""

    garbage_collection: GarbageCollectionArgs | None = None
    """Scheduled permanent removal of what users have deleted; none if not given."""


def scheduled(block: Any) -> Iterable[Problem]:
    """What is true of every block of a CronJob."""
    yield from cron(block.schedule, "schedule")
    if block.time_zone is not None and not _is_time_zone(block.time_zone):
        fix = "use a name of the tz database, in its spelling: 'UTC' or 'Europe/Berlin'"
        yield Problem(("time_zone",), f"{block.time_zone!r} is not a time zone", fix)
    yield from between(block.timeout_seconds, 10, 86_400, "timeout_seconds", "seconds")
    # The controller checks every ten seconds: with a shorter deadline it may miss every start.
    yield from between(block.starting_deadline_seconds, 10, 86_400, "starting_deadline_seconds", "seconds")
    yield from between(block.successful_history, 0, 100, "successful_history")
    yield from between(block.failed_history, 0, 100, "failed_history")


def _is_time_zone(name: str) -> bool:
    """Whether the tz database has it; what looks like a name passes where there is none (on Windows, in small images)."""
    if not re.fullmatch(r"(?=.{1,100}$)(?!Local$)[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", name):
        return False
    known = zoneinfo.available_timezones()
    return not known or name in known


def cron(schedule: str, path: str) -> Iterable[Problem]:
    """A cron expression as Kubernetes takes it: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/."""
    example = "write five fields, for example '0 3 * * 0' (Sundays at three)"
    if re.fullmatch(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)", schedule):
        return
    if re.match(r"(CRON_)?TZ=", schedule):
        yield Problem((path,), f"{schedule!r} names a time zone, which Kubernetes refuses here", "use timeZone")
        return
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        yield Problem((path,), f"{schedule!r} has {counted(len(fields), 'field')}", example)
        return
    for text, (what, low, high, names) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, low, high, names) for part in text.split(",")):
            yield Problem((path,), f"{text!r} in {schedule!r} is not a {what}", f"use {low} to {high}; {example}")


def _fits(part: str, low: int, high: int, names: dict[str, int]) -> bool:
    """Whether one of the parts between commas is valid: `*`, a number or a range, with an optional step."""
    match = re.fullmatch(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
    if not match:
        return False
    first, last, step = match.groups()
    given = [names.get(each.lower(), int(each) if each.isdigit() else -1) for each in (first, last) if each is not None]
    return all(low <= each <= high for each in given) and given == sorted(given) and step not in ("0", "00")
