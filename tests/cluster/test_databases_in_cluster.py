"""Databases that are made in the cluster beside MLflow."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import client, configurations, rotation, s3
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.processes import eventually

pytestmark = pytest.mark.extended

DUMP = {
    "inClusterPostgresql": "PGPASSWORD=$MLFLOW_PASSWORD pg_dump --host=::1 --username=mlflow mlflow",
    "inClusterMysql": "MYSQL_PWD=$MARIADB_PASSWORD mariadb-dump --host=::1 --user=mlflow mlflow",
}
"""What a backup runs, with nothing but the rights of MLflow's own user. By IPv6, since probes come by IPv4."""
LOGIN = {
    "inClusterPostgresql": "PGPASSWORD={password} psql --host=$(hostname -i) --username=mlflow --command='SELECT 1' mlflow",
    "inClusterMysql": "MYSQL_PWD={password} mariadb --host=$(hostname -i) --user=mlflow --execute='SELECT 1' mlflow",
}
REFUSED = {"inClusterPostgresql": "password authentication failed", "inClusterMysql": "Access denied"}


@pytest.fixture(scope="module", params=DUMP)
def kind(request: pytest.FixtureRequest) -> str:
    """The argument of the database."""
    return request.param


@pytest.fixture(scope="module")
def deployed(kind: str, new_stack: Deploy, kubectl: Kubectl, bucket: s3.Bucket) -> Iterator[Deployed]:
    """The deployment, under the protection that is the default."""
    small = {"volume": {"sizeGb": 1}, "cpuRequest": "50m", "memoryRequest": "256Mi"}
    values = {
        "pod": configurations.OPENSHIFT,
        "namespace": unique_name(),
        "database": {kind: small, "connectTimeoutSeconds": 30},
        "artifacts": {"s3": {**bucket.block, "prefix": kind, "region": "us-east-1"}},
        "server": {**configurations.SERVER, "allowedHosts": ["10.*"]},
    }
    with deploy(new_stack, kubectl, values, {"artifacts.s3.secretAccessKey": bucket.secret_access_key}) as made:
        yield made


@pytest.mark.feature("db-incluster")
def test_a_database_in_the_cluster_keeps_its_data_when_its_pod_is_deleted(
    kind: str, deployed: Deployed, kubectl: Kubectl, tmp_path: Path
) -> None:
    namespace = deployed.namespace
    (database,) = kubectl.pods(namespace, "database")
    assert restarts([database, *kubectl.pods(namespace)]) == 0
    with kubectl.forward(namespace, "mlflow", tmp_path) as url:
        logged = client.log(url, client.MIB)

        kubectl.text("delete", "pod", "--namespace", namespace, pod_name(database))

        def back() -> bool:
            pods = kubectl.pods(namespace, "database")
            ready = pods and pods[0]["status"].get("containerStatuses", [{}])[0].get("ready")
            return bool(ready) and pods[0]["metadata"]["uid"] != database["metadata"]["uid"]

        eventually(back, "the database is back", 0.5)
        client.read_back(url, logged)
    assert logged.run_id in _in_database(kubectl, namespace, DUMP[kind])
    selector = kubectl.json("get", "service", "mlflow", "--namespace", namespace)["spec"]["selector"]
    assert not selector.items() <= database["metadata"]["labels"].items()
    deployed.stack.up("--expect-no-changes").succeeded()


def test_its_password_is_replaced_as_the_command_line_says_and_no_call_fails(
    kind: str, deployed: Deployed, kubectl: Kubectl, record_property: Callable[[str, object], None]
) -> None:
    namespace = deployed.namespace
    printed = rotation.steps(kubectl, namespace, "database-password")
    old = rotation.told(kubectl, namespace, printed)
    followed = rotation.follow(deployed, kubectl, rotation.script(printed), record_property)
    assert _answers(kubectl, namespace, kind, followed.new)
    assert not _answers(kubectl, namespace, kind, old)
    deployed.stack.up("--expect-no-changes").succeeded()


def _answers(kubectl: Kubectl, namespace: str, kind: str, password: str) -> bool:
    """Whether the server takes a password over the network."""
    (pod,) = kubectl.pods(namespace, "database")
    command = LOGIN[kind].format(password=password)
    name = ("--namespace", namespace, pod_name(pod), "--container", "database")
    done = kubectl.run("exec", *name, "--", "sh", "-c", command)
    assert done.returncode == 0 or REFUSED[kind] in done.stderr, done.stderr
    return done.returncode == 0


def _in_database(kubectl: Kubectl, namespace: str, command: str) -> str:
    (pod,) = kubectl.pods(namespace, "database")
    name = ("--namespace", namespace, pod_name(pod), "--container", "database")
    return kubectl.text("exec", *name, "--", "sh", "-c", command)
