"""Automatic upgrades: what they need of the database."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A database that can be fenced, and something to go back to."""
    if not args.upgrades_itself:
        return
    if args.database.mssql is not None:
        message = "'automatic' is not possible on SQL Server, which does not tell whether servers are connected"
        yield Problem(("upgrade", "mode"), message, "use manual")
        return
    if args.upgrade.without_backup or args.backup_before_upgrade:
        return
    kept = args.database.kind.backups
    if kept is None:
        fix = "have backups taken, or set upgrade.withoutBackup: true if you can do without"
        yield Problem(("upgrade", "mode"), "'automatic' needs a backup to go back to, and none is configured", fix)
    elif kept[1] < 1:
        assert args.database.chosen is not None
        where = ".".join(to_camel(str(part)) for part in ("database", args.database.chosen[0], *kept[0]))
        fix = f"raise {where}, or set upgrade.withoutBackup: true if you can do without"
        yield Problem(("upgrade", "mode"), f"'automatic' needs a backup to go back to, and {where} is 0", fix)
