"""Backups with real pods: taken, read back, tried out, and restored over what was destroyed, by the command line."""

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import backups, client, configurations, mariadb, postgresql, s3, schemas
from tests.support.command_line import CommandLine
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name

METRICS = int(os.environ.get("MLFLOW_METRICS", "1000"))
"""How many metrics are restored with a bucket."""
MIB = int(os.environ.get("MLFLOW_MIB", "8"))
"""How much its artifacts are, in files of 4 MiB."""


@pytest.fixture(scope="module")
def on_postgresql(
    new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket
) -> Iterator[Deployed]:
    """A server on PostgreSQL, whose artifacts and backups are in one bucket."""
    values = configurations.postgresql(
        unique_name(), database, bucket, server={"replicas": 1}, backup=backups.in_bucket(bucket)
    )
    keys = {**configurations.postgresql_secrets(database, bucket), **backups.in_bucket_secrets(bucket)}
    with deploy(new_stack, kubectl, values, keys) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def on_mariadb(
    new_stack: Deploy, kubectl: Kubectl, mariadb_database: mariadb.Database, bucket: s3.Bucket
) -> Iterator[Deployed]:
    """The same on MariaDB, with copies of the artifacts."""
    kept = {**backups.in_bucket(bucket), "artifacts": "copied"}
    values = configurations.mysql(unique_name(), mariadb_database, bucket, server={"replicas": 1}, backup=kept)
    keys = {**configurations.mysql_secrets(mariadb_database, bucket), **backups.in_bucket_secrets(bucket)}
    with deploy(new_stack, kubectl, values, keys) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def mariadb_database(mariadb_server: mariadb.Server) -> mariadb.Database:
    """Its database."""
    return mariadb_server.database()


@pytest.fixture(scope="module")
def on_volumes(new_stack: Deploy, kubectl: Kubectl, bucket: s3.Bucket) -> Iterator[Deployed]:
    """A server on SQLite, with database and artifacts on claims."""
    values = configurations.sqlite(unique_name(), backup=backups.in_bucket(bucket))
    with deploy(new_stack, kubectl, values, backups.in_bucket_secrets(bucket)) as deployed:
        yield deployed


@pytest.mark.core
@pytest.mark.feature("backup", "restore")
def test_what_was_destroyed_comes_back_from_a_backup_that_was_tried_out(
    on_postgresql: Deployed,
    kubectl: Kubectl,
    database: postgresql.Database,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    _destroyed_and_restored(
        on_postgresql,
        kubectl,
        tmp_path,
        lambda: database.query("DROP TABLE metrics, params, tags"),
        record_property,
    )


@pytest.mark.extended
@pytest.mark.feature("backup", "restore")
def test_the_same_on_mariadb(
    on_mariadb: Deployed,
    kubectl: Kubectl,
    mariadb_database: mariadb.Database,
    bucket: s3.Bucket,
    record_property: Callable[[str, object], None],
    tmp_path: Path,
) -> None:
    store, prefix = bucket.client(), f"{on_mariadb.values['artifacts']['s3']['prefix']}/"
    lost = dict[str, str]()

    def fill(run_id: str) -> None:
        schemas.many_metrics(mariadb_database, run_id, METRICS)
        (folder,) = {name.partition("/artifacts/")[0] for name in bucket.checksums(prefix) if run_id in name}
        for number in range(MIB // 4):
            body = secrets.token_bytes(4 * client.MIB)
            store.put_object(Bucket=bucket.name, Key=f"{folder}/artifacts/many/{number}", Body=body)

    def destroy() -> None:
        mariadb_database.query("DROP TABLE metrics, params, tags")
        lost.update(bucket.checksums(prefix))
        for name in lost:
            store.delete_object(Bucket=bucket.name, Key=name)

    _destroyed_and_restored(on_mariadb, kubectl, tmp_path, destroy, record_property, fill)
    assert bucket.checksums(prefix) == lost and len(lost) > MIB // 4
    assert mariadb_database.query("SELECT count(*) FROM metrics WHERE `key` = 'seed'") == [(METRICS,)]


@pytest.mark.extended
@pytest.mark.feature("backup", "restore")
def test_the_same_of_database_and_artifacts_on_volumes(
    on_volumes: Deployed, kubectl: Kubectl, record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    (server,) = kubectl.pods(on_volumes.namespace)

    def destroy() -> None:
        tables = "import sqlite3; sqlite3.connect('/mlflow/database/mlflow.db').executescript('DROP TABLE params; DROP TABLE tags')"
        for command in (("sh", "-c", "rm -r /mlflow/artifacts/*"), ("python", "-c", tables)):
            kubectl.exec(on_volumes.namespace, pod_name(server), *command)

    _destroyed_and_restored(on_volumes, kubectl, tmp_path, destroy, record_property)


def _destroyed_and_restored(
    deployed: Deployed,
    kubectl: Kubectl,
    folder: Path,
    destroy: Callable[[], object],
    record_property: Callable[[str, object], None],
    fill: Callable[[str], object] = lambda _: None,
) -> None:
    """Lose what was logged after a backup, and read it from the server that is open again after the restore."""
    command = CommandLine(kubectl.kubeconfig, deployed.namespace)
    with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
        logged = client.log(url)
    fill(logged.run_id)
    snapshot = command.run("backup", "--json").json["snapshot"]
    (listed,) = command.run("list", "--json").json
    assert (listed["short_id"], listed["tags"]) == (snapshot, ["backup"])
    for name in ("verify", "drill"):
        answer = command.run(name)
        assert answer.code == 0, answer.progress
    destroy()
    started = time.monotonic()
    restored = command.run("restore", "latest", "--replace", "--yes", "--json")
    record_property("restore_seconds", round(time.monotonic() - started))
    assert restored.json["snapshot"] == snapshot
    assert f"what was there is saved as snapshot {restored.json['before']}" in restored.progress
    with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
        client.read_back(url, logged)
