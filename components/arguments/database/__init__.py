"""The backend store: where MLflow keeps experiments, runs, models and users."""

from collections.abc import Iterable

from ..base import Problem, block
from ..checks import between
from ..kinds import Choice, DatabaseBlock, MlflowImage
from . import aws, azure, connection, creation, gcp, in_cluster, mysql, postgresql, sqlite, uri
from .aws import *
from .azure import *
from .connection import *
from .creation import *
from .gcp import *
from .in_cluster import *
from .mysql import *
from .postgresql import *
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
    """PostgreSQL server that exists already."""
    mysql: MysqlArgs | None = None
    """MySQL or MariaDB server that exists already."""
    mssql: MssqlArgs | None = None
    """SQL Server that exists already, by its URI (`mssql+pymssql://…`)."""
    uri: DatabaseUriArgs | None = None
    """Any database server that MLflow has a schema for, by its URI."""
    in_cluster_postgresql: InClusterPostgresqlArgs | None = None
    """PostgreSQL server that is made in the cluster."""
    in_cluster_mysql: InClusterMysqlArgs | None = None
    """MariaDB server that is made in the cluster."""
    rds: RdsArgs | None = None
    """Instance of RDS that is made on AWS."""
    aurora: AuroraArgs | None = None
    """Aurora cluster that is made on AWS."""
    cloud_sql: CloudSqlArgs | None = None
    """Cloud SQL instance that is made on Google Cloud."""
    azure_flexible_server: AzureFlexibleServerArgs | None = None
    """Flexible server that is made on Azure."""
    none: NoDatabaseArgs | None = None
    """No database, with `server.artifactsOnly`."""
    registry: RegistryArgs | None = None
    """A second database server for the model registry alone, by its URI; the same database if not given. Variables such
    as PGSSLMODE, by which a `postgresql` block is passed on, hold for it too, where its URI does not say otherwise."""
    pool_size: int = 5
    """Connections that each process of a pod keeps open, per store."""
    max_overflow: int = 5
    """Connections that each process may open on top under load, per store. MLflow ignores 0."""
    pool_recycle_seconds: int = 1800
    """Age at which a pooled connection is replaced, in seconds."""
    connect_timeout_seconds: int = 120
    """How long the migration waits for the database to answer before it fails with the reason, in seconds."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`sqlite: {}` for development")
        yield from between(self.pool_size, 1, 100, "pool_size", "connections")
        yield from between(self.max_overflow, 1, 100, "max_overflow", "connections")
        yield from between(self.pool_recycle_seconds, 10, 86_400, "pool_recycle_seconds", "seconds")
        yield from between(self.connect_timeout_seconds, 1, 3600, "connect_timeout_seconds", "seconds")

    @property
    def stores(self) -> int:
        """How many connection pools each process of MLflow has on it: tracking store and model registry each keep one,
        also on the same database."""
        return 2 if self.registry is None else 1
