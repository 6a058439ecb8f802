"""The maker of each kind of database, artifact store and identity. The type checker reports a kind that is not matched."""

from collections.abc import Sequence
from typing import TypeVar

import pulumi
from typing_extensions import assert_never

from .alibaba.artifacts import oss
from .alibaba.identity import identity as alibaba_identity
from .arguments import (
    AlibabaRamArgs,
    AuroraArgs,
    AuthDatabaseArgs,
    AwsBucketArgs,
    AzureContainerArgs,
    AzureFlexibleServerArgs,
    AzureWorkloadIdentityArgs,
    BackupArgs,
    BackupVolumeArgs,
    CloudSqlArgs,
    DatabaseUriArgs,
    ExistingIdentityArgs,
    GcpBucketArgs,
    GcpDirectArgs,
    GcpServiceAccountArgs,
    InClusterMysqlArgs,
    InClusterPostgresqlArgs,
    IrsaArgs,
    MinioArgs,
    MssqlArgs,
    MysqlArgs,
    NfsArgs,
    NoDatabaseArgs,
    OssArgs,
    PodIdentityArgs,
    PostgresqlArgs,
    RdsArgs,
    SqliteArgs,
    SqlServerArgs,
    VolumeArgs,
)
from .arguments.kinds import CloudName
from .contracts import ArtifactStore, Cloud, DatabaseConnection, Place, Storage, WorkloadIdentity
from .existing import artifacts as existing_artifacts
from .existing import database as existing_database
from .existing import storage as existing_storage
from .existing.identity import identity as existing_identity
from .in_cluster import artifacts as in_cluster_artifacts
from .in_cluster import backup as in_cluster_backup
from .in_cluster import database as in_cluster_database
from .in_cluster import database_server as in_cluster_server
from .in_cluster.archive import Archive
from .in_cluster.minio import minio
from .in_cluster.nfs import nfs
from .pods.backup_place import BackupPlace
from .pods.scope import Scope

T = TypeVar("T")


def cloud(place: Place) -> Cloud | None:
    """The cloud on which this stack creates something, whose SDK is only imported then; None if there is none."""
    match place.args.cloud:
        case CloudName.AWS:
            from .aws import cloud as aws

            return aws.Cloud(place)
        case CloudName.GCP:
            from .gcp import cloud as gcp

            return gcp.Cloud(place)
        case CloudName.AZURE:
            from .azure import cloud as azure

            return azure.Cloud(place)
        case None:
            return None


def identity(place: Place, cloud: Cloud | None) -> WorkloadIdentity:
    """The identity of the pods on their cloud; an existing one unless the arguments choose another kind."""
    kind = ExistingIdentityArgs() if place.args.identity is None else place.args.identity.kind
    match kind:
        case ExistingIdentityArgs():
            return existing_identity(place, kind)
        case AlibabaRamArgs():
            return alibaba_identity(kind)
        case IrsaArgs() | PodIdentityArgs() | GcpServiceAccountArgs() | GcpDirectArgs() | AzureWorkloadIdentityArgs():
            return _created(cloud.identity() if cloud else None)
        case _:
            assert_never(kind)


def archive(scope: Scope, backups: BackupPlace | None) -> Archive | None:
    """Where a PostgreSQL server in the cluster archives its log; None if it does not."""
    continuous = scope.args.backup.continuous if scope.args.backup is not None else None
    return Archive(scope, continuous, backups) if scope.args.archives and continuous and backups else None


def database(
    scope: Scope, cloud: Cloud | None, first: Sequence[pulumi.Resource], archive: Archive | None
) -> DatabaseConnection | None:
    """The backend store; None without one.

    Args:
        scope: The deployment.
        cloud: The cloud on which this stack creates something.
        first: First objects in the cluster, which generated passwords wait for.
        archive: Where a PostgreSQL server in the cluster archives its log.
    """
    kind = scope.args.database.kind
    match kind:
        case NoDatabaseArgs():
            return None
        case SqliteArgs():
            return in_cluster_database.sqlite(scope, kind)
        case InClusterPostgresqlArgs():
            return in_cluster_server.postgresql(scope, kind, archive)
        case InClusterMysqlArgs():
            return in_cluster_server.mysql(scope, kind)
        case PostgresqlArgs():
            return existing_database.postgresql(scope, kind, first)
        case MysqlArgs():
            return existing_database.mysql(scope, kind, first)
        case SqlServerArgs():
            return existing_database.sql_server(kind)
        case DatabaseUriArgs():
            return existing_database.uri(kind, "database.uri")
        case MssqlArgs():
            return existing_database.uri(kind, "database.mssql")
        case RdsArgs() | AuroraArgs() | CloudSqlArgs() | AzureFlexibleServerArgs():
            return _created(cloud.database() if cloud else None)
        case _:
            assert_never(kind)


def registry(scope: Scope) -> DatabaseConnection | None:
    """The separate database of the model registry, if there is one."""
    args = scope.args.database.registry
    return None if args is None else existing_database.uri(args, "database.registry")


def users(scope: Scope) -> DatabaseConnection | None:
    """The separate database of users, if there is one."""
    args: AuthDatabaseArgs | None = None if scope.args.auth is None else scope.args.auth.database
    if args is None:
        return None
    kind = args.kind
    match kind:
        case PostgresqlArgs():
            return existing_database.postgresql(scope, kind, [])
        case MysqlArgs():
            return existing_database.mysql(scope, kind, [])
        case DatabaseUriArgs():
            return existing_database.uri(kind, "auth.database.uri")
        case _:
            assert_never(kind)


def artifacts(scope: Scope, cloud: Cloud | None) -> ArtifactStore:
    """The artifact store."""
    kind = scope.args.artifacts.kind
    match kind:
        case VolumeArgs():
            return in_cluster_artifacts.volume(scope, kind)
        case MinioArgs():
            return minio(scope, kind)
        case NfsArgs():
            return nfs(scope, kind)
        case OssArgs():
            return oss(kind)
        case AwsBucketArgs() | GcpBucketArgs() | AzureContainerArgs():
            return _created(cloud.artifacts() if cloud else None)
        case _:
            return existing_artifacts.store(kind)


def backup_destination(scope: Scope, args: BackupArgs) -> Storage:
    """Where backups go."""
    kind = args.destination.kind
    return (
        in_cluster_backup.volume(scope, kind)
        if isinstance(kind, BackupVolumeArgs)
        else existing_storage.destination(kind)
    )


def _created(made: T | None) -> T:
    assert made is not None, "the cloud that a kind is created on creates it"
    return made
