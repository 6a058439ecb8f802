"""The typed arguments: one definition for stack configuration, Python callers, the JSON schema and component providers."""

from .access import (
    EgressArgs,
    NetworkPeerArgs,
    NetworkPolicyArgs,
    PolicyRuleArgs,
    RbacArgs,
    ServiceAccountArgs,
)
from .artifacts import ArtifactsArgs
from .artifacts_cloud import AzureBlobArgs, AzureDomain, AzureSecretArgs, GcsArgs, GcsSecretArgs
from .artifacts_minio import MinioArgs
from .artifacts_s3 import AddressingStyle, OssArgs, OssSecretArgs, S3Args, S3SecretArgs
from .artifacts_servers import (
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
from .auth import AdminSecretArgs, AuthArgs, AuthDatabaseArgs, AuthFileSecretArgs, BasicAuthArgs, Permission
from .aws import AwsArgs
from .aws_artifacts import AccessLogsArgs, AwsBucketArgs
from .aws_database import (
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
from .aws_identity import AlibabaRamArgs, IrsaArgs, PodIdentityArgs
from .azure import AzureArgs, AzurePrivateEndpointArgs, AzureWorkloadIdentityArgs
from .azure_artifacts import AzureContainerArgs, AzureReplication
from .azure_database import AzureFlexibleServerArgs, AzureHighAvailability
from .base import Input, Problem
from .clouds import CloudEngine
from .conversion import ConfigurationError, to_arguments
from .database import DatabaseArgs, NoDatabaseArgs, SqliteArgs
from .database_connection import (
    DatabaseSecretArgs,
    DatabaseTlsArgs,
    DatabaseUriArgs,
    DatabaseUriSecretArgs,
    TlsMode,
)
from .database_creation import (
    AwsStoreArgs,
    AzureStoreArgs,
    DatabaseCreationArgs,
    GcpStoreArgs,
    SecretsStoreArgs,
    VaultStoreArgs,
)
from .database_in_cluster import InClusterMysqlArgs, InClusterPostgresqlArgs
from .database_server import MysqlArgs, PostgresqlArgs, PostgresqlDriver
from .deployment import MlflowDeploymentArgs
from .environment import EnvFromArgs, KeyRefArgs, ValueFromArgs
from .gcp import GcpArgs, GcpDirectArgs, GcpServiceAccountArgs
from .gcp_artifacts import GcpBucketArgs, GcsStorageClass
from .gcp_database import CloudSqlArgs, CloudSqlEdition, CloudSqlPscArgs
from .identity import ExistingIdentityArgs, IdentityArgs
from .image import ImageArgs, PullPolicy
from .keys import KeysArgs, KeysSecretArgs
from .ldap import (
    BindSecretArgs,
    CertificateSecretArgs,
    LdapAuthArgs,
    LdapMember,
    LdapScope,
    LdapSearchArgs,
    LdapTlsArgs,
    LdapTlsMode,
)
from .monitoring import AlertsArgs, DashboardArgs, MonitoringArgs, ScrapeSecretArgs, ServiceMonitorArgs
from .names import NamesArgs
from .oidc import OidcAuthArgs, OidcSecretArgs, OidcTlsArgs, OidcUser
from .pod import PodArgs, ProbeArgs, ProbesArgs
from .publishing import (
    IngressArgs,
    IngressHostArgs,
    IngressPathArgs,
    IngressTlsArgs,
    ParentRefArgs,
    PathType,
    RouteArgs,
    RouteTimeoutsArgs,
)
from .resources import ResourcesArgs
from .scaling import AutoscalingArgs, DisruptionBudgetArgs, SpreadArgs
from .server import LogLevel, ServerArgs, TlsArgs, TlsSecretArgs, WorkspacesArgs
from .service import ServiceArgs, ServicePortArgs, ServiceType
from .upkeep import GarbageCollectionArgs
from .volume import AccessMode, VolumeArgs

__all__ = [
    "AccessLogsArgs",
    "AccessMode",
    "AddressingStyle",
    "AdminSecretArgs",
    "AlertsArgs",
    "AlibabaRamArgs",
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
