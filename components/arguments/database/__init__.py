"""The backend store, which holds experiments, runs, registered models and users."""

from collections.abc import Iterable

from ..base import Problem, block
from ..checks import between
from ..kinds import Choice, DatabaseBlock, MlflowImage
from . import aws, azure, connection, creation, gcp, in_cluster, mysql, postgresql, restore, sql_server, sqlite, uri
from .aws import *
from .azure import *
from .connection import *
from .creation import *
from .gcp import *
from .in_cluster import *
from .mysql import *
from .postgresql import *
from .restore import *
from .sql_server import *
from .sqlite import *
from .uri import *

__all__ = ["DatabaseArgs", "DatabaseKind", "NoDatabaseArgs"]
__all__ += aws.__all__
__all__ += azure.__all__
__all__ += connection.__all__
__all__ += creation.__all__
__all__ += gcp.__all__
__all__ += in_cluster.__all__
__all__ += mysql.__all__
__all__ += postgresql.__all__
__all__ += restore.__all__
__all__ += sql_server.__all__
__all__ += sqlite.__all__
__all__ += uri.__all__


@block
class NoDatabaseArgs(DatabaseBlock):
    """No database: for a server that only serves artifacts."""

    server = False
    mlflow_image = MlflowImage.BASE


DatabaseKind = (
    SqliteArgs
    | PostgresqlArgs
    | MysqlArgs
    | SqlServerArgs
    | MssqlArgs
    | DatabaseUriArgs
    | InClusterPostgresqlArgs
    | InClusterMysqlArgs
    | RdsArgs
    | AuroraArgs
    | CloudSqlArgs
    | AzureFlexibleServerArgs
    | NoDatabaseArgs
)


@block
class DatabaseArgs(Choice[DatabaseKind]):
    """Exactly one kind of backend store, and how MLflow connects to it."""

    sqlite: SqliteArgs | None = None
    """SQLite file on a persistent volume."""
    postgresql: PostgresqlArgs | None = None
    """Existing PostgreSQL server."""
    mysql: MysqlArgs | None = None
    """Existing MySQL or MariaDB server."""
    sql_server: SqlServerArgs | None = None
    """Existing Microsoft SQL Server."""
    mssql: MssqlArgs | None = None
    """Existing SQL Server, by its URI (`mssql+pymssql://…`)."""
    uri: DatabaseUriArgs | None = None
    """Any database server that MLflow has a schema for, by its URI."""
    in_cluster_postgresql: InClusterPostgresqlArgs | None = None
    """PostgreSQL server in the cluster, created by this stack."""
    in_cluster_mysql: InClusterMysqlArgs | None = None
    """MariaDB server in the cluster, created by this stack."""
    rds: RdsArgs | None = None
    """RDS instance created by this stack."""
    aurora: AuroraArgs | None = None
    """Aurora cluster created by this stack."""
    cloud_sql: CloudSqlArgs | None = None
    """Cloud SQL instance created by this stack."""
    azure_flexible_server: AzureFlexibleServerArgs | None = None
    """Azure Database flexible server created by this stack."""
    none: NoDatabaseArgs | None = None
    """No database, with `server.artifactsOnly`."""
    registry: RegistryArgs | None = None
    """Separate database server for the model registry, by its URI; the same database if not given. The settings of a
    `postgresql` block (PGSSLMODE and the like) also apply to it, unless its URI overrides them."""
    pool_size: int = 5
    """Connections that each process of a pod keeps open, per store."""
    max_overflow: int = 5
    """Additional connections that each process may open under load, per store. MLflow ignores 0."""
    pool_recycle_seconds: int = 1800
    """Age at which a pooled connection is replaced, in seconds."""
    silence_timeout_seconds: int = 30
    """How long a database host may say nothing before its connections count as lost and others are opened, in seconds. On MySQL
    this also ends a statement of the server that runs longer; on PostgreSQL, and in migrations and garbage collection, statements
    take as long as they need. Options of a URI that is given go first."""
    connect_timeout_seconds: int = 120
    """How long the migration waits for the database to answer before it fails with the reason, in seconds."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`sqlite: {}` for development")
        yield from between(self.pool_size, 1, 100, "pool_size", "connections")
        yield from between(self.max_overflow, 1, 100, "max_overflow", "connections")
        yield from between(self.pool_recycle_seconds, 10, 86_400, "pool_recycle_seconds", "seconds")
        yield from between(self.silence_timeout_seconds, 5, 600, "silence_timeout_seconds", "seconds")
        yield from between(self.connect_timeout_seconds, 1, 3600, "connect_timeout_seconds", "seconds")

    @property
    def stores(self) -> int:
        """How many connection pools each MLflow process has on it: tracking store and model registry each keep one, even
        on the same database."""
        return 2 if self.registry is None else 1
