"""The block `backup`: what is refused, with the message, and what is accepted."""

from typing import Any

import pytest

from tests.configurations import AWS, AZURE, DEV, GCP, PRODUCTION, with_changes
from tests.unit.refusals import messages

KEYS = {"accessKeyId": "id", "secretAccessKey": "key"}
S3 = {"bucket": "backups", "endpointUrl": "https://s3.example.com", **KEYS}
AMAZON = {"bucket": "backups", "region": "eu-central-1"}
CONTAINER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/backups/blobServices/default/containers/mlflow"
BLOB = {"account": "backups", "container": "mlflow"}
SFTP = {
    "host": "h",
    "username": "u",
    "knownHosts": "h ssh-ed25519 AAAA",
    "privateKey": "-----BEGIN OPENSSH PRIVATE KEY-----",
}
STORE = {"account": "models", "container": "mlflow"}
HDFS = {"image.repository": "registry.example.com/mlflow-hadoop", "artifacts": {"hdfs": {"host": "h"}}}
RETENTION = {"daily": 0, "weekly": 0, "monthly": 0}


def _to(destination: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"backup": {"destination": destination, **more}}


def _copied(destination: dict[str, Any]) -> dict[str, Any]:
    return _to(destination, artifacts="copied")


ACCEPTED = [
    (PRODUCTION, _to({"s3": S3})),
    (DEV, _to({"volume": {}}, artifacts="copied")),
    (DEV, _to({"volume": {"existingClaim": "backups"}}, drill=None)),
    (DEV, _to({"sftp": SFTP}, existingSecret={"name": "s"})),
    (DEV, _to({"gcs": {"bucket": "backups", "existingSecret": {"name": "s"}}}, password="p" * 20)),
    (DEV, _to({"azure": {**BLOB, "accessKey": "k"}}, retention={"daily": 1, "weekly": 0})),
    (AWS, _to({"s3": AMAZON})),
    (GCP, _to({"gcs": {"bucket": "backups"}})),
    (AZURE, _to({"azure": {**BLOB, "containerId": CONTAINER}})),
    (PRODUCTION, {"identity": {"existing": {}}, **_to({"s3": AMAZON})}),
    (PRODUCTION, {"artifacts.s3": {**S3, "prefix": "artifacts"}, **_to({"s3": S3})}),
    (PRODUCTION, _copied({"s3": S3})),
    (AWS, _copied({"s3": AMAZON})),
    (GCP, _copied({"gcs": {"bucket": "backups"}})),
    (AZURE, _copied({"azure": {**BLOB, "accessKey": "k"}})),
    (DEV, {"artifacts": {"minio": {}}, **_copied({"sftp": SFTP})}),
    (DEV, {"artifacts": {"sftp": {**SFTP, "privateKey": None, "password": "p"}}, **_copied({"volume": {}})}),
    # An identity for the backups alone, beside artifacts on a volume.
    ({**AWS, "artifacts": {"volume": {"accessMode": "ReadWriteMany"}}}, _to({"s3": AMAZON})),
    # Brackets that are no address of IPv6 are for the plugin of the scheme.
    (PRODUCTION, {"artifacts": {"uri": {"uri": "b2://models[1"}}, **_to({"s3": S3})}),
]

