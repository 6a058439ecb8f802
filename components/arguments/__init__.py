"""The typed arguments: one definition for stack configuration, Python callers, the JSON schema and component providers."""

from ..reading.conversion import ConfigurationError, to_arguments
from .access.auth import AdminSecretArgs, AuthArgs, AuthDatabaseArgs, AuthFileSecretArgs, BasicAuthArgs, Permission
from .access.cluster import (
    EgressArgs,
    NetworkPeerArgs,
    NetworkPolicyArgs,
    PolicyRuleArgs,
    RbacArgs,
    ServiceAccountArgs,
)
from .access.ldap import (
    BindSecretArgs,
    CertificateSecretArgs,
    LdapAuthArgs,
    LdapMember,
    LdapScope,
    LdapSearchArgs,
    LdapTlsArgs,
    LdapTlsMode,
)
from .access.oidc import OidcAuthArgs, OidcSecretArgs, OidcTlsArgs, OidcUser
from .access.publishing import (
    IngressArgs,
    IngressHostArgs,
    IngressPathArgs,
    IngressTlsArgs,
    ParentRefArgs,
    PathType,
    RouteArgs,
    RouteTimeoutsArgs,
)
from .access.service import ServiceArgs, ServicePortArgs, ServiceType
from .artifacts import ArtifactKind, ArtifactsArgs
from .artifacts.aws import AccessLogsArgs, AwsBucketArgs
from .artifacts.azure import AzureContainerArgs, AzureReplication
from .artifacts.cloud import AzureBlobArgs, AzureDomain, AzureSecretArgs, GcsArgs, GcsSecretArgs
from .artifacts.gcp import GcpBucketArgs, GcsStorageClass
from .artifacts.minio import MinioArgs
from .artifacts.s3 import AddressingStyle, OssArgs, OssSecretArgs, S3Args, S3SecretArgs
from .artifacts.servers import (
    FtpArgs,
    FtpSecretArgs,
    HdfsArgs,
    NfsArgs,
    SftpArgs,
    SftpSecretArgs,
    TicketCacheArgs,
    UriArgs,
    UriSecretArgs,
)
from .base import Input, Problem
from .clouds.aws import AwsArgs
from .clouds.azure import AzureArgs, AzurePrivateEndpointArgs, AzureWorkloadIdentityArgs
from .clouds.gcp import GcpArgs, GcpDirectArgs, GcpServiceAccountArgs
from .clouds.names import CloudEngine
from .database import DatabaseArgs, DatabaseKind, NoDatabaseArgs, SqliteArgs
from .database.aws import (
    AuroraArgs,
    AwsBackupArgs,
    AwsDatabaseTlsArgs,
    AwsEngine,
    AwsMaintenanceArgs,
    AwsMonitoringArgs,
    CertificateAuthority,
    ProvisionedArgs,
    RdsArgs,
    ServerlessV2Args,
)
from .database.azure import AzureFlexibleServerArgs, AzureHighAvailability
from .database.connection import (
    DatabaseSecretArgs,
    DatabaseTlsArgs,
    DatabaseUriArgs,
    DatabaseUriSecretArgs,
    MssqlArgs,
    RegistryArgs,
    TlsMode,
)
from .database.creation import (
    AwsStoreArgs,
    AzureStoreArgs,
    DatabaseCreationArgs,
    GcpStoreArgs,
    SecretsStoreArgs,
    VaultStoreArgs,
)
from .database.gcp import CloudSqlArgs, CloudSqlEdition, CloudSqlPscArgs
from .database.in_cluster import InClusterMysqlArgs, InClusterPostgresqlArgs
from .database.server import MysqlArgs, PostgresqlArgs, PostgresqlDriver
from .deployment import MlflowDeploymentArgs
from .garbage_collection import GarbageCollectionArgs
from .identity import ExistingIdentityArgs, IdentityArgs, IdentityKind
from .identity.aws import AlibabaRamArgs, IrsaArgs, PodIdentityArgs
from .monitoring import AlertsArgs, DashboardArgs, MonitoringArgs, ScrapeSecretArgs, ServiceMonitorArgs
from .names import NamesArgs
from .server.environment import EnvFromArgs, KeyRefArgs, ValueFromArgs
from .server.image import ImageArgs, PullPolicy
from .server.keys import KeysArgs, KeysSecretArgs
from .server.pod import PodArgs, ProbeArgs, ProbesArgs
from .server.resources import ResourcesArgs
from .server.scaling import AutoscalingArgs, DisruptionBudgetArgs, SpreadArgs
from .server.server import LogLevel, ServerArgs, TlsArgs, TlsSecretArgs, WorkspacesArgs
from .volume import AccessMode, VolumeArgs

