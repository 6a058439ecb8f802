"""`pulumi up` to a newer MLflow with another database schema, while clients log."""

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from components import versions
from tests.support import backups, configurations, load, mariadb, older, postgresql, s3, schemas, sessions, work
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, started_within, unique_name
from tests.support.processes import eventually

OLDER = os.environ.get("MLFLOW_UPGRADE_FROM", "3.10.1")
METRICS = 100_000
_MINOR = tuple(map(int, OLDER.split(".")[:2]))
TRACES = _MINOR >= (3, 6)
"""MLflow 2 takes no traces of this client, and 3.1 gives them other names than the client tells."""
ENDS = _MINOR >= (3, 10)
"""Whether servers end when they are asked to. Of others, all of the grace passes, and what they do not answer in it is not answered."""
DRAIN = int(os.environ.get("MLFLOW_DRAIN_SECONDS", "2"))
"""The default of 10 makes a freeze of more than a minute on a machine that other tests keep busy, and calls wait twice as long."""
SERVER = {"drainSeconds": DRAIN, "shutdownGraceSeconds": 300 if ENDS else 20, "allowedHosts": ["10.*"]}


@pytest.fixture(scope="module")
def database(postgresql_server: postgresql.Server) -> postgresql.Database:
    return postgresql_server.database()


@pytest.fixture(scope="module")
def bucket(s3_url: str) -> s3.Bucket:
    return s3.bucket(s3_url)


@pytest.fixture(scope="module")
def old(new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket) -> Iterator[Deployed]:
    """Two servers of the older version, with backups."""
    values, secrets = older.backed_up(
        OLDER, database, bucket, garbageCollection={}, networkPolicy={}, server={**SERVER, "replicas": 2}
    )
    with deploy(new_stack, kubectl, values, secrets) as deployed:
        yield deployed


