"""Types of resources whose deletion loses something that no deployment brings back."""

import re
from collections.abc import Mapping
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands in a preview for a value that only the deployment will tell:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go."""
SECRET = "[secret]"
"""What the engine prints in place of a secret."""

_NOTHING = re.compile(
    r"^(pulumi|command|docker|null):"
    r"|:(Access|Api|Hmac|Ssh|Subscription|ServiceAccount|Account)Key$|:KeyPair$"
    r"|^gcp:serviceaccount:Key$|:(Route|Routing)Table$|:(Ecs|ecs:)Cluster$|^kubernetes:core:ServiceAccount$"
)
"""Types whose names only look as if they held data: credentials that are made anew, tables of routes."""

_HOLDERS = [
    (re.compile(pattern), what)
    for pattern, what in (
        (r"^kubernetes:core:PersistentVolumeClaim$", "claim"),
        (r"^kubernetes:core:PersistentVolume$", "volume"),
        (r"^kubernetes:core:Namespace$", "namespace with everything in it"),
        (r"^kubernetes:apiextensions\.k8s\.io:CustomResourceDefinition$", "kind of object with every object of it"),
        (r"^random:index:Random(Password|Bytes)$", "generated key or password"),
        (r":(secretsmanager|secretmanager):Secret$", "secret"),
        (r"^aws:rds:ClusterInstance$", ""),  # the data is the cluster's
        (r"^(aws|aws-native):(rds|docdb|neptune|redshift|memorydb):(Db|Global)?(Instance|Cluster)$", "database"),
        (r"^gcp:(sql|spanner|bigtable|alloydb|filestore):\w*(Instance|Cluster)$", "database"),
        (r"^gcp:sql:User$", "user of the database"),
        (r"^gcp:bigquery:Dataset$", "database"),
        (r"^azure(-native)?:(dbfor\w+|sql|mssql|mysql|postgresql|mariadb):\w*(Server|Instance)$", "database"),
        (r"^azure(-native)?:(documentdb|cosmosdb):\w*Account$", "database"),
        (r"^azure(-native)?:storage:(StorageAccount|Account)$", "storage account with all its containers"),
        (r"^azure(-native)?:storage:(Blob)?Container$", "bucket"),
        (r"^azure(-native)?:storage:BlobServiceProperties$", ""),
        (r"^azure(-native)?:resources:ResourceGroup$", "resource group with everything in it"),
        # Of any other program and provider, by the last word of the type.
        (r"(^|[a-z0-9:])(Database|Db)$", "database"),
        (r"(^|[a-z0-9:])Bucket(V2|ObjectLockConfiguration)?$", "bucket"),
        (r"(^|[a-z0-9:])(CryptoKey|Key|KeyRing|Vault|KeyVault)$", "key"),
        (r"(^|[a-z0-9:])Table$", "table"),
        (r"(^|[a-z0-9:])(Volume|Disk|FileSystem|FileShare|Share)$", "volume"),
        (r"(^|[a-z0-9:])Cluster$", "cluster"),
        (r"(^|[a-z0-9:])(UserPool|Directory)$", "directory of users"),
        (r"(^|[a-z0-9:])(Repository|BackupVault|Snapshot)$", "repository or backup"),
    )
]


def plain_type(token: str) -> str:
    """A type without what varies: `aws:rds/instance:Instance` is `aws:rds:Instance`, `kubernetes:core/v1:Secret` is
    `kubernetes:core:Secret`, and `azure-native_storage_v20240101:storage:StorageAccount` is `azure-native:storage:StorageAccount`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    return f"{package.partition('_')[0]}:{module.partition('/')[0]}:{name}"


def held_by(token: str, inputs: Mapping[str, Any]) -> str:
    """What a resource is that holds data, as a noun; empty if it holds none.

    Args:
        token: Its type.
        inputs: Its properties.
    """
    kind = plain_type(token)
    if kind == "kubernetes:apps:StatefulSet":
        spec = inputs.get("spec")
        return "set of pods with claims" if isinstance(spec, Mapping) and spec.get("volumeClaimTemplates") else ""
    if _NOTHING.search(kind):
        return ""
    return next((what for pattern, what in _HOLDERS if pattern.search(kind)), "")
