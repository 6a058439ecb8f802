"""`pulumi up` to a newer MLflow with another database schema, while clients log."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow import MlflowClient

from components import versions
from tests.support import configurations, mariadb, older, postgresql, s3, schemas, work
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, started_within, unique_name
from tests.support.processes import eventually

OLDER = os.environ.get("MLFLOW_UPGRADE_FROM", "3.10.1")
METRICS = 100_000
_MINOR = tuple(map(int, OLDER.split(".")[:2]))
TRACES = _MINOR >= (3, 6)
"""MLflow 2 takes no traces of this client, and 3.1 gives them other names than the client tells."""
GRACE = 300 if _MINOR >= (3, 10) else 20
"""In seconds: all of it passes where servers are of a version before 3.10, which do not end when they are asked to."""
ITSELF = {"mode": "automatic", "withoutBackup": True}


@pytest.fixture(scope="module")
def database(postgresql_server: postgresql.Server) -> postgresql.Database:
    return postgresql_server.database()


@pytest.fixture(scope="module")
def old(new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, s3_url: str) -> Iterator[Deployed]:
    """Two servers of the older version."""
    older.ensure(OLDER)
    bucket = s3.bucket(s3_url)
    values = configurations.postgresql(
        unique_name(),
        database,
        bucket,
        image={"tag": older.tag(OLDER)},
        upgrade=ITSELF,
        garbageCollection={},
        networkPolicy={},
        server={"replicas": 2, "drainSeconds": 2, "shutdownGraceSeconds": GRACE, "allowedHosts": ["10.*"]},
    )
    with deploy(new_stack, kubectl, values, configurations.postgresql_secrets(database, bucket)) as deployed:
        yield deployed


def _url(kubectl: Kubectl, namespace: str) -> str:
    """The Service, which this machine reaches where the cluster is the built-in one."""
    spec = kubectl.json("get", "service", "mlflow", "--namespace", namespace)["spec"]
    return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


def _history(kubectl: Kubectl, namespace: str) -> list[dict[str, Any]]:
    data = kubectl.json("get", "configmap", "mlflow-upgrade", "--namespace", namespace).get("data", {})
    assert "current" not in data
    return json.loads(data["history"])


class Watch(threading.Thread):
    """Looks which sessions of servers there are with which version of the schema."""

    def __init__(self, database: postgresql.Database) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._ended = threading.Event()
        self.seen: dict[str, set[Any]] = {}

    def run(self) -> None:
        query = """SELECT (SELECT version_num FROM alembic_version), pid, backend_start FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'mlflow-server'"""
        while not self._ended.wait(0.3):
            for head, *session in self._database.query(query):
                self.seen.setdefault(head, set()).add(tuple(session))

    @contextlib.contextmanager
    def on(self) -> Iterator["Watch"]:
        self.start()
        yield self
        self._ended.set()
        self.join()


def _compare(url: str, database: older.Database, experiment: str, done: list[work.Acknowledged]) -> None:
    """Everything that was acknowledged is there, once, and nothing else."""
    assert [each.failures for each in done if each.failures] == []
    runs = {row[0] for row in database.query(f"SELECT run_uuid FROM runs WHERE experiment_id = {experiment}")}
    assert runs == {each.run_id for each in done}
    traces = [row[0] for row in database.query(f"SELECT request_id FROM trace_info WHERE experiment_id = {experiment}")]
    assert sorted(traces) == sorted(trace for each in done for trace in each.traces)
    client = MlflowClient(url)
    for each in done:
        steps = database.query(f"SELECT step FROM metrics WHERE run_uuid = '{each.run_id}' ORDER BY step")
        assert [row[0] for row in steps] == list(range(each.steps))
        params = database.query(f"SELECT * FROM params WHERE run_uuid = '{each.run_id}'")
        assert {row[0] for row in params} == set(each.params)
        assert {file.path for file in client.list_artifacts(each.run_id)} == set(each.files)


@pytest.mark.core
@pytest.mark.feature("upgrade")
def test_no_client_notices_an_upgrade(
    old: Deployed, kubectl: Kubectl, database: postgresql.Database, record_property: Callable[[str, object], None]
) -> None:
    url = _url(kubectl, old.namespace)
    client = MlflowClient(url)
    seeded = client.create_run("0").info.run_id
    schemas.many_metrics(database, seeded, METRICS)
    experiment = client.create_experiment("work")
    with Watch(database).on() as watch, work.clients(url, experiment, 20, traces=TRACES) as running:
        time.sleep(3)
        up = old.reconfigure(image={}).up()
        time.sleep(3)
    up.succeeded()
    done = [each.result() for each in running]
    _compare(url, database, experiment, done)
    assert database.query(f"SELECT count(*) FROM metrics WHERE run_uuid = '{seeded}'") == [(METRICS,)]

    # Each session of a server has seen one version of the schema.
    assert len(watch.seen) == 2
    first, second = watch.seen.values()
    assert first & second == set()

    (upgrade,) = _history(kubectl, old.namespace)
    freeze, migration = upgrade["freezeSeconds"], upgrade["migrationSeconds"]
    record_property("freeze_seconds", freeze)
    record_property("migration_seconds", migration)
    record_property("metrics", sum(each.steps for each in done))
    record_property("longest_call_seconds", round(max(each.longest for each in done), 1))
    kubectl.rolled_out(old.namespace)
    # Beyond the migration it is the end of the old servers, and what a new one needs to start, on a busy machine for longer.
    assert freeze - migration < 30 + 3 * max(started_within(pod) for pod in kubectl.pods(old.namespace))
    # Nothing of it is in the way of what comes next.
    old.stack.up("--expect-no-changes", "--refresh").succeeded()
    old.reconfigure(image={}, server={**old.values["server"], "replicas": 1}).up().succeeded()
    eventually(lambda: len(kubectl.pods(old.namespace)) == 1, "one server", 1)


@pytest.fixture
def mariadb_database(mariadb_server: mariadb.Server) -> mariadb.Database:
    return mariadb_server.database()


def _current(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    """The upgrade under way."""
    record = kubectl.json("get", "configmap", "mlflow-upgrade", "--namespace", namespace)
    return json.loads(record.get("data", {}).get("current", "{}"))


def _images(kubectl: Kubectl, namespace: str) -> set[str]:
    return {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in kubectl.pods(namespace)}


@pytest.mark.extended
def test_mariadb_with_an_autoscaler_when_it_fails_and_when_pulumi_is_killed(
    new_stack: Deploy,
    kubectl: Kubectl,
    mariadb_server: mariadb.Server,
    mariadb_database: mariadb.Database,
    s3_url: str,
    record_property: Callable[[str, object], None],
) -> None:
    older.ensure(OLDER)
    bucket, database = s3.bucket(s3_url), mariadb_database
    scaled = configurations.mysql(
        unique_name(),
        database,
        bucket,
        image={"tag": older.tag(OLDER)},
        upgrade=ITSELF,
        autoscaling={"minReplicas": 1, "maxReplicas": 2, "cpuPercent": 500},
        server={"replicas": 1, "drainSeconds": 2, "shutdownGraceSeconds": GRACE, "allowedHosts": ["10.*"]},
    )
    with deploy(new_stack, kubectl, scaled, configurations.mysql_secrets(database, bucket)) as old:
        namespace = old.namespace
        url = _url(kubectl, namespace)
        client = MlflowClient(url)
        seeded = client.create_run("0").info.run_id
        schemas.many_metrics(database, seeded, METRICS)
        experiment = client.create_experiment("work")

        # What the database does not allow is found out before anything stops.
        mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
        pods = {pod["metadata"]["name"] for pod in kubectl.pods(namespace)}
        output = old.reconfigure(image={}).up().failed().output
        mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = ON")
        assert "nothing was stopped" in output and "log_bin_trust_function_creators" in output
        assert {pod["metadata"]["name"] for pod in kubectl.pods(namespace)} == pods

        with work.clients(url, experiment, 20, traces=TRACES) as running:
            time.sleep(2)
            cut_off = old.stack.popen("up", "--yes", "--skip-preview")
            eventually(lambda: "closedAt" in _current(kubectl, namespace), "an upgrade under way", 0.5)
            cut_off.kill()
            cut_off.wait()
            # The Job needs nobody.
            eventually(lambda: _images(kubectl, namespace) == {older.tag(versions.MLFLOW)}, "the new version", 1)
            time.sleep(2)
        done = [each.result() for each in running]
        _compare(url, database, experiment, done)
        assert database.query(f"SELECT count(*) FROM metrics WHERE run_uuid = '{seeded}'") == [(METRICS,)]
        old.stack.cancel()
        old.stack.up("--refresh").succeeded()
        old.stack.up("--expect-no-changes", "--refresh").succeeded()
        (upgraded,) = _history(kubectl, namespace)
        assert upgraded["result"] == "upgraded"
        record_property("freeze_seconds", upgraded["freezeSeconds"])
        record_property("migration_seconds", upgraded["migrationSeconds"])
