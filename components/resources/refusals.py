"""Refuse changes that the arguments alone cannot judge, since they do not know what is running; already at preview.

Clouds would refuse them, too, but only during the update, or they would replace what holds data.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from ..contracts import Place

Change = pulumi.ResourceHookArgs


def guard(place: Place, what: str, problem: Callable[[Change], str | None]) -> pulumi.ResourceHookBinding:
    """Hooks that refuse an update of a resource.

    Args:
        place: The deployment.
        what: What is guarded, as part of the hook's name.
        problem: The reason; None if the update is accepted.
    """

    def check(change: Change) -> None:
        reason = problem(change)
        if reason is not None:
            raise ValueError(reason)

    options = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(f"{place.name}-{what}", check, options)])


def guard_version(
    place: Place,
    argument: str,
    key: str,
    running: str | None = None,
    refused: Callable[[str, str], str | None] = lambda old, new: None,
) -> pulumi.ResourceHookBinding:
    """Hooks for the resource of a database: its engine cannot be downgraded.

    Args:
        place: The deployment.
        argument: Path of the argument that sets the version, for the message.
        key: Input of the resource that sets the version, as its provider spells it.
        running: Output with the running version, if the cloud upgrades automatically.
        refused: Given the old and the new version, another reason to refuse the change; None if there is none.
    """

    def problem(change: Change) -> str | None:
        outputs, inputs = change.old_outputs or {}, change.old_inputs or {}
        old = outputs.get(running) if running else None
        old, new = old or inputs.get(key), (change.new_inputs or {}).get(key)
        if not isinstance(old, str) or not isinstance(new, str):
            return None
        if is_older(new, old):
            return (
                f"{argument}: {new!r} is older than {old!r}, which {change.name} runs, and no engine can be downgraded; "
                "leave the version as it is, or restore a backup into a new database"
            )
        reason = refused(old, new)
        return f"{argument}: {reason}" if reason else None

    return guard(place, "database-version", problem)


def guard_restore(
    place: Place, argument: str, origin: str, recorded: Callable[[Mapping[str, Any]], object]
) -> pulumi.ResourceHookBinding:
    """Hooks for the resource of a database that is to be restored: one that exists never is, since a restore makes a new one.

    The properties that restore are ignored once there is a database. The tag that names its origin is what changes, and calls this.

    Args:
        place: The deployment.
        argument: Path of the argument that asks for it, for the message.
        origin: What is to be restored, as that tag says it.
        recorded: What a database was restored from, by the inputs that made it.
    """

    def problem(change: Change) -> str | None:
        former = recorded(change.old_inputs or {})
        if former == origin:
            return None
        state = f"was restored from {former}" if former else "holds its own data"
        return (
            f"{argument}: {change.name} exists and {state}, and a restore only makes new databases: nothing was changed; take the entry "
            f"out again, and restore {origin} in a new stack (docs/restore.md)"
        )

    return guard(place, "database-restore", problem)


def every(*bindings: pulumi.ResourceHookBinding) -> pulumi.ResourceHookBinding:
    """All these hooks."""
    return pulumi.ResourceHookBinding(before_update=[hook for each in bindings for hook in each.before_update or ()])


RESTORED_FROM = "restored-from"
"""Tag of a restored database, which names its origin."""


def is_older(version: str, than: str) -> bool:
    """Whether a version precedes another one, compared on the parts that both have: 16.9 precedes 17, 17 does not precede 17.4."""
    ours, theirs = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, than))
    both = min(len(ours), len(theirs))
    return ours[:both] < theirs[:both]
