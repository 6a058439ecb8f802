"""Backups: taken, listed, verified, thinned out, tried out and restored, by Jobs from what the component declares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ..labels import BACKUP, BACKUP_DRILL, RESTORE
from . import fence
from .cluster import Object
from .console import Console, Quiet
from .errors import NOT_FOUND, MissingError, OperationError
from .jobs import Outcome, follow, from_cron_job, run
from .target import Target

CONTAINER = "store"
"""The container of a backup that works on the repository."""
_COPIES = "artifacts"
"""The one that works on copies of artifacts, where these are not on a volume."""
TAG = "backup"
"""Tag of the backups of the schedule; others are taken before an upgrade or a restore."""
LATEST = "latest"
_SAVED = re.compile(r"\bsnapshot ([0-9a-f]{8,64}) saved|\bsaved as snapshot ([0-9a-f]{8,64})")
_NEWER = re.compile(r"written since the backup, and replaced with it: (\d+) rows")
_ON_REPOSITORY = """. "$0/common.sh"
repository
[ "$code" = 0 ] || refuse "there is no backup yet at $RESTIC_REPOSITORY"
"""
"""How the programs of backups begin, whose folder is `$0`: common.sh knows every kind of destination."""
_ACTIONS = {
    "list": 'restic snapshots --json --host "$BACKUP_HOST"',
    "verify": "restic check --read-data",
    "prune": "forget",
}


def back_up(target: Target, console: Console) -> tuple[Outcome, str | None]:
    """Take a backup now; returns how it went, and the snapshot's id."""
    outcome = run(target, from_cron_job(target.cron_job(BACKUP)), console)
    return outcome, saved(outcome)


def saved(outcome: Outcome) -> str | None:
    """The snapshot that a Job says it has saved; None if it saved none."""
    found = [first or second for first, second in _SAVED.findall(outcome.text)]
    return found[-1][:8] if found else None


def drill(target: Target, console: Console) -> Outcome:
    """Restore the latest backup into a database that is thrown away, and compare."""
    return run(target, from_cron_job(target.cron_job(BACKUP_DRILL)), console)


def on_repository(target: Target, console: Console, action: str) -> Outcome:
    """Work on the repository alone: `list`, `verify` or `prune`; `verify` reads the copies of artifacts too, if there are any."""
    job = from_cron_job(target.cron_job(BACKUP), only=(CONTAINER, *([_COPIES] if action == "verify" else [])))
    for container in job["spec"]["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            folder = str(PurePosixPath(container["command"][-1]).parent)
            container["command"] = ["sh", "-c", _ON_REPOSITORY + _ACTIONS[action], folder]
        else:
            container["command"][-1] = action
    return run(target, job, console)


def snapshots(target: Target, console: Console) -> list[Object]:
    """The backups in the repository as restic describes them, the oldest first."""
    for _, line in reversed(on_repository(target, Quiet(console), "list").lines):
        if line.startswith("["):
            return sorted(json.loads(line), key=lambda each: each["time"])
    raise OperationError("the Job has listed nothing", "Read its log.")


def chosen(found: Sequence[Object], snapshot: str) -> str:
    """The id of the snapshot that is meant: `latest` is the last one of the schedule, as for the restore's own pod.

    Raises:
        OperationError: There is no such one, or several.
    """
    if snapshot == LATEST:
        fitting = [each for each in found if TAG in (each.get("tags") or [])][-1:]
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

    What a restore would refuse, and how much it would replace, is found out before the servers stop.

    Args:
        target: The deployment.
        console: Where to report.
        snapshot: Id of the backup, or `latest`.
        replace: Whether to replace what the database holds, which the Job saves first; otherwise one that holds tables is refused.
        without_backup: Do not save it.
        options: Further variables of the restore's pod.
        image: Image of the servers afterwards; as before if None.
        purpose: The command.

    Returns:
        `snapshot`, `before` (the snapshot of what was replaced), `lost` (rows that were written since the backup; null if they were
        not counted) and `replicas`.

    Raises:
        OperationError: Something refused. What has been stopped stays stopped, and the message says how to go on.
    """
    cron_job, known = target.cron_job(RESTORE), fence.record(target)
    variables = {"RESTORE_REPLACE": str(replace).lower(), **(options or {})}
    if without_backup:
        variables["RESTORE_WITHOUT_BACKUP"] = "true"
    lost: int | None = None
    if known is None:
        found = chosen(snapshots(target, console), snapshot)
        variables["RESTORE_SNAPSHOT"] = found
        console.say("▸ what the restore would do, while the servers run")
        lost = _newer(run(target, from_cron_job(cron_job, {**variables, "RESTORE_DRY_RUN": "true"}), console))
        what = "and replace everything in its database with" if replace else "and load into its empty database"
        console.confirm(f"stop the servers of {target} {what} the backup {found}" + _warning(lost, without_backup))
    else:
        found = _begun(known, snapshot, purpose)
        variables["RESTORE_SNAPSHOT"] = found
        console.say(f"▸ going on with what has begun: {purpose} of the backup {found}")
    with console.goes_on(
        f"the servers of {target} are stopped. The same command goes on; `pulumi-mlflow open` starts them as they were"
    ):
        known = fence.close(target, console, purpose, snapshot=found)
        outcome = _run_once(target, console, known, from_cron_job(cron_job, variables))
        fence.open_(target, console, image=image)
    if (counted := _newer(outcome)) is not None:  # again, when nobody could write any more
        lost = counted
    return {"snapshot": found, "before": saved(outcome), "lost": lost, "replicas": known["replicas"]}


def _newer(outcome: Outcome) -> int | None:
    """How many rows a restore's Job says were written since the backup; None if it does not say."""
    found = _NEWER.findall(outcome.text)
    return int(found[-1]) if found else None


def _warning(lost: int | None, without_backup: bool) -> str:
    if not lost:
        return ""
    kept = (
        "be lost, as nothing is saved before"
        if without_backup
        else "be in a snapshot taken before it, and nowhere else"
    )
    return f"; the {lost} rows written since will {kept}"


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


def _run_once(target: Target, console: Console, known: dict[str, Any], body: Object) -> Outcome:
    """Run the Job that has not succeeded yet, whether it is to be started, runs, or has ended meanwhile."""
    begun = known.get("job")
    if begun is not None:
        try:
            outcome = follow(target, begun, console)
        except (MissingError, OperationError):  # it was never made, or is deleted
            outcome = None
        if outcome is not None and outcome.succeeded:
            return outcome
    # Its name is written down first: a Job that nobody remembers could run beside the next one.
    fence.note(target, known, job=body["metadata"]["name"])
    return run(target, body, console)
