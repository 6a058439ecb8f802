"""Every refusal of the artifact stores: values that are refused, and the nearest ones that are accepted."""

from typing import Any

import asyncssh
import pytest

from components import versions
from tests.configurations import CERTIFICATE, DEV, changed, with_changes
from tests.unit.refusals import cases, messages


def _store(name: str, **values: Any) -> Any:
    return changed(DEV, "artifacts", {name: values})


RSA = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
KNOWN = "files.example.com ssh-ed25519 AAAA"
HASHED = "|1|c2FsdHNhbHRzYWx0c2FsdHNhbHQ=|O0QjXfgSxXUBlyp5ZDwOmuu7Mus="
"""files.example.com, as OpenSSH hides it."""
S3 = _store("s3", bucket="models", region="eu-central-1")
COMPATIBLE = _store("s3", bucket="models", endpointUrl="https://objects.example.com")
MINIO = _store("minio")
GCS = _store("gcs", bucket="models")
AZURE = _store("azureBlob", account="models", container="models")
OSS = _store("oss", bucket="models", endpoint="oss-cn-hangzhou.aliyuncs.com")
FTP = _store("ftp", host="files.example.com")
FTP_USER = _store("ftp", host="files.example.com", username="u", password="p")
SFTP = _store("sftp", host="files.example.com", username="u", knownHosts=KNOWN, privateKey=RSA)
SFTP_PASSWORD = _store("sftp", host="files.example.com", username="u", knownHosts=KNOWN, password="p")
NFS = _store("nfs", server="nfs", path="/x")
HDFS = changed(_store("hdfs", host="h"), "image.repository", "registry.example.com/mlflow-hadoop")
URI = _store("uri", uri="b2://bucket")
ONLY = with_changes(S3, {"database": {"none": {}}, "server.artifactsOnly": True})
KEY_FILE = '{"type": "service_account"}'

