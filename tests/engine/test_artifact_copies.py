"""Artifacts of a bucket beside the backups of the database: what comes back of each backup, and what is refused."""

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import DEV, with_changes
from tests.support import file_servers, rendered, s3
from tests.support.backups import FailedError, Pod
from tests.support.copies import OWNER, Copies

LOCAL = "127.0.0.1"
PREFIX = "artifacts"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.serve(LOCAL, tmp_path_factory.mktemp("s3") / "log") as made:
        yield made


@pytest.fixture
def bucket(url: str) -> s3.Bucket:
    return s3.bucket(url)


@pytest.fixture
def copies(tmp_path: Path, bucket: s3.Bucket) -> Copies:
    """From the bucket to a volume."""
    return Copies.of(_values(bucket, {"volume": {}}), tmp_path)


def _values(bucket: s3.Bucket, destination: Mapping[str, Any]) -> dict[str, Any]:
    store = {"volume": None, "s3": {"prefix": PREFIX, **_place(bucket)}}
    return with_changes(DEV, {"artifacts": store, "backup": {"destination": destination, "artifacts": "copied"}})


def _place(bucket: s3.Bucket) -> dict[str, Any]:
    return {**bucket.block, "secretAccessKey": bucket.secret_access_key}


def _put(bucket: s3.Bucket, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        bucket.client().put_object(Bucket=bucket.name, Key=f"{PREFIX}/{name}", Body=text.encode())


def _delete(bucket: s3.Bucket, *names: str) -> None:
    for name in names:
        bucket.client().delete_object(Bucket=bucket.name, Key=f"{PREFIX}/{name}")


def _content(bucket: s3.Bucket) -> dict[str, str]:
    return {name.removeprefix(f"{PREFIX}/"): bucket.read(name).decode() for name in bucket.objects()}


def _files(copies: Copies) -> list[Path]:
    """Those with copies; others, in one folder, say when they were complete."""
    root = Path(copies.kept.environment["COPIES"]) / OWNER
    return [path for path in sorted(root.rglob("*")) if path.is_file() and len(path.relative_to(root).parts) > 2]


@pytest.mark.extended
def test_each_backup_brings_its_artifacts_back(copies: Copies, bucket: s3.Bucket) -> None:
    first = {
        "1/kept": "kept",
        "1/changed": "one",
        "1/often": "one",
        "1/deleted": "deleted",
        "1/\u00fc ?": "odd",
        "1/u\u0308 ?": "too",
        "1/" + 175 * "n": "long",
    }
    _put(bucket, first)
    oldest, log = copies.keep()
    assert "the artifacts are copied" in log
    _put(bucket, {"1/changed": "two", "1/often": "two", "2/new": "new"})
    _delete(bucket, "1/deleted")
    middle, _ = copies.keep()
    second = _content(bucket)
    _put(bucket, {"1/often": "three"})
    newest, _ = copies.keep()
    third = _content(bucket)
    # Beside the seven that are there, what was changed, twice what was changed twice, and what was deleted.
    assert "11 of 11 copied artifacts read back" in copies.drill(newest)
    copied = [path.read_bytes() for path in _files(copies)]
    assert not any(text.encode() in content for text in {**first, **third}.values() for content in copied)

    _delete(bucket, "1/kept")
    newer = {"2/new": "changed after all backups", "3/newer": "newer"}
    _put(bucket, newer)
    assert "what is newer stays" in copies.restore(oldest)
    assert _content(bucket) == {**first, **newer}
    copies.restore(middle)
    assert _content(bucket) == {**first, **second, **newer, "2/new": "new"}
    copies.restore(newest)
    assert _content(bucket) == {**first, **third, "3/newer": "newer"}
    # All of it, from nothing.
    _delete(bucket, *_content(bucket))
    copies.restore(oldest)
    assert _content(bucket) == first


@pytest.mark.extended
def test_a_store_that_is_empty_all_at_once_is_not_copied(copies: Copies, bucket: s3.Bucket) -> None:
    first, log = copies.keep()
    assert "there are no artifacts yet" in log
    assert "0 of 0 copied artifacts read back" in copies.drill(first)
    _put(bucket, {"1/a": "a", "1/b": "b"})
    second, _ = copies.keep()
    before = {path: path.read_bytes() for path in _files(copies)}
    _delete(bucket, "1/a", "1/b")
    with pytest.raises(FailedError, match="the store of artifacts is empty, and its copies are not"):
        copies.keep()
    assert {path: path.read_bytes() for path in _files(copies)} == before and len(before) == 2
    # Of that backup the artifacts are not there: neither a drill nor a restore, nor its rehearsal, passes over it.
    later = second.replace(second[:4], "2099")
    for refused in (copies.drill, copies.restore, lambda moment: copies.restore(moment, RESTORE_DRY_RUN="true")):
        with pytest.raises(FailedError, match=f"{later} were not copied to their end, last those from {second}"):
            refused(later)
    assert copies.restore(later, RESTORE_ARTIFACTS="false") == "" and _content(bucket) == {}
    assert "restoring what there is" in copies.restore(later, RESTORE_ARTIFACTS="incomplete")
    assert _content(bucket) == {"1/a": "a", "1/b": "b"}
    _delete(bucket, "1/a", "1/b")
    assert copies.restore(second, RESTORE_DRY_RUN="true") == "" and _content(bucket) == {}
    copies.restore(second)
    assert _content(bucket) == {"1/a": "a", "1/b": "b"}
    assert "with the backups of the schedule" in copies.keep(tag="before-upgrade")[1]


@pytest.mark.extended
def test_a_store_that_is_gone_and_copies_that_are_gone_are_not_empty_ones(
    copies: Copies, bucket: s3.Bucket, tmp_path: Path
) -> None:
    with pytest.raises(FailedError, match="no artifacts were ever copied to their end"):
        copies.verify()
    copies.keep()
    assert "0 of 0 copied artifacts read back" in copies.verify()
    bucket.client().delete_bucket(Bucket=bucket.name)
    with pytest.raises(FailedError, match=r"the store of artifacts is gone: .*directory not found"):
        copies.keep()


@pytest.mark.extended
def test_damage_and_another_password_are_found(copies: Copies, bucket: s3.Bucket) -> None:
    _put(bucket, {"1/a": "a" * 100_000, "1/b": "b"})
    moment, _ = copies.keep()
    before = {path: path.read_bytes() for path in _files(copies)}
    (large,) = [path for path in before if path.stat().st_size > 100_000]
    for damaged in (before[large][:50_000] + b"x" + before[large][50_001:], before[large][:60_000]):
        large.write_bytes(damaged)
        for reading in (lambda: copies.drill(moment), copies.verify):
            with pytest.raises(FailedError, match="1/a"):
                reading()
    large.write_bytes(before[large])
    assert "2 of 2 copied artifacts read back" in copies.verify()

    other = copies.told({"COPIES_PASSWORD": "another one of the tests"})
    for opening in (other.keep, other.verify, lambda: other.drill(moment), lambda: other.restore(moment)):
        with pytest.raises(FailedError, match="have another password than this deployment"):
            opening()
    assert {path: path.read_bytes() for path in _files(copies)} == before


@pytest.mark.extended
def test_what_was_put_aside_goes_with_the_last_backup_that_needs_it(copies: Copies, bucket: s3.Bucket) -> None:
    moments = []
    for text in ("one", "two", "three"):
        _put(bucket, {"1/a": text, "1/b": "b"})
        moments.append(copies.keep()[0])
    assert len(_files(copies)) == 4 + 2  # b is written again each time
    copies.keep(oldest=moments[1])
    assert len(_files(copies)) == 4
    copies.restore(moments[1])
    assert _content(bucket)["1/a"] == "two"
    copies.keep(oldest=copies.keep()[0])
    assert len(_files(copies)) == 2


@pytest.mark.extended
def test_a_copy_that_took_longer_than_its_artifact_lasted_is_not_taken_for_it(url: str, tmp_path: Path) -> None:
    bucket, kept = s3.bucket(url), s3.bucket(url)
    copies = Copies.of(_values(bucket, {"s3": _place(kept)}), tmp_path)
    _put(bucket, {"1/a": "one", "1/b": "b"})
    copies.keep()
    _put(bucket, {"1/a": "two, and longer"})
    time.sleep(1.1)
    # As if the upload of each copy had only ended now.
    client = kept.client()
    for name in kept.objects():
        told = client.head_object(Bucket=kept.name, Key=name)["Metadata"]
        client.put_object(Bucket=kept.name, Key=name, Body=kept.read(name), Metadata=told)
    moment, _ = copies.keep()
    copies.keep()  # finds nothing to do
    assert len(kept.objects()) == 3 + 3  # two files, one that was replaced, and a note of each backup
    _delete(bucket, "1/a", "1/b")
    copies.restore(moment)
    assert _content(bucket) == {"1/a": "two, and longer", "1/b": "b"}


@pytest.mark.extended
def test_a_second_attempt_replaces_nothing_that_the_first_put_aside(
    copies: Copies, bucket: s3.Bucket, tmp_path: Path
) -> None:
    _put(bucket, {"1/a": "one"})
    first, _ = copies.keep()
    _put(bucket, {"1/a": "two"})
    fails_once = tmp_path / "fails-once" / "rclone"
    fails_once.parent.mkdir()
    # After its first transfer another artifact comes in the place of what it has just copied, and it fails.
    fails_once.write_text(f"""#!/bin/sh
PATH="{copies.kept.environment["PATH"]}"
rclone "$@" || exit
case " $* " in *' sync '*) mkdir "$0.failed" 2>/dev/null || exit 0 ;; *) exit 0 ;; esac
sleep 1.1
echo three | rclone rcat "$ARTIFACTS/1/a"
exit 1
""")
    fails_once.chmod(0o755)
    second, _ = copies.told({"PATH": f"{fails_once.parent}:{copies.kept.environment['PATH']}"}).keep()
    assert len(_files(copies)) == 3
    copies.restore(first)
    assert _content(bucket) == {"1/a": "one"}
    # What there was when the second attempt had ended.
    copies.restore(second)
    assert _content(bucket) == {"1/a": "three\n"}


@pytest.mark.extended
def test_copies_go_to_an_address_of_ipv6(bucket: s3.Bucket, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with file_servers.sftp("::1", tmp_path / "server", user_kind="ssh-ed25519") as server:
        login = {"username": server.username, "privateKey": server.private_key, "knownHosts": server.known_hosts}
        to = {"sftp": {"host": server.host, "port": server.port, "path": "/kept", **login}}
        copies = Copies.of(_values(bucket, to), tmp_path / "rendered")
        _put(bucket, {"1/a": "a"})
        assert "1 of 1 copied artifacts read back" in copies.drill(copies.keep()[0])


@pytest.mark.extended
def test_what_a_killed_upload_has_left_is_no_artifact(copies: Copies, bucket: s3.Bucket) -> None:
    _put(bucket, {"1/a": "a", "1/large": "large" * 4_000_000})
    slow = copies.told({"RCLONE_BWLIMIT": "1M"})
    killed = dataclasses.replace(slow.kept, command=["timeout", "--signal=KILL", "5", *slow.kept.command])
    with pytest.raises(FailedError):
        dataclasses.replace(slow, kept=killed).keep()
    assert len(_files(copies)) == 2
    _delete(bucket, "1/large")
    moment, _ = copies.keep()
    assert len(_files(copies)) == 2
    assert "1 of 1 copied artifacts read back" in copies.verify()
    # Whatever backup it could be taken for.
    _delete(bucket, "1/a")
    copies.restore(moment.replace(moment[:4], "2025"), CLOCKS_DIFFER=str(10**8))
    assert _content(bucket) == {"1/a": "a"}


@pytest.mark.extended
def test_what_cannot_be_copied_before_a_restore_need_not_be(copies: Copies, bucket: s3.Bucket) -> None:
    _put(bucket, {"1/a": "one"})
    moment, _ = copies.keep()
    newer = {"1/" + 200 * "n": "no file system holds this name encrypted"}
    _put(bucket, {"1/a": "two", **newer})
    with pytest.raises(FailedError, match="file name too long"):
        copies.restore(moment)
    copies.restore(moment, RESTORE_WITHOUT_BACKUP="true")
    assert _content(bucket) == {"1/a": "one", **newer}


@pytest.mark.extended
def test_a_rollback_asks_for_no_artifacts_that_only_the_schedule_copies(bucket: s3.Bucket, tmp_path: Path) -> None:
    values = _values(bucket, {"volume": {}})
    copies = Copies.of(values, tmp_path / "copies")
    backup, restore = (
        rendered.pod(values, f"mlflow-{kind}", tmp_path / kind).init_container("manifest")
        for kind in ("backup", "restore")
    )
    pod = Pod(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "repository")
    pod.seed("fill")
    kept = {}
    with pod.lock("lock"):
        pod.program("dump-sqlite")
        (tmp_path / "pod/restored/.occupied").touch()
        for name, container, more in (
            ("backup", backup, {}),
            ("before-upgrade", backup, {"BACKUP_TAG": "before-upgrade"}),  # as the upgrade says
            ("before-restore", restore, {}),
        ):
            settings = {key: text for key, text in container.environment.items() if key.startswith("BACKUP_")}
            pod.program("manifest", **settings, **more)
            text = (tmp_path / "pod/backup/manifest.json").read_text()
            kept[name] = json.loads(text)["artifacts"]["kept"]
            (copies.folder / "restored/manifest.json").write_text(text)
            if name != "backup":
                assert "the store stays as it is" in copies.checked.finish().stdout
    assert kept == {"backup": "copied", "before-upgrade": "scheduled", "before-restore": "scheduled"}