AMONG = "would lie among the artifacts"
AMONG_ARTIFACTS = [
    (AWS, {"artifacts.awsBucket": {"bucket": "backups"}}, {"s3": AMAZON}, f"s3.prefix: {AMONG}"),
    (GCP, {"artifacts.gcpBucket": {"name": "backups"}}, {"gcs": {"bucket": "backups"}}, f"gcs.prefix: {AMONG}"),
    (
        AZURE,
        {"artifacts.azureContainer": {"accountName": "backups"}},
        {"azure": {**BLOB, "containerId": CONTAINER}},
        f"azure.prefix: {AMONG}",
    ),
    (DEV, {"artifacts": {"uri": {"uri": "gs://backups/mlflow-backups/a"}}}, {"gcs": {"bucket": "backups", "existingSecret": {"name": "s"}}}, f"gcs.prefix: {AMONG}"),
    (
        DEV,
        {"artifacts": {"sftp": {**SFTP, "path": "/srv", "privateKey": "-----BEGIN RSA PRIVATE KEY-----"}}},
        {"sftp": {**SFTP, "path": "/srv/backups"}},
        f"sftp.path: {AMONG}",
    ),
    (DEV, {"artifacts.volume.existingClaim": "c"}, {"volume": {"existingClaim": "c"}}, "volume.existingClaim: 'c' is the claim of artifacts.volume"),
    (DEV, {"database.sqlite.volume.existingClaim": "c"}, {"volume": {"existingClaim": "c"}}, "volume.existingClaim: 'c' is the claim of database.sqlite.volume"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "changes", "to", "told"), AMONG_ARTIFACTS, ids=[told for *_, told in AMONG_ARTIFACTS])
def test_backups_are_kept_apart_from_what_they_are_of(base: Any, changes: Any, to: Any, told: str) -> None:
    (line,) = messages(with_changes(base, {**changes, **_to(to)}))
    assert line.startswith(f"backup.destination.{told}")


