"""Continuous backups of SQLite: real servers, clients and Litestream as the component renders them, on a real S3 endpoint."""

import contextlib
import dataclasses
import datetime
import shlex
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import DEV
from tests.support import processes, s3
from tests.support.continuous import LIMIT, Load, Pod, in_server


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.serve("127.0.0.1", tmp_path_factory.mktemp("s3") / "log") as url:
        yield s3.bucket(url)


def values(bucket: s3.Bucket, namespace: str) -> dict[str, Any]:
    """SQLite, with what changes sent to the bucket."""
    destination = {**bucket.block, "secretAccessKey": bucket.secret_access_key}
    return {**DEV, "namespace": namespace, "backup": {"destination": {"s3": destination}, "continuous": {}}}


@pytest.mark.parametrize(
    "moments", [pytest.param(5, marks=pytest.mark.core), pytest.param(20, marks=pytest.mark.extended)]
)
def test_all_but_the_last_seconds_comes_back_whenever_a_volume_is_lost(
    bucket: s3.Bucket, moments: int, tmp_path: Path
) -> None:
    pod = Pod.of(values(bucket, f"moments-{moments}"), tmp_path)
    pod.prepare()
    with contextlib.ExitStack() as stack:
        kill_server = stack.enter_context(pod.serving())
        load = Load.of(pod.uri)
        stack.enter_context(load.running(pod.uri))
        seconds, kill = pod.lost_at_moments(moments, bucket, load, stack, tmp_path)
        time.sleep(3)
        kill_server()
        moment = time.monotonic()
        kill()
    pod.lose("database", "continuous")
    pod.prepare()
    with pod.replicating(), pod.serving():
        seconds.append(load.lost(moment, in_server(pod.uri)))
    print("seconds of acknowledged writes lost:", [round(each, 2) for each in seconds])
    assert max(seconds) < LIMIT + load.slowest


@pytest.mark.core
def test_a_sidecar_waits_for_a_checkpoint_of_the_server(bucket: s3.Bucket, tmp_path: Path) -> None:
    """For which SQLite itself does not wait."""
    pod = Pod.of(values(bucket, "checkpoint"), tmp_path)
    pod.prepare()
    (sidecar,) = pod.containers.beside
    tools = tmp_path / "tools"
    tools.mkdir()
    wrapper = f'[ -e {tools}/busy ] && exec sqlite3 "$@"; : >{tools}/busy; echo "1|7|7"'
    (tools / "sqlite3").write_text(f"#!/bin/sh\nPATH={shlex.quote(sidecar.environment['PATH'])}\n{wrapper}\n")
    (tools / "sqlite3").chmod(0o755)
    found = {**sidecar.environment, "PATH": f"{tools}:{sidecar.environment['PATH']}"}
    before = set(bucket.objects())
    with pod.serving(), processes.running(sidecar.command, tmp_path / "continuous.log", env=found):
        processes.eventually(lambda: set(bucket.objects()) - before, "the first copy")


@pytest.mark.core
def test_a_file_that_is_there_is_kept_also_while_the_destination_is_away(bucket: s3.Bucket, tmp_path: Path) -> None:
    away = dataclasses.replace(bucket, endpoint_url=f"http://127.0.0.1:{processes.free_port()}")
    pod = Pod.of(values(away, "away"), tmp_path)
    file = tmp_path / "database" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE kept (id INTEGER)")
    restore = pod.containers.init_container("restore-database")
    ended = restore.finish()
    assert ended.returncode == 0 and "already exists" in ended.stdout, ended
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchall() == [(0,)]
    file.unlink()
    # An empty server would log over what is lost.
    ended = restore.finish("timeout", "6")
    assert ended.returncode != 0 and not file.exists(), ended


@pytest.mark.extended
def test_a_missing_file_comes_back_as_of_a_moment(bucket: s3.Bucket, tmp_path: Path) -> None:
    configuration = values(bucket, "moment")
    pod = Pod.of(configuration, tmp_path)
    file = tmp_path / "database" / "mlflow.db"
    before = set(bucket.objects())
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE wanted (id INTEGER)")
        with pod.replicating():
            processes.eventually(lambda: set(bucket.objects()) - before, "the first copy")
            time.sleep(2)
            moment = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            time.sleep(1)
            database.execute("CREATE TABLE regretted (id INTEGER)")
    at_the_moment = {**configuration["backup"], "continuous": {"pointInTime": moment}}
    for backup, tables in (at_the_moment, {"wanted"}), (configuration["backup"], {"wanted", "regretted"}):
        pod.lose("database", "continuous")
        restoring = Pod.of({**configuration, "backup": backup}, tmp_path).containers
        restore = restoring.init_container("restore-database")
        assert restore.finish().returncode == 0
        with contextlib.closing(sqlite3.connect(file)) as database:
            found = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert {name for name in found if "litestream" not in name} == tables


@pytest.mark.extended
def test_a_server_leaves_checkpoints_to_the_sidecar(bucket: s3.Bucket, tmp_path: Path) -> None:
    pod = Pod.of(values(bucket, "alone"), tmp_path)
    pod.prepare()
    file = tmp_path / "database" / "mlflow.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = wal")
        with pod.serving():
            load = Load.of(pod.uri)
            with load.running(pod.uri):
                processes.eventually(lambda: sum(map(len, load.acknowledged.values())) > 500, "500 values")
            # SQLite's default would have started it anew at a thousand frames of 4 KiB.
            assert file.with_name("mlflow.db-wal").stat().st_size > 1200 * 4120


@pytest.mark.core
def test_a_drill_finds_a_copy_that_cannot_be_restored(bucket: s3.Bucket, tmp_path: Path) -> None:
    configuration = values(bucket, "drilled")
    pod = Pod.of(configuration, tmp_path / "server")
    drill = Pod.of(configuration, tmp_path / "drill", "mlflow-backup-drill").containers
    rehearse = drill.init_container("continuous-database")
    assert rehearse.finish().returncode == 0, "nothing has been sent yet"
    with contextlib.closing(sqlite3.connect(pod.folder / "database" / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE kept (id INTEGER)")
    before = set(bucket.objects())
    with pod.replicating():
        processes.eventually(lambda: set(bucket.objects()) - before, "the first copy")
    ended = rehearse.finish()
    assert ended.returncode == 0, ended
    with contextlib.closing(sqlite3.connect(tmp_path / "drill" / "dump" / "continuous-database.db")) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchall() == [(0,)]
    for name in set(bucket.objects()) - before:
        bucket.client().put_object(Bucket=bucket.name, Key=name, Body=bucket.read(name)[:-1000])
    ended = rehearse.finish()
    assert ended.returncode != 0, ended