# Configuration, path, what is refused there, what is accepted there.
VALUES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (S3, "artifacts.s3.bucket", ["xn--a", "sthree-a", "a-s3alias", "a--x-s3"], ["a-s3", "xn-a"]),
    (S3, "artifacts.s3.prefix", ["a//b", "a b", "a?", "$(A)"], ["a/b-c_d.e"]),
    (S3, "artifacts.s3.addressingStyle", ["Path", "path"], ["auto", "virtual"]),
    (changed(S3, "artifacts.s3.presigned", False), "artifacts.s3.addressingStyle", [], ["path"]),
    (COMPATIBLE, "artifacts.s3.addressingStyle", [], ["auto", "path", "virtual"]),
    (S3, "artifacts.s3.region", [None, "eu-central-1a", "EU", "europe-west3"], ["us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-isob-east-1"]),
    (COMPATIBLE, "artifacts.s3.region", [], [None, "garage", "auto"]),
    (S3, "artifacts.s3.expectedBucketOwner", ["1234", "1234-5678-9012"], ["123456789012"]),
    (S3, "artifacts.s3.caCertificate", ["no"], [CERTIFICATE]),
    (changed(S3, "artifacts.s3.caCertificate", CERTIFICATE), "artifacts.s3.ignoreTls", [True], [False]),
    (changed(S3, "artifacts.s3.uploadExtraArgs", {"ServerSideEncryption": "aws:kms"}), "artifacts.s3.presigned", [True], [False, None]),
    (MINIO, "artifacts.minio.bucket", ["a", "A", "a_b", "10.0.0.1"], ["mlflow", "a.b"]),
    (MINIO, "artifacts.minio.image", ["", "https://r/x:1", "r/x:1:2", "r/x@sha256:1"], ["r.example:5000/x", "r/x:1", "r/x@sha256:" + "0" * 64]),
    (MINIO, "artifacts.minio.password", ["1234567"], ["12345678"]),
    (MINIO, "artifacts.minio.cpuRequest", ["1Gi"], ["1", "250m"]),
    (MINIO, "artifacts.minio.memoryRequest", ["1"], ["128Mi"]),
    (MINIO, "artifacts.minio.memoryLimit", ["2GB"], ["2Gi"]),
    (MINIO, "artifacts.proxied", [False], [True]),
    (GCS, "artifacts.gcs.bucket", ["gs://a", "ab", "A", "a" * 64, "goog-a", "my-google", "1.2.3.4", "a..b"], ["a_b", "a.b.example", "a" * 63]),
    (GCS, "artifacts.gcs.prefix", ["/a"], ["a"]),
    (GCS, "artifacts.gcs.keyFile", ["/etc/key.json"], [KEY_FILE]),
    (changed(GCS, "artifacts.gcs.keyFile", KEY_FILE), "artifacts.gcs.existingSecret", [{"name": "s"}], [None]),
    (GCS, "artifacts.gcs.existingSecret", [{}, {"name": "S"}, {"name": "s", "key": "a b"}], [{"name": "s"}]),
    (GCS, "artifacts.gcs.transferTimeoutSeconds", [0, -2, 86_401], [-1, 1, 86_400]),
    (GCS, "artifacts.gcs.uploadChunkMb", [0, 1025], [1, 1024]),
    (GCS, "artifacts.gcs.downloadChunkMb", [0, 1025], [1, 1024]),
    (GCS, "artifacts.gcs.presigned", [True], [False]),
    (changed(GCS, "artifacts.gcs.keyFile", KEY_FILE), "artifacts.gcs.presigned", [], [True]),
    (AZURE, "artifacts.azureBlob.account", ["a", "Models", "my-models", "x" * 25, "m.blob.core.windows.net", "https://m"], ["m0d", "x" * 24]),
    (AZURE, "artifacts.azureBlob.container", ["ab", "A", "a--b", "-ab", "a_b", "a" * 64], ["abc", "a-b-c", "a" * 63]),
    (AZURE, "artifacts.azureBlob.domain", ["blob.example.com"], ["blob.core.usgovcloudapi.net"]),
    (AZURE, "artifacts.azureBlob.connectionString", ["AAAA=="], ["AccountName=a;AccountKey=b", "BlobEndpoint=http://h/a"]),
    (changed(AZURE, "artifacts.azureBlob.accessKey", "k"), "artifacts.azureBlob.connectionString", ["AccountKey=b"], [None]),
    (changed(AZURE, "artifacts.azureBlob.accessKey", "k"), "artifacts.azureBlob.existingSecret", [{"name": "s", "accessKeyKey": "k"}], [None]),
    (AZURE, "artifacts.azureBlob.existingSecret", [{"name": "s"}, {"name": "s", "accessKeyKey": "a", "connectionStringKey": "b"}], [{"name": "s", "accessKeyKey": "a"}]),
    (OSS, "artifacts.oss.bucket", ["a.b", "ab", "A", "-ab"], ["a-b"]),
    (OSS, "artifacts.oss.endpoint", ["https://h", "h:443", "h/x"], ["oss-eu-central-1-internal.aliyuncs.com"]),
    (OSS, "artifacts.oss.accessKeyId", ["id"], [None]),
    (OSS, "artifacts.oss.existingSecret", [{"name": "s", "accessKeySecretKey": "a b"}], [{"name": "s"}]),
    (FTP, "artifacts.ftp.host", ["ftp://h", "u@h", "h:21", "h/x"], ["h", "fd00::1"]),
    (FTP, "artifacts.ftp.port", [0, 65_536], [1, 65_535]),
    (FTP, "artifacts.ftp.path", ["a", "", "/a b", "//a", "/$A"], ["/", "/a", "/a/b/"]),
    (FTP, "artifacts.ftp.username", ["u"], [None]),
    (FTP, "artifacts.ftp.password", ["p"], [None]),
    (FTP_USER, "artifacts.ftp.username", ["a@b", "a:b", "a b"], ["a.b_c-d"]),
    (FTP_USER, "artifacts.ftp.password", [], ["/%@: ?#ü"]),
    (FTP_USER, "artifacts.ftp.existingSecret", [{"name": "s"}], [None]),
    (FTP_USER, "artifacts.proxied", [False], [True]),
    (FTP, "artifacts.proxied", [], [False, True]),
    (SFTP, "artifacts.sftp.username", ["a@b"], ["a"]),
    (SFTP, "artifacts.sftp.knownHosts", ["", "other ssh-rsa AAAA", "[files.example.com]:2222 ssh-rsa AAAA", "|1|a|b ssh-rsa AAAA"], [KNOWN, "a,files.example.com ssh-rsa AAAA", f"{HASHED} ssh-rsa AAAA"]),
    (SFTP, "artifacts.sftp.privateKey", ["id_rsa", RSA.replace("MIIE", "Proc-Type: 4,ENCRYPTED"), None], [RSA]),
    (SFTP, "artifacts.sftp.password", ["p"], [None]),
    (SFTP, "artifacts.sftp.existingSecret", [{"name": "s", "passwordKey": "p"}], [None]),
    (changed(SFTP, "artifacts.sftp.privateKey", None), "artifacts.sftp.existingSecret", [{"name": "s"}], [{"name": "s", "privateKeyKey": "k"}]),
    (SFTP_PASSWORD, "artifacts.sftp.password", ["a/b", "a?", "a#", "a b", "[", None], ["%@:'\"ü"]),
    (SFTP_PASSWORD, "artifacts.proxied", [False], [True]),
    (SFTP, "artifacts.proxied", [], [False]),
    (NFS, "artifacts.nfs.server", ["nfs://h", "h:/x"], ["10.0.0.1"]),
    (NFS, "artifacts.nfs.path", ["x", "/a b"], ["/x/y"]),
    (NFS, "artifacts.nfs.mountOptions", [["a b"], ["A"]], [["hard", "nfsvers=4.2", "timeo=600"], []]),
    (NFS, "artifacts.nfs.sizeGb", [0], [1]),
    (NFS, "artifacts.proxied", [False], [True]),
    (NFS, "server.jobExecution", [], [False]),
    (HDFS, "artifacts.hdfs.host", ["hdfs://h", "h:8020"], ["h"]),
    (HDFS, "artifacts.hdfs.port", [0], [8020]),
    (changed(HDFS, "artifacts.hdfs", {}), "artifacts.hdfs.port", [8020], [None]),
    (HDFS, "artifacts.hdfs.path", ["x"], ["/x"]),
    (HDFS, "artifacts.hdfs.ticketCache", [{}, {"existingSecret": "s", "path": "/x"}, {"path": "x"}], [{"existingSecret": "s"}, {"path": "/x"}]),
    (HDFS, "artifacts.hdfs.extraConfiguration", [{"a b": "c"}, {"a": "b,c"}], [{"dfs.replication": "2"}]),
    (HDFS, "image.repository", [versions.MLFLOW_REPOSITORY], ["registry.example.com/x"]),
    (URI, "artifacts.uri.uri", ["/mnt/x", "bucket", "file:///x", "mlflow-artifacts:/x", "models:/a/1", None], ["s3://b/p", "ftp://u:p@h/x", "mlflow-artifacts://h/x"]),
    (URI, "artifacts.uri.existingSecret", [{"name": "s"}], [None]),
    (URI, "artifacts.uri.env", [{"MLFLOW_ARTIFACTS_DESTINATION": "x"}, {"B2_TOKEN": "x"}, {"1": "x"}], [{"AWS_DEFAULT_REGION": "x"}]),
    (URI, "artifacts.uri.secretEnv", [{"PGPASSWORD": "x"}], [{"AWS_SECRET_ACCESS_KEY": "x"}]),
    (ONLY, "server.artifactsOnly", [], [True]),
    (with_changes(ONLY, {"server.replicas": 3, "image.pullPolicy": "Always"}), "server.replicas", [], [3]),
    (with_changes(ONLY, {"database": {"sqlite": {}}}), "database.sqlite", [{}], []),
    (changed(DEV, "database", {}), "database.none", [{}], []),
    (ONLY, "server.workspaces", [{}], [None, {"storeUri": "x://y"}]),
    (ONLY, "artifacts.proxied", [False], [True]),
    (ONLY, "artifacts.defaultRoot", ["s3://b"], [None]),
    (with_changes(ONLY, {"pod.resources.memoryLimit": "4Gi"}), "server.jobExecution", [True], [False]),
    (DEV, "server.options", [{"artifacts-only": True}], []),
    (DEV, "server.env", [{"MLFLOW_ARTIFACTS_ONLY": "true"}], []),
    (DEV, "artifacts.defaultRoot", ["/x", "file:///x", "s3", "s3://u:p@h/x", "a b:/x"], ["mlflow-artifacts:/a", "mlflow-artifacts://h:80/a", "wasbs://c@a.blob.core.windows.net/p"]),
    (changed(DEV, "artifacts.defaultRoot", "s3://b"), "artifacts.proxied", [], [False, True]),
    (DEV, "server.env", [{"AZURE_STORAGE_ACCESS_KEY": "x"}], [{"STORAGE_EMULATOR_HOST": "http://h"}, {"MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "1"}]),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=False))
def test_wrong_value_is_refused_with_its_path(configuration, path: str, value) -> None:
    lines = messages(changed(configuration, path, value))
    assert len(lines) == 1
    assert lines[0].startswith((path, path.rpartition(".")[0])), lines


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=True))
def test_nearest_value_is_accepted(configuration, path: str, value) -> None:
    assert messages(changed(configuration, path, value)) == []


STORES = {next(iter(store["artifacts"])): store for store in (S3, MINIO, GCS, AZURE, OSS, FTP, SFTP, NFS, HDFS, URI)}


@pytest.mark.parametrize("name", STORES)
def test_two_stores_at_once_are_refused(name: str) -> None:
    (line,) = messages(changed(STORES[name], "artifacts.volume", {}))
    assert line.startswith(f"artifacts.{name}: is given as well as volume")


@pytest.mark.parametrize("name", ["s3", "minio", "gcs", "azureBlob", "oss", "sftp"])
def test_stores_with_a_client_library_need_the_full_image(name: str) -> None:
    (line,) = messages(changed(STORES[name], "image.tag", "v9"))
    assert line.startswith("image.tag: 'v9' is the official base image")


@pytest.mark.parametrize("name", sorted(set(STORES) - {"hdfs"}))
def test_shared_stores_may_serve_several_replicas(name: str) -> None:
    shared = with_changes(
        STORES[name], {"database": {"postgresql": {"host": "db", "password": "p"}}, "server.replicas": 3}
    )
    assert messages(shared) == []


def test_messages_hold_no_secret() -> None:
    wrong = with_changes(
        DEV,
        {
            "artifacts": {
                "gcs": {"bucket": "models", "keyFile": "s3cret-1"},
                "azureBlob": {"account": "models", "container": "models", "connectionString": "s3cret-2"},
                "sftp": {"host": "h", "username": "u", "knownHosts": "h ssh-rsa A", "privateKey": "s3cret-3"},
                "minio": {"password": "s3cret"},
                "uri": {"uri": "/s3cret-4"},
            }
        },
    )
    lines = messages(wrong)
    assert len(lines) == 9
    assert not [line for line in lines if "s3cret" in line]


@pytest.mark.parametrize(
    ("kind", "form", "passphrase", "problem"),
    [
        ("ssh-rsa", "pkcs1-pem", None, None),
        ("ssh-rsa", "openssh", None, None),
        ("ssh-rsa", "pkcs1-pem", "of-the-key", "is encrypted with a passphrase"),
        ("ecdsa-sha2-nistp256", "pkcs1-pem", None, "is not a private key in PEM or OpenSSH form"),
        ("ecdsa-sha2-nistp256", "openssh", None, "is not an RSA key"),
        ("ssh-ed25519", "openssh", None, "is not an RSA key"),
    ],
)
def test_real_private_keys_are_told_apart(kind: str, form: str, passphrase: str | None, problem: str | None) -> None:
    key = asyncssh.generate_private_key(kind).export_private_key(form, passphrase=passphrase).decode()
    lines = messages(changed(SFTP, "artifacts.sftp.privateKey", key))
    assert len(lines) == (1 if problem else 0)
    assert all(str(problem) in line for line in lines)
