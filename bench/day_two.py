"""What day two costs: restores, backups beside a busy server, upgrades, and how far a continuous backup is behind."""

import contextlib
import itertools
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from bench import wrk
from bench.cluster import Bench
from bench.metrics import Metric, ratio
from tests.configurations import DEV
from tests.support import archive, backups, continuous, older, postgresql, processes, rendered, s3
from tests.support.load import Target

ROWS = (10_000, 100_000, 1_000_000)
"""Rows of metrics of the databases that are restored, and of the largest that is backed up and upgraded."""
ROUNDS, SECONDS = 3, 10
OLDER = "3.10.1"
MOMENTS = 5
LOCAL = "127.0.0.1"
_FILL = """WITH made AS (INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
    SELECT 'bench', random(), n, (SELECT run_uuid FROM runs LIMIT 1), n, false FROM generate_series(1, {rows}) n
    ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM made"""


def on_backups(bench: Bench) -> list[Metric]:
    """Restores of databases of three sizes, and a server's throughput while the largest is backed up; as processes, without pods."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
    folder = bench.new_folder()
    folder.chmod(0o755)

    def pod() -> backups.Pod:
        return backups.Pod(folder, older.uri(database), folder / "repository", {}, programs)

    with postgresql.serve(LOCAL) as server:
        database = server.database()
        pod().seed("fill")
        return [_restores(pod, database), _cost(bench, pod, database)]


def _restores(pod: Callable[[], backups.Pod], database: postgresql.Database) -> Metric:
    seconds = []
    for rows in ROWS:
        database.query(_FILL.format(rows=rows))
        pod().backup()
        seconds.append(min(_restore(pod()) for _ in range(ROUNDS)))
    per_million = {
        f"per_million_from_{n}_to_{m}_rows": 1e6 * (b - a) / (m - n)
        for (n, m), (a, b) in zip(itertools.pairwise(ROWS), itertools.pairwise(seconds), strict=True)
    }
    more = {f"seconds_of_{rows}_rows": taken for rows, taken in zip(ROWS, seconds, strict=True)} | per_million
    against = f"a million rows: what those beyond the first {ROWS[0]} add"
    value = 1e6 * (seconds[-1] - seconds[0]) / (ROWS[-1] - ROWS[0])
    runs = [*per_million.values()]
    return Metric("restore_seconds_per_million_rows", value, against, unit="seconds", runs=runs, more=more)


def _restore(pod: backups.Pod) -> float:
    began = time.monotonic()
    pod.restore(RESTORE_REPLACE="true", RESTORE_WITHOUT_BACKUP="true")
    return time.monotonic() - began


def _cost(bench: Bench, pod: Callable[[], backups.Pod], database: postgresql.Database) -> Metric:
    with _serving(bench, database) as target:
        wrk.log_metrics(target, bench.new_folder(), 3)
        alone, beside = [], []
        for _ in range(ROUNDS):
            alone.append(_throughput(bench, target))
            with _backing_up(pod):
                beside.append(_throughput(bench, target))
    more = {"per_second": statistics.median(beside), "alone_per_second": statistics.median(alone)}
    return ratio("backup_cost", beside, alone, "the same server without a backup", None, **more)


def _throughput(bench: Bench, target: Target) -> float:
    load = wrk.log_metrics(target, bench.new_folder(), SECONDS)
    assert not load.failed, load
    return load.per_second


@contextlib.contextmanager
def _backing_up(pod: Callable[[], backups.Pod]) -> Iterator[None]:
    """Take one backup after the other."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            pod().backup()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()


@contextlib.contextmanager
def _serving(bench: Bench, database: postgresql.Database) -> Iterator[Target]:
    """A server on the database, as a process."""
    port = processes.free_port()
    block = {"host": database.host, "port": database.port, "database": database.name, "username": database.name}
    values: dict[str, Any] = {
        "database": {"postgresql": {**block, "password": database.password, "tls": {"mode": "require"}}},
        "artifacts": {"volume": {"accessMode": "ReadWriteMany"}},
        "server": {"port": port},
    }
    folder = bench.new_folder()
    main = rendered.pod(values, "mlflow-server", folder).main
    ready = lambda: processes.listens(LOCAL, port)  # noqa: E731
    with processes.running(main.command, folder / "log", env=main.environment, ready=ready):
        yield Target(LOCAL, port, f"{LOCAL}:{port}")


def upgrade(bench: Bench) -> list[Metric]:
    """From an older MLflow with pods, by `pulumi up`."""
    older.ensure(OLDER)
    itself = {"mode": "automatic", "withoutBackup": True}
    server = {"replicas": 2, "drainSeconds": 2}
    with bench.external(image={"tag": older.tag(OLDER)}, upgrade=itself, server=server) as configured:
        configured.stack.up().succeeded()
        with bench.kubectl.forward(configured.namespace, "mlflow", bench.new_folder()) as url:
            MlflowClient(url).create_run("0")
        name = configured.values["database"]["postgresql"]["database"]
        bench.postgresql.query(name, _FILL.format(rows=ROWS[1]))
        configured.reconfigure(image={})
        configured.stack.up().succeeded()
        record = bench.kubectl.json("get", "configmap", "mlflow-upgrade", "--namespace", configured.namespace)
    (done,) = json.loads(record["data"]["history"])
    freeze, migration = done["freezeSeconds"], done["migrationSeconds"]
    more = {"freeze_seconds": freeze, "migration_seconds": migration, "rows": ROWS[1]}
    return [Metric("upgrade_freeze_over_migration", freeze / migration, "the migration alone", more=more)]


def archive_lag(bench: Bench) -> list[Metric]:
    """What is lost with the volume of SQLite and of PostgreSQL under load, with continuous backups to an S3 endpoint; as processes."""
    folder = bench.new_folder()
    with s3.serve(LOCAL, folder / "log") as url:
        of_sqlite = _lost(s3.bucket(url), folder / "pod")
    found = {
        "archive_lag_seconds": of_sqlite,
        "archive_lag_seconds_postgresql": _lost_of_postgresql(bench.new_folder()),
    }
    against = f"{MOMENTS} moments at which the volume might be lost: the worst"
    return [Metric(name, max(seconds), against, unit="seconds", runs=seconds) for name, seconds in found.items()]


def _lost(bucket: s3.Bucket, folder: Path) -> list[float]:
    destination = {
        "bucket": bucket.name,
        "endpointUrl": bucket.endpoint_url,
        "accessKeyId": bucket.access_key_id,
        "secretAccessKey": bucket.secret_access_key,
    }
    values = {**DEV, "backup": {"destination": {"s3": destination}, "continuous": {}}}
    folder.mkdir()
    pod = continuous.Pod.of(values, folder)
    pod.prepare()
    with contextlib.ExitStack() as stack:
        stack.enter_context(pod.serving())
        load = continuous.Load.of(pod.uri)
        stack.enter_context(load.running(pod.uri))
        return pod.lost_at_moments(MOMENTS, bucket, load, stack, folder)[0]


def _lost_of_postgresql(folder: Path) -> list[float]:
    with archive.folder() as root, s3.serve_minio(LOCAL, "localhost", folder) as (bucket, url):
        return archive.Pod.of(archive.to_bucket(bucket, url), "bucket", root).lost_at_moments(MOMENTS)
