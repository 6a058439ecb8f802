"""Databases that upgrades have kept beside the one that goes on: back to one, or away with one.

Jobs of the migration's pod do both, since it reaches the database and knows what it has kept.
"""

from __future__ import annotations

import re
from typing import Any

from . import fence, status
from .checks import migration_job
from .console import Console
from .errors import NOT_FOUND, OperationError
from .jobs import Outcome, run
from .target import Target

_SECONDS = 3600
_NEWER = re.compile(r"written since the upgrade, and kept in (.+): (\d+) rows")


def put_back(target: Target, console: Console, name: str, image: str, purpose: str) -> dict[str, Any]:
    """Stop the servers, give a kept database the name of the one that goes on, and start them. After an interruption the same call
    goes on.

    Args:
        target: The deployment.
        console: Where to report.
        name: The kept database.
        image: Image of the servers afterwards.
        purpose: The command.

    Returns:
        `restored`, `before` (the database that was replaced, under its new name) and `lost` (how many rows were written since).

    Raises:
        OperationError: Something refused. What has been stopped stays stopped, and the message says how to go on.
    """
    known = fence.record(target)
    if known is not None and known["for"] != purpose:
        raise OperationError(
            f"the servers are stopped for `{known['for']}`",
            "Finish that with the same command, or start the servers as they were: `pulumi-mlflow open`.",
        )
    if known is None:
        console.say("▸ what the way back would do, while the servers run")
        found = run(target, _job(target, "put-back", name, try_out=True), console)
        aside, rows = _newer(found)
        after = f"; the {rows} rows written since will be in the database {aside} only" if rows else ""
        console.confirm(f"stop the servers of {target} and put its database {name} back in its place{after}")
    with console.goes_on(
        f"the servers of {target} are stopped. The same command goes on; `pulumi-mlflow open` starts them as they were"
    ):
        fence.close(target, console, purpose)
        aside, rows = _newer(run(target, _job(target, "put-back", name), console))
        fence.open_(target, console, image=image)
    return {"restored": name, "before": aside, "lost": rows}


def drop(target: Target, console: Console, name: str) -> Outcome:
    """Drop one that nobody needs any more.

    Raises:
        OperationError: No upgrade has kept it.
    """
    kept = status.kept(target)
    if name not in kept:
        there = ", ".join(kept) or "none"
        raise OperationError(f"no upgrade of {target} has kept a database {name!r}", f"There are: {there}.", NOT_FOUND)
    console.confirm(f"drop the database {name} for good: {kept[name]}")
    return run(target, _job(target, "drop", name), console)


def _job(target: Target, mode: str, name: str, *, try_out: bool = False) -> dict[str, Any]:
    return migration_job(target, mode, _SECONDS, {"UPGRADE_KEPT": name, "UPGRADE_TRY_OUT": str(try_out).lower()})


def _newer(outcome: Outcome) -> tuple[str | None, int | None]:
    """The database that is or will be aside, and how many rows only it holds; null if the Job does not say."""
    found = _NEWER.findall(outcome.text)
    return (found[-1][0], int(found[-1][1])) if found else (None, None)