__all__ = [
    "AccessLogsArgs",
    "AccessMode",
    "AddressingStyle",
    "AdminSecretArgs",
    "AlertsArgs",
    "AlibabaRamArgs",
    "ArtifactKind",
    "ArtifactsArgs",
    "AuroraArgs",
    "AuthArgs",
    "AuthDatabaseArgs",
    "AuthFileSecretArgs",
    "AutoscalingArgs",
    "AwsArgs",
    "AwsBackupArgs",
    "AwsBucketArgs",
    "AwsDatabaseTlsArgs",
    "AwsEngine",
    "AwsMaintenanceArgs",
    "AwsMonitoringArgs",
    "AwsStoreArgs",
    "AzureArgs",
    "AzureBlobArgs",
    "AzureContainerArgs",
    "AzureDomain",
    "AzureFlexibleServerArgs",
    "AzureHighAvailability",
    "AzurePrivateEndpointArgs",
    "AzureReplication",
    "AzureSecretArgs",
    "AzureStoreArgs",
    "AzureWorkloadIdentityArgs",
    "BasicAuthArgs",
    "BindSecretArgs",
    "CertificateAuthority",
    "CertificateSecretArgs",
    "CloudEngine",
    "CloudSqlArgs",
    "CloudSqlEdition",
    "CloudSqlPscArgs",
    "ConfigurationError",
    "DashboardArgs",
    "DatabaseArgs",
    "DatabaseCreationArgs",
    "DatabaseKind",
    "DatabaseSecretArgs",
    "DatabaseTlsArgs",
    "DatabaseUriArgs",
    "DatabaseUriSecretArgs",
    "DisruptionBudgetArgs",
    "EgressArgs",
    "EnvFromArgs",
    "ExistingIdentityArgs",
    "FtpArgs",
    "FtpSecretArgs",
    "GarbageCollectionArgs",
    "GcpArgs",
    "GcpBucketArgs",
    "GcpDirectArgs",
    "GcpServiceAccountArgs",
    "GcpStoreArgs",
    "GcsArgs",
    "GcsSecretArgs",
    "GcsStorageClass",
    "HdfsArgs",
    "IdentityArgs",
    "IdentityKind",
    "ImageArgs",
    "InClusterMysqlArgs",
    "InClusterPostgresqlArgs",
    "IngressArgs",
    "IngressHostArgs",
    "IngressPathArgs",
    "IngressTlsArgs",
    "Input",
    "IrsaArgs",
    "KeyRefArgs",
    "KeysArgs",
    "KeysSecretArgs",
    "LdapAuthArgs",
    "LdapMember",
    "LdapScope",
    "LdapSearchArgs",
    "LdapTlsArgs",
    "LdapTlsMode",
    "LogLevel",
    "MinioArgs",
    "MlflowDeploymentArgs",
    "MonitoringArgs",
    "MssqlArgs",
    "MysqlArgs",
    "NamesArgs",
    "NetworkPeerArgs",
    "NetworkPolicyArgs",
    "NfsArgs",
    "NoDatabaseArgs",
    "OidcAuthArgs",
    "OidcSecretArgs",
    "OidcTlsArgs",
    "OidcUser",
    "OssArgs",
    "OssSecretArgs",
    "ParentRefArgs",
    "PathType",
    "Permission",
    "PodArgs",
    "PodIdentityArgs",
    "PolicyRuleArgs",
    "PostgresqlArgs",
    "PostgresqlDriver",
    "ProbeArgs",
    "ProbesArgs",
    "Problem",
    "ProvisionedArgs",
    "PullPolicy",
    "RbacArgs",
    "RdsArgs",
    "RegistryArgs",
    "ResourcesArgs",
    "RouteArgs",
    "RouteTimeoutsArgs",
    "S3Args",
    "S3SecretArgs",
    "ScrapeSecretArgs",
    "SecretsStoreArgs",
    "ServerArgs",
    "ServerlessV2Args",
    "ServiceAccountArgs",
    "ServiceArgs",
    "ServiceMonitorArgs",
    "ServicePortArgs",
    "ServiceType",
    "SftpArgs",
    "SftpSecretArgs",
    "SpreadArgs",
    "SqliteArgs",
    "TicketCacheArgs",
    "TlsArgs",
    "TlsMode",
    "TlsSecretArgs",
    "UriArgs",
    "UriSecretArgs",
    "ValueFromArgs",
    "VaultStoreArgs",
    "VolumeArgs",
    "WorkspacesArgs",
    "to_arguments",
]
