"""Continuous backups: of SQLite whose files are known, and of PostgreSQL in the cluster."""

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import InClusterMysqlArgs, MlflowDeploymentArgs
from ..arguments.base import Problem

_PATH = ("backup", "continuous")


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What Litestream or pgBackRest could not keep."""
    if args.backup is None or args.backup.continuous is None:
        return
    kept = args.database.sqlite or args.database.in_cluster_postgresql or args.database.none
    if kept is None and args.database.chosen is not None:
        name, kind = args.database.chosen
        if kind.made_on is not None:
            own = "it restores to any moment by itself, as long as its backups are kept: see docs/databases.md"
        elif isinstance(kind, InClusterMysqlArgs):
            own = "take backups more often by backup.schedule, or use a managed database, which restores to any moment"
        else:
            own = "have its own server archive its log, which is what its restore to a moment needs"
        message = f"is for SQLite and for PostgreSQL in the cluster, and the database is {to_camel(name)}"
        yield Problem(_PATH, message, f"remove it: {own}")
    if args.archives and args.backup.continuous.point_in_time is not None:
        message = "is for SQLite, and the database is inClusterPostgresql"
        fix = "remove it, and follow docs/continuous.md, Restore a moment of PostgreSQL"
        yield Problem((*_PATH, "point_in_time"), message, fix)
    azure = args.backup.destination.azure
    if args.archives and azure is not None and not azure.has_keys:
        message = "has no access key, and pgBackRest knows no workload identity on Azure"
        path = ("backup", "destination", "azure")
        yield Problem(path, message, "give accessKey or existingSecret, or another destination", either=(_PATH,))
    basic = args.auth.basic if args.auth is not None else None
    if args.database.sqlite is not None and basic is not None and basic.existing_config is not None:
        message = "cannot know where auth.basic.existingConfig keeps the users"
        yield Problem(_PATH, message, "remove it, or give the settings in auth.basic", either=(("auth", "basic"),))
