"""Continuous backups of PostgreSQL in the cluster: real servers and pgBackRest, as the component renders them."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import archive, processes, s3
from tests.support.archive import Load, Pod
from tests.support.continuous import LIMIT

pytestmark = pytest.mark.extended

BACKUP = {"destination": {"volume": {}}}


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with archive.folder() as made:
        yield made


def test_all_but_the_last_seconds_comes_back_from_a_bucket_whenever_a_volume_is_lost(
    root: Path, tmp_path: Path
) -> None:
    with s3.serve_minio("127.0.0.1", "localhost", tmp_path) as (bucket, url):
        seconds = Pod.of(archive.to_bucket(bucket, url), "bucket", root).lost_at_moments(2)
    print("seconds of acknowledged writes lost:", [round(each, 2) for each in seconds])
    assert max(seconds) < LIMIT


def test_what_is_written_right_after_a_start_is_sent_too(root: Path) -> None:
    """Without what a base backup does to the server."""
    pod, sent = Pod.of(BACKUP, "start", root), "SELECT archived_count FROM pg_stat_archiver"
    pod.prepare().check_returncode()
    for _ in range(2):
        with pod.beside("archive"), pod.server():
            before = pod.query(sent)
            pod.query("INSERT INTO counted VALUES (1)")
            began = time.monotonic()
            processes.eventually(lambda before=before: pod.query(sent) > before, "a segment in the archive")
            assert time.monotonic() - began < LIMIT


def test_the_server_goes_on_while_the_destination_is_away_and_no_empty_one_starts(root: Path) -> None:
    pod, load = Pod.of(BACKUP, "away", root), Load()
    place = pod.folder / "backups"
    with pod.serving() as kill, load.running(pod):
        processes.eventually(pod.backed_up, "a base backup")
        place.chmod(0)
        processes.eventually(lambda: "Permission denied" in pod.log("archive").read_text(), "a segment that is refused")
        written = len(load.acknowledged)
        processes.eventually(lambda: len(load.acknowledged) > written, "a write")
        place.chmod(0o755)
        pod.send()
        place.chmod(0)
        kill()
    pod.lose()
    ended = pod.prepare()
    assert ended.returncode != 0 and not (pod.folder / "database" / "pgdata").exists(), ended
    place.chmod(0o755)
    ended = pod.prepare(PGBACKREST_REPO1_CIPHER_PASS="another password")
    assert ended.returncode != 0 and not (pod.folder / "database" / "pgdata").exists(), ended
    with pod.serving():
        assert len(pod.query("SELECT n FROM counted")) >= written
        # A sidecar that starts again asks no other, and a database that is there stays.
    with pod.serving():
        assert len(pod.query("SELECT n FROM counted")) >= written


def test_the_archive_of_another_server_is_refused(root: Path) -> None:
    pod = Pod.of(BACKUP, "foreign", root)
    with pod.serving():
        processes.eventually(pod.backed_up, "a base backup")
    kept = sorted(path.name for path in (pod.folder / "backups").rglob("0*"))
    pod.lose()
    # Without the init container, which would have restored it.
    for name in ("pushed", "wanted", "got"):
        made = pod.folder / "pgbackrest" / name
        made.mkdir()
        pod.hand_over(made)
    with pod.beside("archive"), pod.server():
        processes.eventually(lambda: "do not match" in pod.log("archive").read_text(), "the refusal")
        pod.query("SELECT pg_switch_wal()")
    assert not list((pod.folder / "pgbackrest" / "pushed").iterdir())
    assert sorted(path.name for path in (pod.folder / "backups").rglob("0*")) == kept


def test_a_moment_is_restored_as_documented_and_a_drill_finds_what_is_damaged(root: Path) -> None:
    pod = Pod.of(BACKUP, "moment", root)
    assert "there is no backup yet" in pod.verified()
    with pod.serving():
        processes.eventually(pod.backed_up, "a base backup")
        # pgBackRest compares whole seconds.
        pod.query("INSERT INTO counted SELECT 0 FROM pg_sleep(1.1)")
        ((moment,),) = pod.query("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')")
        pod.query("INSERT INTO counted VALUES (1)")
        pod.send()
        ended = pod.restored(moment)
        assert ended.returncode == 0, ended
    for kept, now in (("pgdata", "before"), ("restored", "pgdata")):
        (pod.folder / "database" / kept).rename(pod.folder / "database" / now)
    with pod.serving():
        assert pod.query("SELECT n FROM counted") == [(0,)]
        # Beyond where the first timeline has ended.
        for number in range(2, 8):
            pod.query(f"INSERT INTO counted VALUES ({number})")
            pod.send()
    pod.lose()
    with pod.serving():
        assert pod.query("SELECT n FROM counted ORDER BY n") == [(0,), *((number,) for number in range(2, 8))]
        pod.query("INSERT INTO counted VALUES (8)")
        pod.send()
        assert "the archive is whole: base backups: 1, " in pod.verified(), "three timelines, and the sidecars write on"
    first, middle, *_ = log = sorted((pod.folder / "backups").rglob("00000001*-*"))
    *_, last = sorted((pod.folder / "backups").rglob("00000002*-*"))
    after, *_ = sorted((pod.folder / "backups").rglob("00000003*-*"))
    (files,) = (pod.folder / "backups").rglob("bundle/1")
    named = f"15-1/{middle.parent.name}/{middle.name}"
    for damaged, left, says in (
        ([middle], None, f"the log has a gap from {first.name[:24]} to "),
        ([last], None, f" to {after.name[:24]}"),
        (log, None, "a base backup needs the log from "),
        # Of the right form, else pgBackRest would try again for 15 seconds.
        ([middle], first.read_bytes(), f"invalid checksum '{named}'"),
        ([files], files.read_bytes()[:-16], "status: invalid"),
    ):
        kept = {path: path.read_bytes() for path in damaged}
        for path in damaged:
            path.unlink() if left is None else path.write_bytes(left)
        said = pod.verified()
        assert says in said and "the archive is damaged" in said, said
        for path, content in kept.items():
            path.write_bytes(content)
