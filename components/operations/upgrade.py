"""An upgrade by hand: `pulumi up` with another version in the stack's configuration, between checks before it and after it.

What it takes, from stopping the servers to starting the new ones, is the migration Job's.
"""

from __future__ import annotations

from typing import Any

from . import checks, fence, stack, status
from .console import Console
from .errors import FAILED, NOT_FOUND, USAGE, OperationError
from .target import Target

_TAG, _MODE = "image.tag", "upgrade.mode"
IN_PLACE, STANDARD, BLUE_GREEN = "in-place", "standard", "blue-green"
"""How: by servers that roll, refused where the schema changes; or else with servers that stop until the database is backed up and migrated;
or the same, with a copy of the database as it was, which stays."""
_MODES = {STANDARD: "automatic", BLUE_GREEN: "blue-green"}
"""What `upgrade.mode` calls the latter."""


def upgrade(target: Target, console: Console, name: str | None, tag: str, way: str | None) -> dict[str, Any]:
    """Change the version of MLflow. After an interruption the same call goes on.

    Args:
        target: The deployment.
        console: Where to report.
        name: The stack that has deployed it, whose program is in the working directory.
        tag: Tag of the new image.
        way: How, as `IN_PLACE` and its siblings; None for what the stack's configuration says.

    Returns:
        `from` and `to`, both images; `schema`, whether it changed, or null if only the server can tell; `freezeSeconds`, for how long
        nobody could write, or null if that was not counted; `checks` as `checks.of_server` returns them.

    Raises:
        OperationError: It was refused before anything changed, `pulumi up` has failed, or the program takes its image from elsewhere.
    """
    if name is None:
        raise OperationError(
            "an upgrade changes a stack", "Name it with --stack, in the folder of the Pulumi program.", USAGE
        )
    server, begun = target.server(), status.unfinished(target)
    before = begun["from"]["image"] if begun else fence.image_of(server)
    if "@" in before:
        raise OperationError(
            f"{target} runs {before}, which is named by a digest",
            "Set `mlflow:image.tag` and `mlflow:image.digest` in the stack file, and run `pulumi up`.",
        )
    after = f"{before.rpartition(':')[0]}:{tag}"
    if begun:
        changes = True
        console.confirm(f"go on with the upgrade of {target} from {before}, to {after}")
    else:
        changes = _changes_schema(target, console, after)
        mode = _MODES.get(way) if way else stack.configured(name, _MODE)
        _refuse(way, changes, mode)
        meanwhile = {
            True: "the servers stop until its schema is migrated, and clients wait",
            False: "the schema stays the same, and the servers roll",
            None: "the only server stops, copies its file, and migrates it if it has to",
        }
        console.confirm(f"run `pulumi up` to bring {target} from {before} to {after}: {meanwhile[changes]}")
    stack.configure(name, _TAG, tag)
    if way in _MODES:
        stack.configure(name, _MODE, _MODES[way])
    with console.goes_on(
        f"`pulumi cancel --stack {name}`, if it was ended in the middle; then the same command goes on"
    ):
        stack.up(name)
    if (serves := fence.image_of(target.server())) != after:
        raise OperationError(
            f"{target} runs {serves}: the program of the stack {name} does not take its image from `mlflow:{_TAG}`",
            f"Change it where the program has it, and take away what is not read: `pulumi config rm --path mlflow:{_TAG}`.",
        )
    freeze = [
        each["freezeSeconds"]
        for each in status.history(target)
        if each.get("result") == "upgraded" and each["to"]["image"] == after
    ]
    return {
        "from": before,
        "to": after,
        "schema": changes,
        "freezeSeconds": freeze[-1] if changes and freeze else None,
        "checks": checks.of_server(target, console),
    }


def _changes_schema(target: Target, console: Console, image: str) -> bool | None:
    """What the new image itself says; None where only the server's own pod reaches the database.

    Raises:
        OperationError: The upgrade would fail.
    """
    try:
        found = checks.before_upgrade(target, console, image)
    except OperationError as error:
        if error.code != NOT_FOUND:
            raise
        return None
    console.say(checks.describe(found))
    if checks.problems(found):
        raise OperationError(f"an upgrade to {image} would fail", "Mend the lines with `!` above.", FAILED)
    return bool(found["upgrade_needed"])


def _refuse(way: str | None, changes: bool | None, mode: str | None) -> None:
    if way == IN_PLACE and changes is not False:
        why = "the schema changes" if changes else "whether the schema changes, only the server can tell"
        raise OperationError(f"{why}, so this is not done in place", "Choose --mode standard or blue-green.")
    if changes and mode in (None, "manual"):
        raise OperationError(
            "the schema changes, and `upgrade.mode` is `manual`, with which `pulumi up` refuses while servers run",
            "Choose --mode standard or blue-green, which stays in the stack's configuration; or see docs/upgrade.md.",
        )
