"""Refuse to downgrade a database engine, already at preview.

The arguments alone cannot tell, since they do not know the running version. Clouds would refuse a downgrade, too, but only
during the update, or they would replace the database.
"""

import re

import pulumi

from ..contracts import Place


def refuse_downgrade(place: Place, argument: str, key: str, running: str | None = None) -> pulumi.ResourceHookBinding:
    """Hooks for the resource of a database.

    Args:
        place: The deployment.
        argument: Path of the argument that sets the version, for the message.
        key: Input of the resource that sets the version, as its provider spells it.
        running: Output with the running version, if the cloud upgrades automatically.
    """

    def check(change: pulumi.ResourceHookArgs) -> None:
        outputs, inputs = change.old_outputs or {}, change.old_inputs or {}
        old = outputs.get(running) if running else None
        old, new = old or inputs.get(key), (change.new_inputs or {}).get(key)
        if isinstance(old, str) and isinstance(new, str) and is_older(new, old):
            raise ValueError(
                f"{argument}: {new!r} is older than {old!r}, which {change.name} runs, and no engine can be downgraded; "
                "leave the version as it is, or restore a backup into a new database"
            )

    name = f"{place.name}-database-version"
    options = pulumi.ResourceHookOptions(on_dry_run=True)
    return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(name, check, options)])


def is_older(version: str, than: str) -> bool:
    """Whether a version precedes another one, compared on the parts that both have: 16.9 precedes 17, 17 does not precede 17.4."""
    ours, theirs = ([int(number) for number in re.findall(r"\d+", text)] for text in (version, than))
    both = min(len(ours), len(theirs))
    return ours[:both] < theirs[:both]
