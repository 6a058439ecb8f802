"""Upgrades without anybody's hand: what they need of the database."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import MlflowDeploymentArgs, UpgradeMode
from ..arguments.base import Problem


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A database that can be fenced, and something to go back to."""
    if args.database.chosen is None:
        return
    mode, path = args.upgrade.mode, ("upgrade", "mode")
    copies = mode is UpgradeMode.BLUE_GREEN
    if copies and not args.database.kind.server:
        message = (
            "'blue-green' needs a database server; SQLite's file is copied by its own pod before each migration anyway"
        )
        yield Problem(path, message, "use manual")
    if not args.upgrades_itself:
        return
    if args.database.mssql is not None or args.database.sql_server is not None:
        message = f"{mode.value!r} is not possible on SQL Server, which does not tell whether servers are connected"
        yield Problem(path, message, "use manual")
        return
    if copies:
        if others := _other_databases(args):
            message = f"'blue-green' copies one database, and there is another in {' and '.join(others)}"
            yield Problem(path, message, "use automatic, or keep everything in one database")
        return
    if args.upgrade.without_backup or args.backup_before_upgrade:
        return
    kept = args.database.kind.backups
    if kept is None:
        fix = "have backups taken, or set upgrade.withoutBackup: true if you can do without"
        yield Problem(path, "'automatic' needs a backup to go back to, and none is configured", fix)
    elif kept[1] < 1:
        assert args.database.chosen is not None
        where = ".".join(to_camel(str(part)) for part in ("database", args.database.chosen[0], *kept[0]))
        fix = f"raise {where}, or set upgrade.withoutBackup: true if you can do without"
        yield Problem(path, f"'automatic' needs a backup to go back to, and {where} is 0", fix)


def _other_databases(args: MlflowDeploymentArgs) -> list[str]:
    users = args.auth.database if args.auth is not None else None
    given = {"database.registry": args.database.registry, "auth.database": users}
    return [name for name, each in given.items() if each is not None]
