"""One deployment on one artifact store after the other: a real server, a real client, and a look into the store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import client, configurations, file_servers
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.stores import STORES, Store, of_directory
from toolchain.session import Session

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
    kubectl.text("rollout", "status", "statefulset", "--namespace", deployed.namespace, "--timeout=90s")
    again = {"minio": {**store.artifacts["minio"], "cpuRequest": "50m"}}
    deployed.reconfigure(store.secrets, artifacts=again).up().succeeded()
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, logged)


@pytest.mark.parametrize("store", ["gcs"], indirect=True)
def test_google_cloud_storage(deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    deployed.move(kubectl, store)
    round_trip(deployed, kubectl, store, tmp_path)


@pytest.mark.parametrize("store", ["azure"], indirect=True)
def test_azure_blob_storage(deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    deployed.move(kubectl, store)
    round_trip(deployed, kubectl, store, tmp_path)


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


def _in_server(deployed: Deployed, kubectl: Kubectl, program: str) -> str:
    (pod,) = kubectl.pods(deployed.namespace)
    return kubectl.exec(deployed.namespace, pod_name(pod), "python", "-c", program)