REFUSED = [
    (DEV, {"backup": {}}, "backup.destination: is required"),
    (DEV, _to({}), "backup.destination: no choice was made"),
    (DEV, _to({"volume": {}, "s3": S3}), "backup.destination.volume: is given as well as s3"),
    (DEV, _to({"volume": {}}, schedule="nightly"), "backup.schedule: 'nightly' has 1 field"),
    (DEV, _to({"volume": {}}, drill={"schedule": "@sometimes"}), "backup.drill.schedule: '@sometimes' has 1 field"),
    (DEV, _to({"volume": {}}, password="short"), "backup.password: has 5 characters; use 20 or more"),
    (
        DEV,
        _to({"volume": {}}, password="p" * 20, existingSecret={"name": "s"}),
        "backup.existingSecret: is given as well as password",
    ),
    (DEV, _to({"volume": {}}, retention=RETENTION), "backup.retention: would keep no backup"),
    (DEV, _to({"volume": {}}, scratchSize="20"), "backup.scratchSize: '20' is less than a mebibyte"),
    (DEV, _to({"volume": {}}, clientImage="postgres"), "backup.clientImage: 'postgres' is not an image"),
    (DEV, _to({"volume": {}}, artifacts="versions"), "backup.artifacts: does not exist with artifacts.volume"),
    (DEV, {**HDFS, **_copied({"volume": {}})}, "backup.artifacts: cannot copy artifacts.hdfs"),
    (
        DEV,
        {"artifacts": {"ftp": {"host": "h"}}, **_copied({"volume": {}})},
        "backup.artifacts: cannot copy artifacts.ftp",
    ),
    (
        DEV,
        {"artifacts": {"uri": {"uri": "s3://b/p"}}, **_copied({"volume": {}})},
        "backup.artifacts: cannot copy artifacts.uri",
    ),
    (
        PRODUCTION,
        {"artifacts.s3.ignoreTls": True, "allowInsecure": True, **_copied({"s3": S3})},
        "artifacts.s3.ignoreTls: is for MLflow alone",
    ),
    (
        DEV,
        {"artifacts": {"azureBlob": {**STORE, "connectionString": "AccountName=a"}}, **_copied({"volume": {}})},
        "artifacts.azureBlob.connectionString: is for MLflow alone",
    ),
    (
        DEV,
        {"artifacts": {"azureBlob": {**STORE, "existingSecret": {"name": "s", "connectionStringKey": "c"}}}}
        | _copied({"volume": {}}),
        "artifacts.azureBlob.existingSecret.connectionStringKey: is for MLflow alone",
    ),
    (
        DEV,
        {"artifacts": {"oss": {"bucket": "bucket", "endpoint": "oss-eu-central-1.aliyuncs.com"}}}
        | _copied({"volume": {}}),
        "artifacts.oss: has no keys, and what copies artifacts cannot use the RAM role",
    ),
    (
        AZURE,
        _copied({"azure": {**BLOB, "containerId": CONTAINER}}),
        "backup.destination.azure: has no key, without which rclone cannot put copies of artifacts aside",
    ),
    (DEV, _to({"volume": {}}, artifactsImage="rclone"), "backup.artifactsImage: 'rclone' is not an image"),
    (
        DEV,
        _to({"volume": {"existingClaim": "c", "storageClass": "s"}}),
        "backup.destination.volume.storageClass: is given as",
    ),
    (DEV, _to({"s3": {"bucket": "backups", **KEYS}}), "backup.destination.s3.region: is required without endpointUrl"),
    (
        DEV,
        _to({"s3": {"bucket": "backups", "endpointUrl": "https://s3.example.com"}}),
        "backup.destination.s3: has neither accessKeyId nor existingSecret",
    ),
    (DEV, _to({"s3": AMAZON}), "backup.destination.s3: has no credentials, and the pods have no identity"),
    (
        DEV,
        _to({"gcs": {"bucket": "backups"}}),
        "backup.destination.gcs: has no credentials, and the pods have no identity",
    ),
    (DEV, _to({"azure": BLOB}), "backup.destination.azure: has no credentials, and the pods have no identity"),
    (
        AWS,
        _to({"gcs": {"bucket": "backups"}}),
        "backup.destination.gcs: has no credentials, and identity.irsa means nothing on Google Cloud",
    ),
    (AZURE, _to({"azure": BLOB}), "backup.destination.azure.containerId: is required"),
    (
        DEV,
        _to({"azure": {**BLOB, "containerId": "mlflow", "accessKey": "k"}}),
        "backup.destination.azure.containerId: 'mlflow' is not",
    ),
    (
        DEV,
        _to({"azure": {**BLOB, "existingSecret": {"name": "s", "connectionStringKey": "c"}}}),
        "backup.destination.azure.existingSecret.accessKeyKey: is required: restic takes an access key",
    ),
    (DEV, _to({"sftp": {**SFTP, "privateKey": None}}), "backup.destination.sftp.privateKey: is required"),
    (DEV, _to({"sftp": {**SFTP, "privateKey": "key"}}), "backup.destination.sftp.privateKey: is not a private key"),
    (
        PRODUCTION,
        {"artifacts.s3": S3, **_to({"s3": {**S3, "bucket": "backups", "prefix": "x"}})},
        "backup.destination.s3.prefix: would lie among the artifacts",
    ),
    (
        DEV,
        {"database.sqlite.volume": {"accessMode": "ReadWriteOncePod"}, **_to({"volume": {}})},
        "database.sqlite.volume.accessMode: 'ReadWriteOncePod' keeps",
    ),
    (
        PRODUCTION,
        {"database": {"mssql": {"value": "mssql+pymssql://u:p@h/d"}}, **_to({"s3": S3})},
        "backup: cannot dump SQL Server",
    ),
    (
        PRODUCTION,
        {"database": {"uri": {"value": "mssql+pymssql://u:p@h/d"}}, **_to({"s3": S3})},
        "backup: cannot dump SQL Server",
    ),
    (
        PRODUCTION,
        {"database.registry": {"value": "mysql+pymysql://u:p@h/d"}, **_to({"s3": S3})},
        "database.registry: is a second database, for the model registry",
    ),
    (
        DEV,
        {"server.artifactsOnly": True, "database": {"none": {}}, **_to({"volume": {}})},
        "backup: copies the database, and there is none",
    ),
]


@pytest.mark.parametrize(("base", "changes"), ACCEPTED)
def test_is_accepted(base: dict[str, Any], changes: dict[str, Any]) -> None:
    assert messages(with_changes(base, changes)) == []


@pytest.mark.parametrize(("base", "changes", "message"), REFUSED)
def test_is_refused_with_the_fix(base: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    found = messages(with_changes(base, changes))
    assert any(each.startswith(message) for each in found), found
    assert len(found) == 1, found
