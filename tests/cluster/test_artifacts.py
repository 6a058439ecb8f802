"""One deployment on one artifact store after the other: a real server, a real client, and a look into the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import client, configurations
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.stores import STORES, Store
from toolchain.session import Session


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


def move(deployed: Deployed, kubectl: Kubectl, store: Store, **artifacts: Any) -> None:
    """Put the deployment on another store, and wait for its new pod."""
    values = {"artifacts": {**store.artifacts, **artifacts}, "server": {"env": dict(store.env)}}
    deployed.reconfigure(store.secrets, **values).up().succeeded()
    kubectl.text("rollout", "status", "deployment", "--namespace", deployed.namespace, "--timeout=120s")


def round_trip(deployed: Deployed, kubectl: Kubectl, store: Store, folder: Path) -> client.Logged:
    """Log and read back as a client outside the cluster that has no access to the store; then look into the store."""
    with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
        logged = client.log(url)
        client.read_back(url, logged)
    if store.read is not None:
        assert store.read(f"{logged.run_id}/artifacts/model/weights.bin") == logged.artifact
    return logged


@pytest.mark.parametrize(
    "store", ["volume", "s3", "minio", "gcs", "azure", "ftp", "sftp", "sftp-password"], indirect=True
)
def test_client_reads_back_what_it_logged(deployed: Deployed, kubectl: Kubectl, store: Store, tmp_path: Path) -> None:
    move(deployed, kubectl, store)
    round_trip(deployed, kubectl, store, tmp_path)
