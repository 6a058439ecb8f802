"""How a new version of MLflow gets a database of an older schema."""

import enum

from .base import Block, block

__all__ = ["UpgradeArgs", "UpgradeMode"]


class UpgradeMode(enum.Enum):
    """Who stops the servers while the schema changes."""

    MANUAL = "manual"
    """You: `pulumi up` refuses while servers are connected, and names the command that stops them."""
    AUTOMATIC = "automatic"
    """`pulumi up`: the migration stops the servers, saves the database, migrates it, and starts the new version."""
    BLUE_GREEN = "blue-green"
    """The same, with a copy of the database on the same server in the place of a backup: the way back takes seconds, also where a
    migration fails half-way on MySQL. The copy stays until it is dropped."""


@block
class UpgradeArgs(Block):
    """What happens when the image expects a newer database schema than the one it finds. See docs/upgrade.md.

    Only PostgreSQL and MySQL. A SQLite database is always migrated by its server's own pod, after a copy of the file.
    """

    mode: UpgradeMode = UpgradeMode.MANUAL
    """`manual`, `automatic` or `blue-green`. The last two give the migration Job an account of its own, which may change this
    Deployment and its CronJobs, and start Jobs in the namespace if there is a `backup`. `blue-green` takes a user that may create
    databases, and room for the database once more."""
    without_backup: bool = False
    """Upgrade automatically although nothing saves the database first: a migration that fails on MySQL is then lost work, since
    MySQL cannot roll one back."""
