"""Databases that are made in the cluster beside MLflow."""

from pathlib import Path

import pytest

from tests.support import client, configurations
from tests.support.deployed import deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.processes import eventually

pytestmark = pytest.mark.extended

DUMP = {
    "inClusterPostgresql": "PGPASSWORD=$MLFLOW_PASSWORD pg_dump --host=::1 --username=mlflow mlflow",
    "inClusterMysql": "MYSQL_PWD=$MARIADB_PASSWORD mariadb-dump --host=::1 --user=mlflow mlflow",
}
"""What a backup runs, with nothing but the rights of MLflow's own user. By IPv6, since probes come by IPv4."""


@pytest.mark.feature("db-incluster")
@pytest.mark.parametrize("kind", DUMP)
def test_a_database_in_the_cluster_keeps_its_data_when_its_pod_is_deleted(
    kind: str, new_stack: Deploy, kubectl: Kubectl, tmp_path: Path
) -> None:
    small = {"volume": {"sizeGb": 1}, "cpuRequest": "50m", "memoryRequest": "256Mi"}
    values = {
        "pod": configurations.OPENSHIFT,
        "namespace": unique_name(),
        "database": {kind: small, "connectTimeoutSeconds": 30},
        "artifacts": {"volume": {"sizeGb": 1}},
        "deletionProtection": False,
    }
    with deploy(new_stack, kubectl, values, {}) as deployed:
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
        command = ["sh", "-c", DUMP[kind]]
        dump = kubectl.text(
            "exec", "--namespace", namespace, pod_name(database), "--container", "database", "--", *command
        )
        assert logged.run_id in dump
        selector = kubectl.json("get", "service", "mlflow", "--namespace", namespace)["spec"]["selector"]
        assert not selector.items() <= database["metadata"]["labels"].items()
        deployed.stack.up("--expect-no-changes").succeeded()
