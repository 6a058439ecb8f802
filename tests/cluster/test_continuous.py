"""Continuous backups with real pods: a claim that is lost under load, and a moment that is restored by hand."""

import contextlib
import os
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.support import backups, client, configurations, s3, users
from tests.support.command_line import CommandLine
from tests.support.continuous import LIMIT, Load, in_server
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, started_within, unique_name
from tests.support.processes import eventually
from tests.support.users import Login
from toolchain.session import Session

pytestmark = pytest.mark.extended

LOSSES = int(os.environ.get("MLFLOW_LOSSES", "1"))
"""How often the claim is lost."""
METRICS = int(os.environ.get("MLFLOW_METRICS", "1000"))
"""How many metrics the database holds before."""
Record = Callable[[str, object], None]
SERVING = 60
"""Seconds, from `pulumi up --refresh` on, within which it serves again."""
SEED = """
import sqlite3, sys
with sqlite3.connect("/mlflow/database/mlflow.db", timeout=60) as database:
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) SELECT 'seed', i, i, ?, i, 0 FROM n",
        [int(sys.argv[1]), sys.argv[2]],
    )
"""

SEED_POSTGRESQL = """
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
SELECT 'seed', n, n, '{run}', n, false FROM generate_series(1, {metrics}) AS n
"""


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl, bucket: s3.Bucket) -> Iterator[Deployed]:
    """A deployment whose users are in a second file."""
    values = configurations.sqlite(
        unique_name(),
        auth={"basic": {}},
        backup={"destination": {"s3": bucket.block}, "continuous": {"scratchSize": "1Gi"}, **backups.NOT_NOW},
    )
    keys = {"backup.destination.s3.secretAccessKey": bucket.secret_access_key}
    with deploy(new_stack, kubectl, values, keys) as deployed:
        yield deployed


def _seconds_until_serving(deployed: Deployed, kubectl: Kubectl) -> float:
    """Have `pulumi up` make what was lost anew; how long that took."""
    started = time.monotonic()
    deployed.stack.up("--refresh").succeeded()
    kubectl.rolled_out(deployed.namespace)
    return time.monotonic() - started


def _losses(
    deployed: Deployed,
    kubectl: Kubectl,
    folder: Path,
    record_property: Record,
    pod: Callable[[], str],
    login: Login | None = None,
) -> None:
    """Lose the database's claim under load and bring it back, again and again, with all but the last seconds of what was acknowledged,
    and with what a run said of its artifacts."""
    where, chance = ("--namespace", deployed.namespace), random.Random(7)
    claim = ("persistentvolumeclaim", "mlflow-database")
    lost, seconds = list[float](), list[float]()

    def as_user() -> contextlib.AbstractContextManager[None]:
        return client.login(*login) if login else contextlib.nullcontext()

    for _ in range(LOSSES):
        before = kubectl.json("get", *claim, *where)["metadata"]["uid"]
        with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
            with as_user():
                logged = client.log(url)
            load = Load.of(url, login)
            with load.running(url):
                time.sleep(chance.uniform(4, 8))
                kubectl.text("delete", *claim, "--wait=false", *where)
                kubectl.text("delete", "pod", pod(), "--grace-period=0", "--force", *where)
                moment = time.monotonic()
        # Every client was at work until then.
        assert max(moment - times[-1] for times in load.acknowledged.values()) < LIMIT + load.slowest
        seconds.append(_seconds_until_serving(deployed, kubectl))
        assert kubectl.json("get", *claim, *where)["metadata"]["uid"] != before
        with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
            lost.append(load.lost(moment, in_server(url, login)))
            with as_user():
                client.read_back(url, logged)
    record_property("seconds_of_acknowledged_writes_lost", [round(each, 1) for each in lost])
    record_property("seconds_until_serving", [round(each) for each in seconds])
    assert max(lost) < LIMIT
    # On a busy machine, whatever its servers take to start.
    assert max(seconds) < SERVING + 3 * max(started_within(each) for each in kubectl.pods(deployed.namespace))


def _many(kubectl: Kubectl, *command: str) -> None:
    """Run the command in a pod that writes `METRICS` metrics, and wait until they are sent: so much in one change takes seconds."""
    kubectl.text("exec", *command)
    time.sleep(METRICS / 50_000)


