"""Azure's resources: the SDK's classes for the type checker, light ones at run time.

Importing the SDK's classes takes a second: docs/decisions/0020-light-classes-for-expensive-sdk-modules.md. Tests create
deployments with both and compare what the engine receives.
"""

from typing import TYPE_CHECKING

from ..resources.bare import bare_class

if TYPE_CHECKING:
    from pulumi_azure_native.authorization import ManagementLockByScope, RoleAssignment
    from pulumi_azure_native.dbformysql import Configuration as MysqlConfiguration
    from pulumi_azure_native.dbformysql import Database as MysqlDatabase
    from pulumi_azure_native.dbformysql import Server as MysqlServer
    from pulumi_azure_native.dbforpostgresql import Configuration as PostgresqlConfiguration
    from pulumi_azure_native.dbforpostgresql import Database as PostgresqlDatabase
    from pulumi_azure_native.dbforpostgresql import Server as PostgresqlServer
    from pulumi_azure_native.network import PrivateDnsZoneGroup, PrivateEndpoint
    from pulumi_azure_native.storage import (
        AccessTier,
        Action,
        BlobContainer,
        BlobServiceProperties,
        DefaultAction,
        ManagementPolicy,
        PublicAccess,
        StorageAccount,
    )
else:
    AccessTier = Action = DefaultAction = PublicAccess = str
    _SERVER = {
        "outputs": ["name", "fully_qualified_domain_name"],
        "spellings": {"storage_size_gb": "storageSizeGB", "point_in_time_utc": "pointInTimeUTC"},
    }
    BlobContainer = bare_class("azure-native:storage:BlobContainer", outputs=["name"])
    BlobServiceProperties = bare_class("azure-native:storage:BlobServiceProperties")
    ManagementLockByScope = bare_class("azure-native:authorization:ManagementLockByScope")
    ManagementPolicy = bare_class("azure-native:storage:ManagementPolicy")
    MysqlConfiguration = bare_class("azure-native:dbformysql:Configuration")
    MysqlDatabase = bare_class("azure-native:dbformysql:Database", outputs=["name"])
    MysqlServer = bare_class("azure-native:dbformysql:Server", **_SERVER)
    PostgresqlConfiguration = bare_class("azure-native:dbforpostgresql:Configuration")
    PostgresqlDatabase = bare_class("azure-native:dbforpostgresql:Database", outputs=["name"])
    PostgresqlServer = bare_class("azure-native:dbforpostgresql:Server", **_SERVER)
    PrivateDnsZoneGroup = bare_class("azure-native:network:PrivateDnsZoneGroup")
    PrivateEndpoint = bare_class("azure-native:network:PrivateEndpoint")
    RoleAssignment = bare_class("azure-native:authorization:RoleAssignment")
    StorageAccount = bare_class("azure-native:storage:StorageAccount", outputs=["name"])

__all__ = [
    "AccessTier",
    "Action",
    "BlobContainer",
    "BlobServiceProperties",
    "DefaultAction",
    "ManagementLockByScope",
    "ManagementPolicy",
    "MysqlConfiguration",
    "MysqlDatabase",
    "MysqlServer",
    "PostgresqlConfiguration",
    "PostgresqlDatabase",
    "PostgresqlServer",
    "PrivateDnsZoneGroup",
    "PrivateEndpoint",
    "PublicAccess",
    "RoleAssignment",
    "StorageAccount",
]
