"""The database must grant enough connections, respond in time, and be reachable."""

from collections.abc import Iterator
from dataclasses import fields

from ..arguments import DatabaseUriArgs, MlflowDeploymentArgs, MssqlArgs, RegistryArgs
from ..arguments.base import Problem
from ..arguments.checks import counted
from ..arguments.connections import Use, most_pods, per_process, servers


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Connections, timeouts and ports of every database."""
    for uses in servers(args):
        yield from _budget(args, uses)
    if args.database.chosen is not None and args.database.kind.server:
        yield from _time(args)
    if args.network_policy is not None:
        yield from _unknown_ports(args)


def _budget(args: MlflowDeploymentArgs, uses: list[Use]) -> Iterator[Problem]:
    pods, workers, surge = most_pods(args), args.server.workers, args.server.max_surge
    each = per_process(args, sum(use.stores for use in uses))
    most = pods * workers * each
    for use in uses:
        granted = use.granted
        if granted is not None and most > granted:
            yield Problem(
                use.limit_path,
                f"{counted(pods, 'pod')} ({surge} of them during a rollout) x {counted(workers, 'process')} "
                f"x {counted(each, 'connection')} = {most}, but the database grants {granted}",
                "lower database.poolSize or database.maxOverflow, or raise the database's limit",
                # What it grants follows from them.
                either=tuple((*use.path, field.name) for field in fields(use.block)),
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
        if by_uri and block.value is None and block.port is None:
            yield Problem(
                (*where, "port"),
                "is required with networkPolicy, which cannot know it from a URI that is read in the pod",
                "give the port of the database server",
            )
