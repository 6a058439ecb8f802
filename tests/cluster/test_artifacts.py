"""One deployment on one artifact store after the other: a real server, a real client, and a look into the store."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from mlflow import MlflowClient

from tests.support import client, configurations, file_servers
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.stores import STORES, Store, of_directory
from toolchain.session import Session

pytestmark = pytest.mark.extended

CLAIM = "of-the-owner"


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """The deployment, on a new claim."""
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name()), {}) as made:
        yield made


@pytest.fixture
def store(request: pytest.FixtureRequest, session: Session, tmp_path: Path) -> Iterator[Store]:
    """The store that the test names."""
    with STORES[request.param](session, tmp_path) as made:
        yield made


def round_trip(deployed: Deployed, kubectl: Kubectl, store: Store, folder: Path) -> client.Logged:
    """Log and read back as a client outside the cluster that knows nothing of the store; then look into the store."""
    with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
        logged = client.log(url)
        client.read_back(url, logged)
    if store.read is not None:
        assert store.read(f"{logged.run_id}/artifacts/model/weights.bin") == logged.artifact
    return logged


@pytest.mark.feature("art-volume")
def test_volumes_new_and_existing(deployed: Deployed, kubectl: Kubectl, tmp_path: Path) -> None:
    round_trip(deployed, kubectl, Store({"volume": {"sizeGb": 1}}), tmp_path)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": CLAIM, "namespace": deployed.namespace}
    kubectl.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim})
    existing = Store({"volume": {"existingClaim": CLAIM}})
    deployed.move(kubectl, existing, defaultRoot="mlflow-artifacts:/team-a")
    logged = round_trip(deployed, kubectl, existing, tmp_path)
    found = _in_server(deployed, kubectl, "import glob; print(glob.glob('/mlflow/artifacts/**/*.bin', recursive=True))")
    (path,) = json.loads(found.replace("'", '"'))
    assert path.startswith("/mlflow/artifacts/team-a/") and path.endswith(
        f"{logged.run_id}/artifacts/model/weights.bin"
    )


@pytest.mark.feature("art-minio")
@pytest.mark.parametrize("store", ["minio"], indirect=True)
def test_minio_in_the_cluster(deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    deployed.move(kubectl, store)
    logged = round_trip(deployed, kubectl, store, tmp_path)
    # What is there outlives the pod, and another run of the Job that makes the bucket leaves it alone.
    (pod,) = kubectl.pods(deployed.namespace, "minio")
    assert restarts([pod]) == 0
    kubectl.text("delete", "pod", "--namespace", deployed.namespace, pod_name(pod))
    kubectl.rolled_out(deployed.namespace, "statefulset")
    again = {"minio": {**store.artifacts["minio"], "cpuRequest": "50m"}}
    deployed.reconfigure(store.secrets, artifacts=again).up().succeeded()
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, logged)


@pytest.mark.feature("art-gcs")
@pytest.mark.parametrize("store", ["gcs"], indirect=True)
def test_google_cloud_storage_with_a_key_file(
    deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path
) -> None:
    """The stand-in asks nobody who they are, so whether the client library takes the key file is asked of the library."""
    key_file = {
        "type": "service_account",
        "project_id": "project",
        "client_email": "mlflow@project.iam.gserviceaccount.com",
        "private_key_id": "1",
        "private_key": asyncssh.generate_private_key("ssh-rsa").export_private_key("pkcs8-pem").decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    kubectl.apply(_secret(deployed, "key-of-google", {"keyfile.json": json.dumps(key_file)}))
    gcs = {**store.artifacts["gcs"], "existingSecret": {"name": "key-of-google"}}
    deployed.move(kubectl, dataclasses.replace(store, artifacts={"gcs": gcs}))
    round_trip(deployed, kubectl, store, tmp_path)
    program = "import google.auth; print(google.auth.default()[0].service_account_email)"
    assert _in_server(deployed, kubectl, program).strip() == key_file["client_email"]


@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_azure_blob_storage_with_presigned_uploads(
    deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (connection,) = store.secrets.values()
    kubectl.apply(_secret(deployed, "key-of-azure", {"connection": connection}))
    secret = {"name": "key-of-azure", "connectionStringKey": "connection"}
    azure = {**store.artifacts["azureBlob"], "existingSecret": secret}
    deployed.move(kubectl, dataclasses.replace(store, artifacts={"azureBlob": azure}, secrets={}))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(client.MIB))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(client.MIB))
    round_trip(deployed, kubectl, store, tmp_path)
    # Azurite's log tells of each block that came with a signature.
    log = (tmp_path / "log").read_text()
    assert [line for line in log.splitlines() if "PUT" in line and "comp=block&" in line and "sig=" in line]


@pytest.mark.feature("art-ftp")
@pytest.mark.parametrize("store", ["ftp"], indirect=True)
def test_ftp(deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    deployed.move(kubectl, store)
    round_trip(deployed, kubectl, store, tmp_path)


@pytest.mark.feature("art-sftp")
def test_sftp_with_key_and_with_password(
    deployed: Deployed, kubectl: Kubectl, session: Session, tmp_path: Path
) -> None:
    with file_servers.sftp(str(session.host_address), tmp_path) as directory:
        by_key = of_directory(directory, {"artifacts.sftp.privateKey": directory.private_key})
        deployed.move(kubectl, by_key)
        logged = round_trip(deployed, kubectl, by_key, tmp_path)
        deployed.move(kubectl, of_directory(directory, {"artifacts.sftp.password": directory.password}))
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
            client.read_back(url, logged)
            client.read_back(url, client.log(url))


@pytest.mark.feature("art-root")
def test_workspaces_have_roots_of_their_own(
    deployed: Deployed, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the deployment's default root, or where their owner says. The last test: MLflow does not switch them off again."""
    artifacts = {"volume": {"sizeGb": 1}, "defaultRoot": "mlflow-artifacts:/everyone"}
    deployed.reconfigure(artifacts=artifacts, server={"workspaces": {}}).up().succeeded()
    kubectl.rolled_out(deployed.namespace)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        owner = MlflowClient(tracking_uri=url, registry_uri=url)
        owner.create_workspace("team-a")
        owner.create_workspace("team-b", default_artifact_root="mlflow-artifacts:/of-team-b")
        for name, root in {"team-a": "/everyone/workspaces/team-a/", "team-b": "/of-team-b/"}.items():
            monkeypatch.setenv("MLFLOW_WORKSPACE", name)
            logged = client.log(url)
            client.read_back(url, logged)
            run = MlflowClient(tracking_uri=url, registry_uri=url).get_run(logged.run_id)
            assert str(run.info.artifact_uri).startswith(f"mlflow-artifacts:{root}"), run.info.artifact_uri


def _secret(deployed: Deployed, name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": deployed.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}


def _in_server(deployed: Deployed, kubectl: Kubectl, program: str) -> str:
    (pod,) = kubectl.pods(deployed.namespace)
    return kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program)
