"""Databases go forward only: an engine version older than the one that runs is refused, in the preview already.

Arguments alone cannot tell, since they do not know what runs. Clouds would refuse it as well, but only when the update runs, or
would replace the database.
"""

import re

import pulumi

from .contracts import Place


def refuse_downgrade(place: Place, argument: str, key: str, running: str | None = None) -> pulumi.ResourceHookBinding:
    """Hooks for the resource of a database.

    Args:
        place: The deployment.
        argument: Path of the argument with the version.
        key: The resource's input with the version, as its provider spells it.
        running: The output that tells which version runs, where the cloud installs newer ones by itself.
    """

    def check(change: pulumi.ResourceHookArgs) -> None:
        outputs, inputs = change.old_outputs or {}, change.old_inputs or {}
        old = outputs.get(running) if running else None
        old, new = old or inputs.get(key), (change.new_inputs or {}).get(key)
        if isinstance(old, str) and isinstance(new, str) and is_older(new, old):
            raise ValueError(
                f"{argument}: {new!r} is older than {old!r}, which {change.name} runs, and no engine goes back; "
                "leave the version as it is, or restore a backup into a new database"
            )

    name = f"{place.name}-database-version"
    options = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(name, check, options)])


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another one, as far as both say: 16.9 before 17, but 17 not before 17.4."""
    ours, theirs = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, than))
    both = min(len(ours), len(theirs))
    return ours[:both] < theirs[:both]
