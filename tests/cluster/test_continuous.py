"""Continuous backups with real pods: a claim that is lost under load, and a moment that is restored by hand."""

import os
import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import backups, configurations, s3, users
from tests.support.continuous import LIMIT, Load, in_server
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name
from tests.support.processes import eventually
from tests.support.users import Login
from toolchain.session import Session

pytestmark = pytest.mark.extended

LOSSES = int(os.environ.get("MLFLOW_LOSSES", "1"))
"""How often the claim is lost."""
METRICS = int(os.environ.get("MLFLOW_METRICS", "1000"))
"""How many metrics the database holds before."""
SEED = """
import sqlite3, sys
with sqlite3.connect("/mlflow/database/mlflow.db", timeout=60) as database:
    database.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) SELECT 'seed', i, i, ?, i, 0 FROM n",
        [int(sys.argv[1]), sys.argv[2]],
    )
"""


@pytest.fixture(scope="module")
def deployed(new_stack: Deploy, kubectl: Kubectl, bucket: s3.Bucket) -> Iterator[Deployed]:
    """A deployment whose users are in a second file."""
    destination = {"bucket": bucket.name, "endpointUrl": bucket.endpoint_url, "accessKeyId": bucket.access_key_id}
    values = configurations.sqlite(
        unique_name(),
        auth={"basic": {}},
        backup={"destination": {"s3": destination}, "continuous": {"scratchSize": "1Gi"}, **backups.NOT_NOW},
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


@pytest.mark.feature("backup-continuous")
def test_a_claim_lost_under_load_comes_back_with_all_but_the_last_seconds(
    deployed: Deployed, kubectl: Kubectl, tmp_path: Path
) -> None:
    admin, new = users.administrator(deployed, kubectl), Login("somebody", secrets.token_hex(16))
    where, chance = ("--namespace", deployed.namespace), random.Random(7)
    lost, seconds = list[float](), list[float]()
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        assert users.create(url, admin, new) == 200
        (seeded, *_) = Load.of(url, admin).runs
    kubectl.text("exec", "deployment/mlflow-server", *where, "--", "python3", "-c", SEED, str(METRICS), seeded)
    time.sleep(METRICS / 50_000)  # so much in one change is sent for seconds, and what follows after it
    for _ in range(LOSSES):
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
            load = Load.of(url, admin)
            with load.running(url):
                time.sleep(chance.uniform(4, 8))
                (pod,) = kubectl.pods(deployed.namespace)
                kubectl.text("delete", "persistentvolumeclaim", "mlflow-database", "--wait=false", *where)
                moment = time.monotonic()
                kubectl.text("delete", "pod", pod_name(pod), "--grace-period=0", "--force", *where)
        seconds.append(_seconds_until_serving(deployed, kubectl))
        with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
            lost.append(load.lost(moment, in_server(url, admin)))
            assert users.current(url, new)["username"] == "somebody"
    count = "SELECT count(*) FROM metrics WHERE key = 'seed'"
    found = kubectl.text(
        *("exec", "deployment/mlflow-server", *where, "--container", "continuous"),
        *("--", "sqlite3", "/mlflow/database/mlflow.db", count),
    )
    assert int(found) == METRICS
    print("seconds of acknowledged writes lost:", [round(each, 1) for each in lost])
    print("seconds from `pulumi up --refresh` until serving:", [round(each) for each in seconds])
    assert max(lost) < LIMIT


@pytest.mark.feature("backup-continuous-postgresql")
def test_a_claim_of_postgresql_lost_under_load_comes_back_with_all_but_the_last_seconds(
    new_stack: Deploy, kubectl: Kubectl, session: Session, tmp_path: Path
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
            backup={"destination": {"s3": destination}, "continuous": {}, **backups.NOT_NOW, "drill": None},
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
                load = Load.of(url)
                with load.running(url):
                    time.sleep(5)
                    kubectl.text("delete", "persistentvolumeclaim", "mlflow-database", "--wait=false", *where)
                    kubectl.text("delete", "pod", "mlflow-database-0", "--grace-period=0", "--force", *where)
                    moment = time.monotonic()
            seconds = _seconds_until_serving(deployed, kubectl)
            with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
                lost = load.lost(moment, in_server(url))
            print(f"lost {lost:.1f} s of acknowledged writes; pulumi up --refresh until serving: {seconds:.0f} s")
            assert lost < LIMIT
