"""The database must grant enough connections, respond in time, and be reachable."""

from collections.abc import Iterator
from dataclasses import fields

from ..arguments import DatabaseUriArgs, MlflowDeploymentArgs, MssqlArgs, RegistryArgs
from ..arguments.base import Path, Problem
from ..arguments.checks import counted


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Connections, timeouts and ports of the database and of a separate registry."""
    database, registry = args.database, args.database.registry
    if database.chosen is not None:
        name, kind = database.chosen
        known = any(field.name == "connection_limit" for field in fields(kind))
        users = args.auth is not None and args.auth.database is None
        where = (name, "connection_limit") if known else (name,)
        yield from _budget(args, where, kind.connections, database.stores + users)
        if kind.server:
            yield from _time(args)
    if registry is not None:
        yield from _budget(args, ("registry", "connection_limit"), registry.connection_limit, 1)
    if args.network_policy is not None:
        yield from _unknown_ports(args)


def _budget(args: MlflowDeploymentArgs, where: Path, granted: int | None, stores: int) -> Iterator[Problem]:
    surge, workers = args.server.max_surge, args.server.workers
    pods = args.most_replicas + surge
    per_process = stores * (args.database.pool_size + args.database.max_overflow)
    most = pods * workers * per_process
    if granted is not None and most > granted:
        yield Problem(
            ("database", *where),
            f"{counted(pods, 'pod')} ({surge} of them during a rollout) x {counted(workers, 'process')} "
            f"x {counted(per_process, 'connection')} = {most}, but the database grants {granted}",
            "lower database.poolSize or database.maxOverflow, or raise the database's limit",
        )


def _time(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    connect = args.database.connect_timeout_seconds
    if 1 <= args.migration_timeout_seconds <= connect:
        yield Problem(
            ("migration_timeout_seconds",),
            f"{args.migration_timeout_seconds} is no more than database.connectTimeoutSeconds, {connect}: "
            "the migration would be stopped before it can report why the database does not respond",
            "raise it, or lower database.connectTimeoutSeconds",
        )


def _unknown_ports(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    users = args.auth.database.uri if args.auth is not None and args.auth.database is not None else None
    name, chosen = args.database.chosen or ("", None)
    for where, block in (
        (("database", name), chosen),
        (("database", "registry"), args.database.registry),
        (("auth", "database", "uri"), users),
    ):
        by_uri = isinstance(block, (DatabaseUriArgs, MssqlArgs, RegistryArgs))
        if by_uri and block.existing_secret is not None and block.port is None:
            yield Problem(
                (*where, "port"),
                "is required with networkPolicy, which cannot know it from a URI in a Secret",
                "give the port of the database server",
            )
