"""What holds data and what protects it, by types and properties as the providers have them."""

import json
import subprocess
import sys
from typing import Any

import pytest

from components.protection import GUARDS, SETTINGS, UNKNOWN, held_by, plain_type
from toolchain.paths import ROOT

NAMED = {each.name: each for each in SETTINGS}
OPEN = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
EXACT = json.dumps({"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"}]})
EVERYONE = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}]}
)
SAFE_POD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "a", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def workload(pod: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod}}}


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "aws-database-deletion-protection": ("aws:rds/instance:Instance", {"deletionProtection": True}, {"deletionProtection": False}),
    "aws-database-encrypted": ("aws:rds/cluster:Cluster", {"storageEncrypted": True}, {}),
    "aws-database-private": ("aws:rds/clusterInstance:ClusterInstance", {}, {"publiclyAccessible": True}),
    "aws-database-backups": ("aws:rds/instance:Instance", {"backupRetentionPeriod": 14}, {"backupRetentionPeriod": 0}),
    "aws-cluster-backups": ("aws:rds/cluster:Cluster", {"backupRetentionPeriod": 14}, {}),
    "aws-database-final-snapshot": ("aws:rds/instance:Instance", {}, {"skipFinalSnapshot": True}),
    "aws-database-kept-backups": ("aws:rds/instance:Instance", {"deleteAutomatedBackups": False}, {}),
    "aws-database-tls": (
        "aws:rds/parameterGroup:ParameterGroup",
        {"parameters": [{"name": "rds.force_ssl", "value": "1"}]},
        {"parameters": [{"name": "rds.force_ssl", "value": "0"}]},
    ),
    "aws-mysql-tls": (
        "aws:rds/clusterParameterGroup:ClusterParameterGroup",
        {"parameters": [{"name": "require_secure_transport", "value": "ON"}]},
        {"parameters": [{"name": "require_secure_transport", "value": "OFF"}]},
    ),
    "aws-bucket-public-acls": ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"blockPublicAcls": True}, {}),
    "aws-bucket-ignored-acls": ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"ignorePublicAcls": True}, {}),
    "aws-bucket-public-policies": ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"blockPublicPolicy": True}, {}),
    "aws-bucket-restricted": ("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"restrictPublicBuckets": True}, {}),
    "aws-bucket-versions": (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    "aws-bucket-encrypted": (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
        {"rules": []},
    ),
    "aws-bucket-kept": ("aws:s3/bucket:Bucket", {}, {"forceDestroy": True}),
    "aws-bucket-acl": ("aws:s3/bucket:Bucket", {"acl": "private"}, {"acl": "public-read"}),
    "aws-bucket-policy": ("aws:s3/bucketPolicy:BucketPolicy", {"policy": EXACT}, {"policy": EVERYONE}),
    "aws-key-enabled": ("aws:kms/key:Key", {}, {"isEnabled": False}),
    "aws-key-deletion": ("aws:kms/key:Key", {"deletionWindowInDays": 30}, {"deletionWindowInDays": 6}),
    "aws-key-rotation": ("aws:kms/key:Key", {"enableKeyRotation": True}, {}),
    "aws-iam-wildcards": ("aws:iam/rolePolicy:RolePolicy", {"policy": EXACT}, {"policy": OPEN}),
    "aws-ports": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "10.0.0.0/8", "fromPort": 5432, "toPort": 5432},
        {"cidrIpv4": "0.0.0.0/0", "fromPort": 5432, "toPort": 5432},
    ),
    "gcp-database-deletion-protection": ("gcp:sql/databaseInstance:DatabaseInstance", {}, {"deletionProtection": False}),
    "gcp-database-api-protection": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"deletionProtectionEnabled": True}},
        {},
    ),
    "gcp-database-backups": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"backupConfiguration": {"enabled": True}}},
        {"settings": {"backupConfiguration": {"enabled": False}}},
    ),
    "gcp-database-retention": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"backupConfiguration": {"backupRetentionSettings": {"retainedBackups": 14}}}},
        {"settings": {"backupConfiguration": {"backupRetentionSettings": {"retainedBackups": 1}}}},
    ),
    "gcp-database-point-in-time": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"backupConfiguration": {"pointInTimeRecoveryEnabled": True}}},
        {},
    ),
    "gcp-database-private": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"ipv4Enabled": False}}},
        {"settings": {}},
    ),
    "gcp-database-networks": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"authorizedNetworks": [{"value": "192.0.2.0/24"}]}}},
        {"settings": {"ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]}}},
    ),
    "gcp-database-tls": (
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}}},
        {"settings": {"ipConfiguration": {"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}}},
    ),
    "gcp-bucket-private": ("gcp:storage/bucket:Bucket", {"publicAccessPrevention": "enforced"}, {}),
    "gcp-bucket-uniform": ("gcp:storage/bucket:Bucket", {"uniformBucketLevelAccess": True}, {}),
    "gcp-bucket-versions": ("gcp:storage/bucket:Bucket", {"versioning": {"enabled": True}}, {}),
    "gcp-bucket-soft-delete": ("gcp:storage/bucket:Bucket", {}, {"softDeletePolicy": {"retentionDurationSeconds": 0}}),
    "gcp-bucket-kept": ("gcp:storage/bucket:Bucket", {}, {"forceDestroy": True}),
    "gcp-iam-everyone": ("gcp:storage/bucketIAMMember:BucketIAMMember", {"member": "user:a@example.com"}, {"member": "allUsers"}),
    "gcp-iam-basic-roles": ("gcp:projects/iAMMember:IAMMember", {"role": "roles/cloudsql.client"}, {"role": "roles/editor"}),
    "azure-database-backups": (
        "azure-native:dbforpostgresql:Server",
        {"backup": {"backupRetentionDays": 14}},
        {"backup": {"backupRetentionDays": 1}},
    ),
    "azure-database-private": (
        "azure-native:dbformysql:Server",
        {"network": {"delegatedSubnetResourceId": "s"}},
        {"network": {"publicNetworkAccess": "Enabled"}},
    ),
    "azure-database-tls": (
        "azure-native:dbforpostgresql:Configuration",
        {"configurationName": "require_secure_transport", "value": "on"},
        {"configurationName": "require_secure_transport", "value": "off"},
    ),
    "azure-bucket-private": ("azure-native:storage:StorageAccount", {}, {"allowBlobPublicAccess": True}),
    "azure-bucket-tls": ("azure-native:storage:StorageAccount", {}, {"enableHttpsTrafficOnly": False}),
    "azure-bucket-tls-version": ("azure-native:storage:StorageAccount", {"minimumTlsVersion": "TLS1_2"}, {"minimumTlsVersion": "TLS1_0"}),
    "azure-bucket-keys": ("azure-native:storage:StorageAccount", {"allowSharedKeyAccess": False}, {}),
    "azure-bucket-network": ("azure-native:storage:StorageAccount", {"publicNetworkAccess": "Disabled"}, {}),
    "azure-container-private": ("azure-native:storage:BlobContainer", {"publicAccess": "None"}, {"publicAccess": "Blob"}),
    "azure-bucket-versions": ("azure-native:storage:BlobServiceProperties", {"isVersioningEnabled": True}, {}),
    "azure-bucket-soft-delete": (
        "azure-native:storage:BlobServiceProperties",
        {"deleteRetentionPolicy": {"enabled": True}},
        {"deleteRetentionPolicy": {"enabled": False}},
    ),
    "azure-bucket-soft-delete-days": (
        "azure-native:storage:BlobServiceProperties",
        {"deleteRetentionPolicy": {"days": 30}},
        {"deleteRetentionPolicy": {"days": 1}},
    ),
    "azure-container-soft-delete": (
        "azure-native:storage:BlobServiceProperties",
        {"containerDeleteRetentionPolicy": {"enabled": True}},
        {},
    ),
    "azure-vault-purge": ("azure-native:keyvault:Vault", {"properties": {"enablePurgeProtection": True}}, {"properties": {}}),
    "azure-iam-broad-roles": (
        "azure-native:authorization:RoleAssignment",
        {"roleDefinitionId": "/x/ba92f5b4-2d11-453d-a403-e96b0029c9fe"},
        {"roleDefinitionId": "/x/b24988ac-6180-42a0-ab88-20f7382dd24c"},
    ),
    "kubernetes-no-host-access": ("kubernetes:apps/v1:DaemonSet", workload(SAFE_POD), workload({"hostNetwork": True})),
    "kubernetes-restricted-pods": ("kubernetes:apps/v1:Deployment", workload(SAFE_POD), workload({"containers": [{"name": "a"}]})),
    "kubernetes-rbac-wildcards": (
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        {"rules": [{"resources": ["pods"], "verbs": ["*"]}]},
        {"rules": [{"resources": ["*"], "verbs": ["*"]}]},
    ),
    "kubernetes-ingress-tls": (
        "kubernetes:networking.k8s.io/v1:Ingress",
        {"spec": {"tls": [{"secretName": "a"}]}},
        {"spec": {"rules": []}},
    ),
}  # fmt: skip
"""For each setting a type of resource, properties that protect it and properties that do not."""


def test_each_setting_has_a_case_and_a_name_of_its_own() -> None:
    assert list(NAMED) == [each.name for each in SETTINGS]
    assert CASES.keys() == NAMED.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_setting_tells_the_safe_from_the_unsafe(name: str) -> None:
    token, safe, unsafe = CASES[name]
    setting = NAMED[name]
    kept, lost = setting.of(token, safe), setting.of(token, unsafe)
    assert kept is not None and lost is not None and kept >= setting.least > lost
    assert setting.of("example:index:Thing", unsafe) is None
    assert setting.fix and setting.what
    if setting.path:
        unknown: Any = UNKNOWN
        for part in reversed(setting.path.split(".")):
            unknown = [unknown] if part.isdigit() else {part: unknown}
        assert setting.of(token, unknown) is None


@pytest.mark.parametrize(
    "token",
    [
        "aws:rds/instance:Instance", "aws:rds/cluster:Cluster", "aws-native:rds:DbInstance", "aws:dynamodb/table:Table",
        "aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2", "aws:kms/key:Key", "aws:efs/fileSystem:FileSystem",
        "aws:ebs/volume:Volume", "aws:cognito/userPool:UserPool", "aws:secretsmanager/secret:Secret", "aws:ecr/repository:Repository",
        "gcp:sql/databaseInstance:DatabaseInstance", "gcp:sql/database:Database", "gcp:storage/bucket:Bucket",
        "gcp:kms/cryptoKey:CryptoKey", "gcp:spanner/instance:Instance", "gcp:compute/disk:Disk", "gcp:bigquery/dataset:Dataset",
        "azure-native:dbforpostgresql:Server", "azure-native:dbforpostgresql/v20240801:Server", "azure-native:dbformysql:Database",
        "azure-native_storage_v20240101:storage:StorageAccount", "azure-native:storage:BlobContainer", "azure-native:keyvault:Vault",
        "azure-native:resources:ResourceGroup", "azure:postgresql/flexibleServer:FlexibleServer",
        "kubernetes:core/v1:PersistentVolumeClaim", "kubernetes:core/v1:Namespace", "kubernetes:postgresql.cnpg.io/v1:Cluster",
        "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "random:index/randomPassword:RandomPassword",
        "digitalocean:index/databaseCluster:DatabaseCluster", "hcloud:index/volume:Volume", "minio:index/s3Bucket:S3Bucket",
    ],
)  # fmt: skip
def test_what_holds_data_is_known(token: str) -> None:
    assert held_by(token, {})


@pytest.mark.parametrize(
    "token",
    [
        "aws:rds/parameterGroup:ParameterGroup", "aws:rds/clusterInstance:ClusterInstance", "aws:s3/bucketPolicy:BucketPolicy",
        "aws:ec2/routeTable:RouteTable", "aws:iam/accessKey:AccessKey", "aws:ec2/keyPair:KeyPair", "aws:kms/alias:Alias",
        "gcp:serviceaccount/key:Key", "gcp:storage/bucketIAMMember:BucketIAMMember", "gcp:serviceaccount/account:Account",
        "azure-native:dbforpostgresql:Configuration", "azure-native:authorization:RoleAssignment", "random:index/randomId:RandomId",
        "kubernetes:core/v1:ConfigMap", "kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet",
        "pulumi:pulumi:Stack", "pulumi:providers:aws", "mlflow-deployment:index:MlflowDeployment",
    ],
)  # fmt: skip
def test_what_holds_none_is_not_taken_for_it(token: str) -> None:
    assert not held_by(token, {})


def test_a_stateful_set_holds_data_if_it_makes_claims() -> None:
    assert held_by("kubernetes:apps/v1:StatefulSet", {"spec": {"volumeClaimTemplates": [{}]}})


def test_types_are_told_without_what_varies() -> None:
    assert plain_type("aws:rds/instance:Instance") == "aws:rds:Instance"
    assert plain_type("azure-native_storage_v20240101:storage:StorageAccount") == "azure-native:storage:StorageAccount"
    assert all(pattern.count(":") == 2 for pattern in GUARDS)


def test_a_pack_whose_python_lacks_the_policy_sdk_says_what_to_install() -> None:
    folder = ROOT / "components" / "policies"
    program = f"import runpy, sys; sys.modules['pulumi_policy'] = None; runpy.run_path({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip() == f"{sys.executable} has no pulumi-policy: pip install 'pulumi-mlflow[policies]'"
