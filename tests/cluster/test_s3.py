"""One deployment on S3 in all ways: encryption, TLS, roles, presigned URLs, direct access, and a server for artifacts only."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support import certificates, client, configurations, s3
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.stores import Store, of_bucket
from toolchain.session import Session

pytestmark = pytest.mark.extended

SECRET = "keys-of-the-bucket"
WEIGHTS = "artifacts/model/weights.bin"


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl, bucket: s3.Bucket) -> Iterator[Deployed]:
    """The deployment; clients go through the server to the bucket."""
    store = of_bucket(bucket, uploadExtraArgs={"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/models"})
    values = configurations.sqlite(unique_name(), artifacts=dict(store.artifacts))
    with deploy(new_stack, kubectl, values, store.secrets) as made:
        yield made


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients have none unless a test gives them some."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MLFLOW_S3_"))]:
        monkeypatch.delenv(name)


@pytest.mark.feature("art-s3-compat")
def test_clients_are_not_sent_to_a_store_that_is_not_theirs_to_reach(
    deployed: Deployed, kubectl: Kubectl, bucket: s3.Bucket, tmp_path: Path
) -> None:
    """What the server says of itself decides, whatever the client was told."""
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        assert _signing(url) == (False, False)
        logged = client.log(url)
        client.read_back(url, logged)
    (name,) = [name for name in bucket.objects() if name.endswith(f"{logged.run_id}/{WEIGHTS}")]
    assert name.startswith("team/a/")
    assert bucket.read(name) == logged.artifact
    found = bucket.client().head_object(Bucket=bucket.name, Key=name)
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "alias/models")


@pytest.mark.feature("art-s3", "art-s3-compat", "art-proxied")
def test_tls_with_an_own_authority_and_a_role_then_without_and_with_a_secret(
    deployed: Deployed, kubectl: Kubectl, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First by presigned URLs, then by clients that have keys themselves."""
    made = certificates.make(str(session.host_address))
    authority = tmp_path / "authority.pem"
    authority.write_text(made.authority)
    log = tmp_path / "log"
    with s3.serve(str(session.host_address), log, made) as url:
        bucket = s3.bucket(url, authority)
        values = {
            "bucket": bucket.name,
            "prefix": "team/b",
            "region": "us-east-1",
            "endpointUrl": url,
            "caCertificate": made.authority,
            "addressingStyle": "path",
            "expectedBucketOwner": "123456789012",
            "presigned": True,
        }
        # As the webhook of EKS gives a role to a pod.
        role = {
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/mlflow",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/etc/hostname",
            "AWS_ENDPOINT_URL_STS": url,
        }
        deployed.move(kubectl, Store({"s3": values}, env=role))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(6 * client.MIB))
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * client.MIB))
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as server:
            assert _signing(server) == (True, True)
            logged = client.log(server, 7 * client.MIB)
            client.read_back(server, logged)
        lines = [line for line in log.read_text().splitlines() if "X-Amz-Signature" in line]
        assert [line for line in lines if "PUT /" in line], "no part was sent straight to the bucket"
        assert [line for line in lines if "GET /" in line], "nothing was read straight from the bucket"
        assert "AssumeRoleWithWebIdentity" in log.read_text() or "POST / " in log.read_text()
        (name,) = [name for name in bucket.objects() if name.endswith(f"{logged.run_id}/{WEIGHTS}")]
        assert bucket.read(name) == logged.artifact

        # The same without looking at the certificate, with keys from a Secret, and clients that go there by themselves.
        kubectl.apply(_secret(deployed.namespace, bucket))
        names = {"bucket": bucket.name, "region": "us-east-1", "endpointUrl": url, "ignoreTls": True}
        reference = {"name": SECRET, "accessKeyIdKey": "id", "secretAccessKeyKey": "half"}
        deployed.values["allowInsecure"] = True
        deployed.move(kubectl, Store({"s3": {**names, "existingSecret": reference}}), proxied=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.secret_access_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as server:
            direct = client.log(server)
            client.read_back(server, direct)
            # The server itself can look, with its own keys.
            answer = requests.get(
                f"{server}/get-artifact", params={"run_id": direct.run_id, "path": "model/weights.bin"}, timeout=120
            )
            assert answer.content == direct.artifact
            answer = requests.get(f"{server}/api/2.0/mlflow-artifacts/artifacts", timeout=120)
            assert answer.status_code == 503, answer.text
        (name,) = [name for name in bucket.objects() if name.endswith(f"{direct.run_id}/{WEIGHTS}")]
        assert not name.startswith("team/")


@pytest.mark.feature("art-proxied")
def test_a_server_for_artifacts_only_and_a_tracking_server_that_sends_clients_there(
    deployed: Deployed, kubectl: Kubectl, new_stack: Deploy, bucket: s3.Bucket, tmp_path: Path
) -> None:
    store = of_bucket(bucket)
    namespace = unique_name()
    values = {
        "namespace": namespace,
        "database": {"none": {}},
        "artifacts": dict(store.artifacts),
        "server": {"artifactsOnly": True},
        "deletionProtection": False,
    }
    with (
        deploy(new_stack, kubectl, values, store.secrets) as files,
        kubectl.forward(files.namespace, "mlflow", tmp_path) as url,
    ):
        assert requests.post(f"{url}/api/2.0/mlflow/experiments/search", json={}, timeout=120).status_code == 503
        place = url.replace("http://", "mlflow-artifacts://")
        deployed.move(kubectl, Store({"volume": {"sizeGb": 1}}), defaultRoot=f"{place}/elsewhere")
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as tracking:
            logged = client.log(tracking)
            client.read_back(tracking, logged)
    (name,) = [name for name in bucket.objects() if name.endswith(f"{logged.run_id}/{WEIGHTS}")]
    assert name.startswith("team/a/elsewhere/")


def _signing(url: str) -> tuple[bool, bool]:
    """Whether the server offers presigned URLs for uploads and downloads."""
    with urllib.request.urlopen(f"{url}/api/3.0/mlflow/server-info", timeout=120) as answer:
        info = json.load(answer)
    return info["multipart_uploads_enabled"], info["multipart_downloads_enabled"]


def _secret(namespace: str, bucket: s3.Bucket) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": namespace},
        "stringData": {"id": bucket.access_key_id, "half": bucket.secret_access_key},
    }
