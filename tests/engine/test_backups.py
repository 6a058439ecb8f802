"""Backup, drill and restore as the pods do them, on real databases and a real repository, but without pods.

What a backup holds is compared by every row of every table; then each thing that a restore or a drill must refuse.
"""

import json
import os
import re
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from components.in_image import Program
from tests.configurations import DEV
from tests.support import disks, file_servers, forks, mariadb, postgresql, rendered, schemas
from tests.support.backups import FailedError, Pod
from tests.support.postgresql import NASTY

LOCAL = "127.0.0.1"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can enter."""
    made = Path(tempfile.mkdtemp(prefix="mlflow-test-backups-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def sqlite(folder: Path) -> Pod:
    """A filled SQLite database."""
    pod = Pod(folder, f"sqlite:///{folder}/mlflow.db", folder / "repository")
    pod.seed("fill")
    return pod


@pytest.mark.core
def test_sqlite_is_backed_up_tried_out_and_restored(sqlite: Pod) -> None:
    before = sqlite.seed("digest")
    assert "and read back" in sqlite.backup()
    assert "drill passed" in sqlite.again().drill("sqlite")
    manifest = json.loads(sqlite.restic("dump", "latest", f"{sqlite.folder}/pod/backup/manifest.json"))
    assert manifest["format"] == 1 and manifest["engine"] == "sqlite" and manifest["rows"]["runs"] == 3
    assert set(manifest["heads"]) == {"mlflow"} and "passphrase" not in json.dumps(manifest)
    database = sqlite.folder / "mlflow.db"
    database.unlink()
    assert "restored: " in sqlite.again().restore()
    assert sqlite.seed("digest") == before


@pytest.mark.extended
def test_what_is_there_is_kept_before_it_is_replaced(sqlite: Pod) -> None:
    sqlite.backup()
    before = sqlite.seed("digest")
    with closing(sqlite3.connect(sqlite.folder / "mlflow.db")) as database, database:
        database.execute("UPDATE experiments SET name = 'changed' WHERE experiment_id = 0")
        database.execute("INSERT INTO tags SELECT 'new', value, run_uuid FROM tags LIMIT 1")
    changed = sqlite.seed("digest")
    # What it would do is told while a server runs, and nothing is done.
    with socket.socket() as server:
        server.bind((LOCAL, 0))
        server.listen()
        beside = sqlite.again(BACKUP_SERVER=f"{LOCAL}:{server.getsockname()[1]}")
        told = beside.restore(RESTORE_REPLACE="true", RESTORE_DRY_RUN="true")
    assert "replaced with it: 1 rows (tags 1)" in told and "restored: " not in told and "is saved" not in told
    assert len(json.loads(sqlite.restic("snapshots", "--json"))) == 1
    assert sqlite.seed("digest") == changed
    with pytest.raises(FailedError, match="RESTORE_REPLACE=true"):
        sqlite.again().restore()
    assert sqlite.seed("digest") == changed
    assert "what was there is saved" in sqlite.again().restore(RESTORE_REPLACE="true")
    assert sqlite.seed("digest") == before
    (kept,) = json.loads(sqlite.restic("snapshots", "--json", "--tag", "before-restore"))
    sqlite.again().restore(RESTORE_REPLACE="true", RESTORE_SNAPSHOT=kept["short_id"], RESTORE_WITHOUT_BACKUP="true")
    assert sqlite.seed("digest") == changed


@pytest.mark.extended
def test_postgresql_is_backed_up_tried_out_and_restored(folder: Path) -> None:
    with postgresql.serve(LOCAL) as server:
        made = server.database()
        uri = f"postgresql+psycopg2://{made.name}:{quote(made.password, safe='')}@{made.host}:{made.port}/{made.name}?sslmode=require"
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1:]
        user = postgresql.NOBODY if os.geteuid() == 0 else None
        pod = Pod(folder, uri, folder / "repository", {}, programs, user)
        _round_trip(pod, "postgresql")
        before = pod.seed("digest")
        newer = replace(pod, path=[_newer_client(folder / "newer"), *programs])
        assert "and read back" in newer.backup()
        assert "SET of_a_newer_client = 0;" in (folder / "pod/backup/database.sql").read_text()
        assert "restored: " in newer.again().restore(RESTORE_REPLACE="true")
        assert newer.seed("digest") == before


def _newer_client(folder: Path) -> Path:
    """A `pg_dump` whose dumps begin with a setting that the server does not know, as those of a newer version do."""
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text(
        """#!/bin/sh