def _record(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    return kubectl.json("get", "configmap", "mlflow-upgrade", "--namespace", namespace).get("data", {})


def _current(kubectl: Kubectl, namespace: str) -> dict[str, Any]:
    """The upgrade under way."""
    return json.loads(_record(kubectl, namespace).get("current", "{}"))


def _head(database: older.Database) -> str:
    return database.query("SELECT version_num FROM alembic_version")[0][0]


@contextlib.contextmanager
def _at_work(
    kubectl: Kubectl, deployed: Deployed, server: sessions.Server, database: older.Database, folder: Path
) -> Iterator[list[work.Acknowledged]]:
    """Clients that log, and an upload that lasts until the servers have been told to end, of versions that wait for it; at the end,
    everything that was acknowledged is there, once, and no server has been connected to a schema that is not its own.

    Yields:
        What each client was told, once the body has ended.
    """
    target = load.Target.service(kubectl, deployed.namespace)
    url = f"http://{target.address}:{target.port}"
    client = MlflowClient(url)
    run = client.create_run("0").info
    schemas.many_metrics(database, run.run_id, METRICS)
    experiment = client.create_experiment("work")
    assert run.artifact_uri
    path = f"{run.artifact_uri.removeprefix('mlflow-artifacts:/')}/slow.bin"
    first, watch = _head(database), sessions.Watch(kubectl, deployed.namespace, server, database)
    done: list[work.Acknowledged] = []
    over = threading.Event()
    with watch.on(), ThreadPoolExecutor(1) as pool:
        # Other servers do not wait for it, but are ended in its middle.
        uploading = pool.submit(_upload, kubectl, deployed.namespace, path, over) if ENDS else None
        try:
            with work.clients(url, experiment, 20, traces=TRACES) as running:
                time.sleep(3)
                yield done
                time.sleep(3)
        finally:
            over.set()
    done += [each.result() for each in running]
    assert watch.servers() == {(older.tag(OLDER), first), (older.tag(versions.MLFLOW), _head(database))}
    assert database.query(f"SELECT count(*) FROM metrics WHERE run_uuid = '{run.run_id}'") == [(METRICS,)]
    if uploading is not None:
        assert Path(client.download_artifacts(run.run_id, "slow.bin", str(folder))).read_bytes() == uploading.result()
    _compare(client, database, experiment, done, folder)


def _upload(kubectl: Kubectl, namespace: str, path: str, over: threading.Event) -> bytes:
    """Upload something piece by piece, until the servers have been told to end a while ago; returns what it was."""
    fenced = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(load.slow_upload, load.Target.service(kubectl, namespace), path, fenced)
        try:
            eventually(lambda: not kubectl.pods(namespace) or upload.done() or over.is_set(), "the end of servers", 0.5)
            time.sleep(DRAIN + 2)  # from here on, it is the server's grace that keeps it alive
            assert not (upload.done() or over.is_set()), "the upload was over before the servers"
        finally:
            fenced.set()
        return upload.result()


def _compare(
    client: MlflowClient, database: older.Database, experiment: str, done: list[work.Acknowledged], folder: Path
) -> None:
    """Everything that was acknowledged is there, once, and nothing else."""
    assert [each.failures for each in done if each.failures] == []
    runs = {row[0] for row in database.query(f"SELECT run_uuid FROM runs WHERE experiment_id = {experiment}")}
    assert runs == {each.run_id for each in done}
    traces = [row[0] for row in database.query(f"SELECT request_id FROM trace_info WHERE experiment_id = {experiment}")]
    assert sorted(traces) == sorted(trace for each in done for trace in each.traces)
    for each in done:
        metrics = database.query(f"SELECT step, value FROM metrics WHERE run_uuid = '{each.run_id}' ORDER BY step")
        assert [tuple(row) for row in metrics] == [(step, step / 2) for step in range(each.steps)]
        run = client.get_run(each.run_id)
        assert run.data.params == each.params
        own = folder / each.run_id
        own.mkdir()
        client.download_artifacts(each.run_id, "", str(own))
        assert {
            str(file.relative_to(own)): file.read_bytes() for file in own.rglob("*") if file.is_file()
        } == each.files


def _in_time(
    kubectl: Kubectl,
    namespace: str,
    done: list[work.Acknowledged],
    record_property: Callable[[str, object], None],
    evictions: int = 0,
) -> dict[str, Any]:
    """The freeze of one upgrade was short, which is written down and has ended; returns what is."""
    data = _record(kubectl, namespace)
    assert "current" not in data
    (upgrade,) = json.loads(data["history"])
    assert upgrade["result"] == "upgraded"
    freeze, migration, backup = (upgrade[f"{name}Seconds"] for name in ("freeze", "migration", "backup"))
    longest, call = max(each.longest for each in done)
    moments = sorted(moment for each in done for moment in each.moments)
    silence = max(later - earlier for earlier, later in itertools.pairwise(moments))
    kubectl.rolled_out(namespace)
    start = max(started_within(pod) for pod in kubectl.pods(namespace))
    closed, stopped = (datetime.fromisoformat(upgrade[name]) for name in ("closedAt", "stoppedAt"))
    served = (stopped - closed).total_seconds()
    figures = {
        "freeze": freeze,
        "served": served,
        "migration": migration,
        "backup": backup,
        "silence": round(silence, 1),
        "longest_call": round(longest, 1),
        "start": start,
    }
    for name, seconds in figures.items():
        record_property(f"{name}_seconds", seconds)
    record_property("longest_call", call)
    record_property("metrics", sum(each.steps for each in done))
    # Until they have stopped, servers answer. What is left are the backup and the start of a new one, on a busy machine for longer; and
    # that of another pod of the Job.
    assert freeze - served - migration < 30 + start * (1 + evictions)
    return upgrade


@pytest.mark.core
@pytest.mark.feature("upgrade")
def test_no_client_notices_an_upgrade(
    old: Deployed,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    database: postgresql.Database,
    bucket: s3.Bucket,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with _at_work(kubectl, old, postgresql_server, database, tmp_path) as done:
        old.reconfigure(image={}).up().succeeded()
    upgrade = _in_time(kubectl, old.namespace, done, record_property)
    # The backup is the one that was taken meanwhile.
    (snapshot,) = [name for name in bucket.objects() if "/snapshots/" in name]
    assert upgrade["snapshot"] and f"/snapshots/{upgrade['snapshot']}" in snapshot
    # Nothing of it is in the way of what comes next.
    old.stack.up("--expect-no-changes", "--refresh").succeeded()
    old.reconfigure(image={}, server={**old.values["server"], "replicas": 1}).up().succeeded()
    eventually(lambda: len(kubectl.pods(old.namespace)) == 1, "one server", 1)


@pytest.fixture
def mariadb_database(mariadb_server: mariadb.Server) -> mariadb.Database:
    return mariadb_server.database()


def _images(kubectl: Kubectl, namespace: str) -> set[str]:
    return {pod["spec"]["containers"][0]["image"].rpartition(":")[2] for pod in kubectl.pods(namespace)}


@pytest.mark.extended
def test_mariadb_with_an_autoscaler_when_it_fails_and_when_pulumi_and_the_job_are_killed(
    new_stack: Deploy,
    kubectl: Kubectl,
    mariadb_server: mariadb.Server,
    mariadb_database: mariadb.Database,
    bucket: s3.Bucket,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    older.ensure(OLDER)
    database = mariadb_database
    scaled = configurations.mysql(
        unique_name(),
        database,
        bucket,
        image={"tag": older.tag(OLDER)},
        upgrade={"mode": "automatic"},
        backup=backups.in_bucket(bucket),
        autoscaling={"minReplicas": 1, "maxReplicas": 2, "cpuPercent": 500},
        server={**SERVER, "replicas": 1},
    )
    secrets = {**configurations.mysql_secrets(database, bucket), **backups.in_bucket_secrets(bucket)}
    with deploy(new_stack, kubectl, scaled, secrets) as old:
        namespace = old.namespace

        # What the database does not allow is found out before anything stops.
        mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
        pods = {pod_name(pod) for pod in kubectl.pods(namespace)}
        output = old.reconfigure(image={}).up().failed().output
        mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = ON")
        assert "nothing was stopped" in output and "log_bin_trust_function_creators" in output
        assert {pod_name(pod) for pod in kubectl.pods(namespace)} == pods

        with _at_work(kubectl, old, mariadb_server, database, tmp_path) as done:
            cut_off = old.stack.popen("up", "--yes", "--skip-preview")
            eventually(lambda: "closedAt" in _current(kubectl, namespace), "an upgrade under way", 0.5)
            cut_off.kill()
            cut_off.wait()
            # The Job needs nobody, and its next pod goes on where one is that a node loses while the backup is taken.
            eventually(lambda: _current(kubectl, namespace).get("step") == "closed", "the end of the servers", 0.2)
            (job,) = [pod for pod in kubectl.pods(namespace, "migration") if pod["status"]["phase"] == "Running"]
            assert kubectl.evict(namespace, pod_name(job), 1) == ""
            eventually(lambda: _images(kubectl, namespace) == {older.tag(versions.MLFLOW)}, "the new version", 1)
        old.stack.cancel()
        old.stack.up("--refresh").succeeded()
        old.stack.up("--expect-no-changes", "--refresh").succeeded()
        _in_time(kubectl, namespace, done, record_property, evictions=1)
        jobs = [job for job in kubectl.items("jobs", namespace) if "-upgrade-" in job["metadata"]["name"]]
        assert len(jobs) == 1
