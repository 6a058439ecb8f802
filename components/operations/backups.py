"""Backups: taken, listed, verified, thinned out, tried out and restored, by Jobs from what the component declares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..labels import BACKUP, BACKUP_DRILL, RESTORE
from . import fence
from .cluster import Object
from .console import Console
from .errors import NOT_FOUND, MissingError, OperationError
from .jobs import Outcome, follow, from_cron_job, run
from .target import Target

CONTAINER = "restic"
"""The container that works on the repository."""
BEFORE_RESTORE = "before-restore"
"""Tag of the backup that is taken before another one replaces the data."""
LATEST = "latest"
_SAVED = re.compile(r"\bsnapshot ([0-9a-f]{8,64}) saved")


def back_up(target: Target, console: Console, tag: str | None = None) -> tuple[Outcome, str | None]:
    """Take a backup now; returns how it went, and the snapshot's id.

    Args:
        target: The deployment.
        console: Where to report.
        tag: A tag that tells it from those of the schedule.
    """
    variables = {} if tag is None else {"BACKUP_TAG": tag}
    outcome = run(target, from_cron_job(target.cron_job(BACKUP), variables), console)
    found = _SAVED.findall(outcome.text)
    return outcome, found[-1][:8] if found else None


def drill(target: Target, console: Console) -> Outcome:
    """Restore the latest backup into a database that is thrown away, and compare."""
    return run(target, from_cron_job(target.cron_job(BACKUP_DRILL)), console)


def on_repository(target: Target, console: Console, action: str, variables: Mapping[str, str] | None = None) -> Outcome:
    """Work on the repository alone: `list`, `verify` or `prune`."""
    given = {"BACKUP_ACTION": action, **(variables or {})}
    return run(target, from_cron_job(target.cron_job(BACKUP), given, only=CONTAINER), console)


def snapshots(target: Target, console: Console) -> list[Object]:
    """The backups in the repository as restic describes them, the oldest first."""
    for line in reversed(on_repository(target, _Quiet(console), "list").text.splitlines()):
        if line.startswith("["):
            return sorted(json.loads(line), key=lambda each: each["time"])
    raise OperationError("the Job has listed nothing", "Read its log, which is above.")


def chosen(found: Sequence[Object], snapshot: str) -> str:
    """The id of the snapshot that is meant: `latest` is the last one that was not itself taken before a restore.

    Raises:
        OperationError: There is no such one, or several.
    """
    if snapshot == LATEST:
        fitting = [each for each in found if BEFORE_RESTORE not in (each.get("tags") or [])][-1:]
    else:
        fitting = [each for each in found if each["id"].startswith(snapshot)]
    if len(fitting) == 1:
        return fitting[0]["short_id"]
    listed = ", ".join(each["short_id"] for each in found[-10:]) or "none"
    many = "no" if not fitting else f"{len(fitting)}"
    raise OperationError(f"there is {many} snapshot {snapshot!r}", f"The last ones are: {listed}.", NOT_FOUND)


def restore(
    target: Target,
    console: Console,
    snapshot: str,
    *,
    replace: bool,
    without_backup: bool = False,
    options: Mapping[str, str] | None = None,
    image: str | None = None,
    purpose: str = "restore",
) -> dict[str, Any]:
    """Stop the servers, restore a backup, and start them again. After an interruption the same call goes on.

    Args:
        target: The deployment.
        console: Where to report.
        snapshot: Id of the backup, or `latest`.
        replace: Whether to replace what the database holds; otherwise one that holds tables is refused.
        without_backup: Replace it without saving it first.
        options: Further variables of the restore's pod.
        image: Image of the servers afterwards; as before if None.
        purpose: The command.

    Raises:
        OperationError: Something refused. What has been stopped stays stopped, and the message says how to go on.
    """
    cron_job, known = target.cron_job(RESTORE), fence.record(target)
    if known is None:
        found = chosen(snapshots(target, console), snapshot)
        what = "and replace everything in its database with" if replace else "and load into its empty database"
        console.confirm(f"stop the servers of {target} {what} the backup {found}")
    else:
        found = _begun(known, snapshot, purpose)
        console.say(f"▸ going on with what has begun: {purpose} of the backup {found}")
    with console.goes_on(
        f"the servers of {target} are stopped. The same command goes on; `pulumi-mlflow open` starts them as they were"
    ):
        known = fence.note(target, fence.close(target, console, purpose), snapshot=found)
        if replace and not without_backup and "before" not in known:
            console.say("▸ saving what is there now")
            known = fence.note(target, known, before=back_up(target, console, BEFORE_RESTORE)[1])
        variables = {"RESTORE_SNAPSHOT": found, "RESTORE_REPLACE": str(replace).lower(), **(options or {})}
        if without_backup:
            variables["RESTORE_WITHOUT_BACKUP"] = "true"
        _run_once(target, console, known, from_cron_job(cron_job, variables))
        fence.open_(target, console, image=image)
    return {"snapshot": found, "before": known.get("before"), "replicas": known["replicas"]}


def _begun(known: Mapping[str, Any], snapshot: str, purpose: str) -> str:
    """The snapshot of what has begun.

    Raises:
        OperationError: Something else has.
    """
    begun = known.get("snapshot")
    if known["for"] != purpose or (snapshot != LATEST and begun and not begun.startswith(snapshot[: len(begun)])):
        raise OperationError(
            f"the servers are stopped for `{known['for']}`" + (f" of the backup {begun}" if begun else ""),
            "Finish that with the same command, or start the servers as they were: `pulumi-mlflow open`.",
        )
    if begun is None:
        raise OperationError(
            "the servers were stopped, and nothing else has happened",
            "Start them with `pulumi-mlflow open`, and try again.",
        )
    return begun


def _run_once(target: Target, console: Console, known: dict[str, Any], body: Object) -> None:
    """Run the Job that has not succeeded yet, whether it is to be started, runs, or has ended meanwhile."""
    begun = known.get("job")
    if begun is not None:
        try:
            outcome = follow(target, begun, console)
        except (MissingError, OperationError):  # it was never made, or is deleted
            outcome = None
        if outcome is not None and outcome.succeeded:
            return
    # Its name is written down first: a Job that nobody remembers could run beside the next one.
    fence.note(target, known, job=body["metadata"]["name"])
    run(target, body, console)


class _Quiet(Console):
    """Tells nothing of a Job whose output is only for this program, except why its pod does not start."""

    def __init__(self, console: Console) -> None:
        super().__init__(as_json=console.as_json, yes=console.yes)
        self._going_on = console._going_on

    def say(self, text: str) -> None:
        if text.startswith(("▸", "    ")):
            super().say(text)