@pytest.mark.feature("backup-continuous")
def test_a_claim_lost_under_load_comes_back_with_all_but_the_last_seconds(
    deployed: Deployed, kubectl: Kubectl, record_property: Record, tmp_path: Path
) -> None:
    admin, new = users.administrator(deployed, kubectl), Login("somebody", secrets.token_hex(16))
    where = ("--namespace", deployed.namespace)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        assert users.create(url, admin, new) == 200
        (seeded, *_) = Load.of(url, admin).runs
    _many(kubectl, "deployment/mlflow-server", *where, "--", "python3", "-c", SEED, str(METRICS), seeded)
    _losses(deployed, kubectl, tmp_path, record_property, lambda: pod_name(kubectl.pods(deployed.namespace)[0]), admin)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        assert users.current(url, new)["username"] == "somebody"
    count = "SELECT count(*) FROM metrics WHERE key = 'seed'"
    found = kubectl.text(
        *("exec", "deployment/mlflow-server", *where, "--container", "continuous"),
        *("--", "sqlite3", "/mlflow/database/mlflow.db", count),
    )
    assert int(found) == METRICS


@pytest.mark.feature("backup-continuous-postgresql")
def test_a_claim_of_postgresql_lost_under_load_comes_back_with_all_but_the_last_seconds(
    new_stack: Deploy, kubectl: Kubectl, session: Session, record_property: Record, tmp_path: Path
) -> None:
    host, name = str(session.host_address), "objects.example.com"
    small = {"volume": {"sizeGb": 1}, "cpuRequest": "50m", "memoryRequest": "256Mi"}
    with s3.serve_minio(host, name, tmp_path) as (bucket, endpoint):
        destination = {
            "bucket": bucket.name,
            "endpointUrl": endpoint,
            "accessKeyId": bucket.access_key_id,
            "caCertificate": (tmp_path / "authority.pem").read_text(),
        }
        values = configurations.sqlite(
            unique_name(),
            database={"inClusterPostgresql": small, "connectTimeoutSeconds": 60},
            backup={"destination": {"s3": destination}, "continuous": {}, "scratchSize": "1Gi", **backups.NOT_NOW},
            networkPolicy={},
            pod={**configurations.OPENSHIFT, "hostAliases": [{"ip": host, "hostnames": [name]}]},
        )
        keys = {"backup.destination.s3.secretAccessKey": bucket.secret_access_key}
        with deploy(new_stack, kubectl, values, keys) as deployed:
            where = ("--namespace", deployed.namespace)

            def backed_up() -> bool:
                said = kubectl.text("logs", "mlflow-database-0", "--container", "base-backup", *where)
                return "backup command end: completed successfully" in said

            eventually(backed_up, "a base backup")
            with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
                (seeded, *_) = Load.of(url).runs
            psql = (
                *("mlflow-database-0", "--container", "database", *where, "--"),
                *("psql", "--username=postgres", "--dbname=mlflow", "--tuples-only", "--no-align", "--command"),
            )
            _many(kubectl, *psql, SEED_POSTGRESQL.format(metrics=METRICS, run=seeded))
            _losses(deployed, kubectl, tmp_path, record_property, lambda: "mlflow-database-0")
            found = kubectl.text("exec", *psql, "SELECT count(*) FROM metrics WHERE key = 'seed'")
            assert int(found) == METRICS
            _drilled(kubectl, deployed.namespace, bucket)


def _drilled(kubectl: Kubectl, namespace: str, bucket: s3.Bucket) -> None:
    """Let a drill look through the archive, as a pod, while it is whole and without one segment of the log."""
    command, where = CommandLine(kubectl.kubeconfig, namespace), ("--namespace", namespace)
    assert command.run("backup").code == 0
    drill = command.run("drill")
    assert drill.code == 0 and "continuous-database: the archive is whole" in drill.progress, drill.progress
    first, second, third, *_ = sorted(
        each for each in bucket.objects() if re.search(r"/archive/.*/[0-9A-F]{24}-[^/]*$", each)
    )
    bucket.client().delete_object(Bucket=bucket.name, Key=second)
    # Once, and nothing but this: the whole drill again, and its retry, would take a minute.
    job = kubectl.json("get", "cronjob", "mlflow-backup-drill", *where)["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    pod["initContainers"] = [each for each in pod["initContainers"] if each["name"] == "continuous-database"]
    named = {"name": "damaged", "namespace": namespace}
    kubectl.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": named, "spec": {**job, "backoffLimit": 0}})
    kubectl.wait("condition=failed", "job/damaged", *where)
    gap = " to ".join(PurePosixPath(each).name[:24] for each in (first, third))
    said = kubectl.text("logs", "job/damaged", "--container=continuous-database", *where)
    assert f"the log has a gap from {gap}" in said, said
