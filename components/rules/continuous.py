"""Continuous backups: SQLite only, and only files whose place is known."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import InClusterMysqlArgs, InClusterPostgresqlArgs, MlflowDeploymentArgs
from ..arguments.base import Problem

_PATH = ("backup", "continuous")


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What Litestream could not keep."""
    if args.backup is None or args.backup.continuous is None:
        return
    if args.database.sqlite is None and args.database.none is None and args.database.chosen is not None:
        name, kind = args.database.chosen
        if kind.made_on is not None:
            own = "it restores to any moment by itself, as long as its backups are kept: see docs/databases.md"
        elif isinstance(kind, (InClusterPostgresqlArgs, InClusterMysqlArgs)):
            own = "take backups more often by backup.schedule, or use a managed database, which restores to any moment"
        else:
            own = "have its own server archive its log, which is what its restore to a moment needs"
        message = f"is for SQLite, and the database is {to_camel(name)}"
        yield Problem(_PATH, message, f"remove it: {own}")
    basic = args.auth.basic if args.auth is not None else None
    if basic is not None and basic.existing_config is not None:
        message = "cannot know where auth.basic.existingConfig keeps the users"
        yield Problem(_PATH, message, "remove it, or give the settings in auth.basic", either=(("auth", "basic"),))
