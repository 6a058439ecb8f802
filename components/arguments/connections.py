"""How many connections to a database server the pods may open at once."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from .base import Path
from .database import RegistryArgs
from .deployment import MlflowDeploymentArgs
from .kinds import DatabaseBlock


@dataclass(frozen=True)
class Use:
    """What MLflow keeps in one database.

    Attributes:
        path: Where its block of arguments is.
        block: The block.
        stores: How many connection pools each process of MLflow has on it.
    """

    path: Path
    block: DatabaseBlock | RegistryArgs
    stores: int

    @property
    def granted(self) -> int | None:
        """Connections that the server grants to MLflow, as far as can be told."""
        return self.block.connection_limit if isinstance(self.block, RegistryArgs) else self.block.connections

    @property
    def limit_path(self) -> Path:
        """The field that says so, or the block where it follows from others."""
        known = any(field.name == "connection_limit" for field in fields(self.block))
        return (*self.path, "connection_limit") if known else self.path


def servers(args: MlflowDeploymentArgs) -> Iterator[list[Use]]:
    """The uses of each database server: blocks that name one host and port are of one server."""
    grouped: dict[object, list[Use]] = {}
    for use in _uses(args):
        grouped.setdefault(use.block.address or use.path, []).append(use)
    yield from grouped.values()


def per_process(args: MlflowDeploymentArgs, stores: int) -> int:
    """Connections that one process may open for so many stores."""
    return stores * (args.database.pool_size + args.database.max_overflow)


def most_pods(args: MlflowDeploymentArgs) -> int:
    """Server pods that there may be at once: all replicas, and those that a rollout starts beside them."""
    return args.most_replicas + args.server.max_surge


def needed(args: MlflowDeploymentArgs) -> int:
    """Connections that the pods may open to the database of experiments."""
    stores = next((sum(use.stores for use in uses) for uses in servers(args)), 0)
    return most_pods(args) * args.server.workers * per_process(args, stores)


def _uses(args: MlflowDeploymentArgs) -> Iterator[Use]:
    """Each store has a pool of its own, also on one database."""
    database, own = args.database, args.auth.database if args.auth is not None else None
    if database.chosen is not None:
        name, kind = database.chosen
        workspaces = args.server.workspaces is not None and args.server.workspaces.store_uri is None
        users = args.users_in_mlflow and own is None
        yield Use(("database", name), kind, database.stores + users + workspaces + args.server.job_execution)
    if database.registry is not None:
        yield Use(("database", "registry"), database.registry, 1)
    if own is not None and own.chosen is not None:
        name, kind = own.chosen
        yield Use(("auth", "database", name), kind, 1)
