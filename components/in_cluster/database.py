"""Databases in the cluster: SQLite on a claim."""

from ..arguments import SqliteArgs
from ..contracts import DatabaseConnection, Engine
from ..pods.scope import Scope
from .claims import claim

_DIRECTORY = "/mlflow/database"


def sqlite(scope: Scope, args: SqliteArgs) -> DatabaseConnection:
    """A SQLite file on its own claim."""
    volume = claim(scope, "database", args.volume, _DIRECTORY)
    return DatabaseConnection(engine=Engine.SQLITE, path=f"{_DIRECTORY}/mlflow.db", volumes=[volume])