PATH="${PATH#*"${0%/*}":}"
pg_dump "$@" && sed -i 's/^SET lock_timeout = 0;$/&\\nSET of_a_newer_client = 0;/' "$BACKUP_FOLDER/database.sql"
"""
    )
    program.chmod(0o755)
    return folder


@pytest.mark.extended
def test_mariadb_is_backed_up_tried_out_and_restored(folder: Path) -> None:
    with mariadb.serve(LOCAL) as server:
        made = server.database()
        password = made.password.encode().decode("latin-1")  # PyMySQL encodes as Latin-1
        uri = f"mysql+pymysql://{made.name}:{quote(password, safe='')}@{made.host}:{made.port}/{made.name}?ssl_check_hostname=false"
        programs, libraries = mariadb.installed(folder / "mariadb")
        pod = Pod(folder, uri, folder / "repository", libraries, programs)
        _round_trip(pod, "mysql")
        # The clients under the names that they have in images of MySQL.
        renamed = folder / "mysql"
        renamed.mkdir()
        for name, of in {"mysql": "mariadb", "mysqldump": "mariadb-dump"}.items():
            (renamed / name).symlink_to(next(each / of for each in programs if (each / of).exists()))
        before = pod.seed("digest")
        pod.seed("damage")
        replace(pod, path=[renamed]).again().restore(RESTORE_REPLACE="true", RESTORE_SNAPSHOT="latest")
        assert pod.seed("digest") == before


def _round_trip(pod: Pod, engine: str) -> None:
    pod.seed("fill")
    before = pod.seed("digest")
    log = pod.backup()
    assert "and read back" in log
    log += pod.again().drill(engine)
    assert "drill passed" in log
    altering = _altering(pod.folder / "altering", "mariadb" if engine == "mysql" else "psql")
    with pytest.raises(FailedError, match=r"the rows of [a-z]+_tags are not those of the dump"):
        replace(pod, path=[altering, *pod.path]).drill(engine)
    with pytest.raises(FailedError, match="RESTORE_REPLACE=true"):
        pod.again().restore()
    pod.seed("damage")
    assert pod.seed("digest") != before
    log += pod.again().restore(RESTORE_REPLACE="true")
    assert "what was there is saved" in log and "restored: " in log
    assert pod.seed("digest") == before
    assert "password of the tests" not in log and quote(NASTY, safe="") not in log and NASTY not in log


def _altering(folder: Path, program: str) -> Path:
    """A client that alters text that it loads, as one does that takes it for another character set."""
    folder.mkdir(mode=0o755)
    (folder / program).write_text(
        f"""#!/bin/sh
PATH="${{PATH#*"${{0%/*}}":}}"
case " $* " in
*' --file='*) LC_ALL=C sed 's/team/meat/' "$RESTORED_FOLDER/database.sql" | {program} --set=ON_ERROR_STOP=1 ;;
*' --binary-mode '*) LC_ALL=C sed 's/team/meat/' | {program} "$@" ;;
*) exec {program} "$@" ;;
esac
"""
    )
    (folder / program).chmod(0o755)
    return folder


@pytest.mark.extended
def test_what_a_restore_refuses(sqlite: Pod) -> None:
    """Each names its reason, and leaves the database as it is."""
    sqlite.backup()
    before = sqlite.seed("digest")

    def refused(reason: str, dry_run: bool = True, **environment: str) -> None:
        for dry in ("true", "false") if dry_run else ("false",):
            pod = sqlite.again(**environment)
            with pytest.raises(FailedError, match=reason):
                pod.restore(RESTORE_REPLACE="true", RESTORE_WITHOUT_BACKUP="true", RESTORE_DRY_RUN=dry)
        assert sqlite.seed("digest") == before

    refused("has another password than this deployment", RESTIC_PASSWORD="another password of the tests")
    refused("the backup is of ml/mlflow, not of ml/other", BACKUP_DEPLOYMENT="other")
    refused("other keys than the backup: MLFLOW_CRYPTO_KEK_PASSPHRASE", MLFLOW_CRYPTO_KEK_PASSPHRASE="another")
    with socket.socket() as server:
        server.bind((LOCAL, 0))
        server.listen()
        refused("servers are running", dry_run=False, BACKUP_SERVER=f"{LOCAL}:{server.getsockname()[1]}")
    with pytest.raises(FailedError, match="there is no backup yet"):
        Pod(sqlite.folder, sqlite.uri, sqlite.folder / "nothing").drill("sqlite")
    head = _head(sqlite, "1b5f0d9ad7c1")
    sqlite.backup()
    _head(sqlite, head)
    refused(f"the backup has the mlflow schema 1b5f0d9ad7c1, this image expects {head}; restore with the image")
    lost = next(sqlite.repository.glob("data/*/*"))
    lost.unlink()
    with pytest.raises(FailedError, match=f"pack {lost.name}: does not exist"):
        sqlite.again().drill("sqlite")


def _head(sqlite: Pod, head: str) -> str:
    """Say that the schema has another version; returns the one of before."""
    with closing(sqlite3.connect(sqlite.folder / "mlflow.db")) as database, database:
        ((before,),) = database.execute("SELECT version_num FROM alembic_version").fetchall()
        database.execute("UPDATE alembic_version SET version_num = ?", (head,))
    return before


@pytest.mark.core
def test_what_a_manifest_tells_of_a_damaged_dump(sqlite: Pod) -> None:
    sqlite.backup()
    uri = {"MLFLOW_BACKEND_STORE_URI": "sqlite://"}
    for damage, reason in (
        (lambda file: file.write_bytes(file.read_bytes()[:-4096]), "database.sqlite is not what was backed up"),
        (lambda file: file.write_bytes(file.read_bytes().replace(b"team", b"meat")), "its checksum differs"),
        (lambda file: file.unlink(), "database.sqlite is missing in the backup"),
    ):
        pod = sqlite.again()
        pod.script("fetch.sh", BACKUP_DRILL="true")
        damage(pod.folder / "pod/restored/database.sqlite")
        with pytest.raises(FailedError, match=reason):
            pod.program("check", **uri)


@pytest.mark.extended
def test_a_drill_finds_an_artifact_that_cannot_be_read(sqlite: Pod) -> None:
    """Whatever part of the repository is read beside."""
    files = sqlite.folder / "artifacts"
    (files / "1").mkdir(parents=True)
    (files / "1" / "model").write_bytes(os.urandom(30_000_000))
    for number in range(5):
        (files / "1" / f"{number}  <ü> & 'more'").write_text(f"{number}")
    (files / "1" / 'a "quoted" one\nof two lines').write_text("left out")
    beside = {"BACKUP_FILES": str(files), "RESTIC_PACK_SIZE": "4"}
    sqlite.again(**beside).backup()
    assert "6 of 7 artifacts read back, 30000005 bytes" in sqlite.again(**beside).drill("sqlite")
    (damaged, *_) = [pack for pack in sqlite.repository.glob("data/*/*") if _files_of(sqlite, pack) == {"model"}]
    damaged.chmod(0o600)
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.write_bytes(content)
    # As if the tenth that is read was another one.
    with pytest.raises(FailedError, match=f"the artifact {files}/1/model cannot be read back"):
        _with_restic(sqlite, "*' check '*) exec restic check ;;", **beside).drill("sqlite")


@pytest.mark.extended
def test_an_upgrade_does_not_wait_until_the_repository_has_been_looked_through(sqlite: Pod) -> None:
    """Which takes the longer, the more it holds, while servers are stopped."""
    refusing = "*' check '*|*' forget '*|*' prune '*) exit 9 ;;"
    log = _with_restic(sqlite, refusing).backup("before-upgrade")
    assert re.search(r"^snapshot \w+ saved, and read back$", log, re.MULTILINE)
    with pytest.raises(FailedError):
        _with_restic(sqlite, refusing).backup()
    with pytest.raises(FailedError, match=r"what was read back from snapshot .* differs"):
        _with_restic(sqlite, "*' dump '*) restic \"$@\" | tr e E ;;").backup("before-upgrade")
    assert "read back" in sqlite.again().backup()
    assert len(json.loads(sqlite.restic("snapshots", "--json", "--tag", "before-upgrade"))) == 2


def _with_restic(pod: Pod, case: str, **environment: str) -> Pod:
    """Another pod of the same deployment, in which some of restic's commands do something else."""
    other = pod.folder / "other" / "restic"
    other.parent.mkdir(exist_ok=True)
    other.write_text(f'#!/bin/sh\nPATH="${{PATH#*"${{0%/*}}":}}"\ncase " $* " in {case} *) exec restic "$@" ;; esac\n')
    other.chmod(0o755)
    return replace(pod.again(**environment), path=[other.parent])


def _files_of(pod: Pod, pack: Path) -> set[str]:
    """Names of the files that a pack has parts of."""
    return set(re.findall(r" in file .*/(\S+)$", pod.restic("find", "--pack", pack.name), re.MULTILINE))


@pytest.mark.extended
def test_a_full_disk_of_the_destination_fails_the_backup_and_keeps_the_ones_before(folder: Path) -> None:
    with disks.disk(folder / "destination", "16m") as disk:
        pod = Pod(folder, f"sqlite:///{folder}/mlflow.db", disk.folder / "repository")
        pod.seed("fill")
        pod.backup()
        before = pod.seed("digest")
        pod.seed("damage")
        with disk.full(), pytest.raises(FailedError, match="no space left on device"):
            pod.again().backup()
        assert "and read back" in pod.again().backup()
        saved = json.loads(pod.restic("snapshots", "--json"))
        assert len(saved) == 2
        pod.again().restore(RESTORE_REPLACE="true", RESTORE_SNAPSHOT=saved[0]["short_id"])
        assert pod.seed("digest") == before


@pytest.mark.extended
def test_a_full_scratch_volume_is_named(sqlite: Pod) -> None:
    """No snapshot is made of the part that fitted."""
    sqlite.backup()
    pod = sqlite.again()
    with disks.disk(pod.folder / "pod/backup", "64k"), pytest.raises(FailedError, match=r"backup\.scratchSize"):
        pod.backup()
    before, pod = sqlite.seed("digest"), sqlite.again()
    with disks.disk(pod.folder / "pod/restored", "64k"), pytest.raises(FailedError, match="no space left on device"):
        pod.restore(RESTORE_REPLACE="true")
    assert sqlite.seed("digest") == before
    assert len(json.loads(sqlite.restic("snapshots", "--json"))) == 1


@pytest.mark.extended
def test_garbage_collection_waits_for_a_backup_to_end(sqlite: Pod, tmp_path: Path) -> None:
    for name, text in Program("collect_garbage.py").files.items():
        (tmp_path / name).write_text(text)
    settings = {"MLFLOW_BACKEND_STORE_URI": sqlite.uri, "PYTHONUNBUFFERED": "1"}
    with sqlite.lock("lock"):
        collecting = forks.python(str(tmp_path / "collect_garbage.py"), "--help", **settings)
        assert collecting.stdout is not None
        line = next(line for line in collecting.stdout if "waiting" in line)
        assert "waiting for another job on this database (lock 'housekeeping')" in line
        assert collecting.poll() is None
    assert "Permanently delete" in schemas.ended(collecting)


@pytest.mark.extended
def test_an_sftp_server_keeps_backups(sqlite: Pod, tmp_path: Path) -> None:
    """With the login and the host key as the component mounts them."""
    with file_servers.sftp(LOCAL, tmp_path) as server:
        login = {"username": server.username, "privateKey": server.private_key, "knownHosts": server.known_hosts}
        destination = {"sftp": {"host": server.host, "port": server.port, "path": "/kept/backups", **login}}
        made = rendered.pod(
            {**DEV, "backup": {"destination": destination}}, "mlflow-backup", sqlite.folder / "rendered"
        )
        for key in (sqlite.folder / "rendered").rglob("id"):
            key.chmod(0o600)
        of_restic = {name: made.main.environment[name] for name in ("RESTIC_REPOSITORY", "BACKUP_SFTP")}
        before = sqlite.seed("digest")
        assert "and read back" in sqlite.again(**of_restic).backup()
        assert "kept/backups/restic/config" in server.objects()
        assert "drill passed" in sqlite.again(**of_restic).drill("sqlite")
        (sqlite.folder / "mlflow.db").unlink()
        assert "restored: " in sqlite.again(**of_restic).restore()
        assert sqlite.seed("digest") == before
