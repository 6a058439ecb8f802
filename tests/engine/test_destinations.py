"""Each place for backups but S3 and volumes, which other tests use, with each tool that writes there, as the component renders it."""

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import DEV
from tests.support import archive, azure, by_name, continuous, copies, file_servers, processes, rendered
from tests.support.backups import Pod
from toolchain.bare import emulators, golang

pytestmark = pytest.mark.extended

LOCAL = "127.0.0.1"
PREFIX = "kept/backups"
_INVALID_VALUE = 32
"""What pgBackRest ends with if an option has a value that it does not know."""


@dataclass(frozen=True)
class Place:
    """A place for backups.

    Attributes:
        destination: The block.
        artifacts: The block, for artifacts there.
        for_go, for_c: Variables that lead programs there.
        store: The server, which tells its `objects`.
    """

    destination: Mapping[str, Any]
    artifacts: Mapping[str, Any]
    for_go: Mapping[str, str]
    for_c: Mapping[str, str]
    store: Any


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that other users can enter."""
    made = Path(tempfile.mkdtemp(prefix="mlflow-destinations-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def named(shared: Path) -> Iterator[by_name.Named]:
    folder = shared / "names"
    folder.mkdir()
    with by_name.served(folder) as made:
        yield made


@pytest.fixture(scope="module")
def sftp(shared: Path) -> Iterator[Place]:
    folder = shared / "sftp"
    folder.mkdir()
    kinds = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
    with file_servers.sftp(LOCAL, folder, kinds, "ssh-ed25519") as server:
        login = {"username": server.username, "privateKey": server.private_key, "knownHosts": server.known_hosts}
        at = {"host": server.host, "port": server.port}
        # MLflow logs in with RSA keys alone; and with passwords.
        own = {"path": "/artifacts", **login, "password": server.password, "privateKey": None}
        yield Place({"sftp": {**at, "path": f"/{PREFIX}", **login}}, {"sftp": {**at, **own}}, {}, {}, server)


@pytest.fixture(scope="module")
def gcs(named: by_name.Named) -> Iterator[Place]:
    with by_name.google_storage(str(emulators.ensure("fake-gcs-server")), named) as google:
        block = {"gcs": {"bucket": google.bucket.name, "prefix": PREFIX, "keyFile": google.key_file}}
        port = {"PGBACKREST_REPO1_GCS_ENDPOINT": f"{by_name.GOOGLE}:{named.ports[by_name.GOOGLE]}"}
        store = {"gcs": {**block["gcs"], "prefix": "artifacts"}}
        yield Place(block, store, named.for_go, {**_for_pgbackrest(named), **port}, google.bucket)


@pytest.fixture(scope="module")
def blobs(named: by_name.Named) -> Iterator[Place]:
    with by_name.azure_blobs(str(emulators.ensure("azurite-blob")), named) as container:
        block = {"account": azure.ACCOUNT, "container": container.name, "prefix": PREFIX, "accessKey": container.key}
        port = {"PGBACKREST_REPO1_STORAGE_PORT": str(container.port)}
        store = {"azureBlob": {**block, "prefix": "artifacts"}}
        yield Place({"azure": block}, store, named.for_go, {**_for_pgbackrest(named), **port}, container)


def _for_pgbackrest(named: by_name.Named) -> dict[str, str]:
    return {**named.for_c, "PGBACKREST_REPO1_STORAGE_CA_FILE": str(named.folder / "authority.pem")}


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    """The one that a test names."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(shared: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=shared))


def _with_restic(folder: Path) -> str:
    """A PATH with restic as its authors build it: Debian's has no Azure."""
    (folder / "programs").mkdir()
    program = folder / "programs" / "restic"
    # Azurite refuses the header with the access tier empty, as which restic sends it to leave the choice to the account.
    program.write_text(f'#!/bin/sh\nexec {golang.build(["restic"])["restic"]} -o azure.access-tier=Hot "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("place", ["gcs", "blobs"], indirect=True)
def test_restic_keeps_backups_there(place: Place, folder: Path) -> None:
    made = rendered.pod(
        {**DEV, "backup": {"destination": place.destination}}, "mlflow-backup", folder / "rendered"
    ).main.environment
    its = ("RESTIC_REPOSITORY", "GOOGLE_", "AZURE_", "BACKUP_SFTP")
    of_restic = {name: value for name, value in made.items() if name.startswith(its)}
    # The containers of restic alone: what is in a dump is the same wherever it goes.
    pod = Pod(folder, "sqlite://", folder, {**place.for_go, **of_restic, "PATH": _with_restic(folder)})
    dump, login = folder / "pod/backup/database.sqlite", folder / "pod/login/ready"
    dump.write_bytes(os.urandom(1_000_000))
    login.touch()
    assert "and read back" in pod.script("store.sh", BACKUP_TAG="backup")
    assert f"{PREFIX}/restic/config" in place.store.objects()
    pod.script("fetch.sh", BACKUP_DRILL="true")
    assert (folder / "pod/restored/database.sqlite").read_bytes() == dump.read_bytes()


@pytest.mark.parametrize("place", ["sftp", "gcs", "blobs"], indirect=True)
def test_litestream_sends_there_and_restores(place: Place, folder: Path) -> None:
    values = {**DEV, "backup": {"destination": place.destination, "continuous": {}}}
    pod = continuous.Pod.of(values, folder)
    pod = dataclasses.replace(pod, containers=pod.containers.told(place.for_go))
    file = folder / "database" / "mlflow.db"

    def rows(of: Path) -> list[Any]:
        with contextlib.closing(sqlite3.connect(of)) as database:
            return database.execute("SELECT n FROM counted ORDER BY n").fetchall()

    def restore() -> None:
        for each in pod.containers.first:
            if each.name == "restore-database":
                ended = each.finish()
                assert ended.returncode == 0, ended.stdout + ended.stderr

    restore()
    assert not file.exists()
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE counted (n INTEGER)")
        database.execute("INSERT INTO counted VALUES (1)")
        with pod.replicating():
            sent = f"{PREFIX}/continuous/mlflow/mlflow/mlflow.db/"
            processes.eventually(lambda: [name for name in place.store.objects() if name.startswith(sent)], "a copy")
            database.execute("INSERT INTO counted VALUES (2)")
    # A sidecar that is told to end sends what is left.
    pod.lose("database", "continuous")
    restore()
    assert rows(file) == [(1,), (2,)]


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    with archive.folder() as made:
        yield made


@pytest.mark.parametrize("place", ["sftp", "gcs", "blobs"], indirect=True)
def test_pgbackrest_archives_there_and_restores(place: Place, root: Path) -> None:
    (kind,) = place.destination
    pod = archive.Pod.of({"destination": place.destination}, kind, root)
    if kind == "sftp" and (prepared := pod.prepare()).returncode == _INVALID_VALUE:
        # pgBackRest before 2.46, such as Debian's, knows no SFTP: no database starts whose log would go nowhere.
        assert "'sftp' is not allowed for 'repo1-type' option" in prepared.stdout + prepared.stderr
        return
    pod = dataclasses.replace(pod, containers=pod.containers.told(place.for_c), drill=pod.drill.told(place.for_c))
    with pod.serving():
        processes.eventually(pod.backed_up, "a base backup")
        pod.query("INSERT INTO counted VALUES (1)")
        pod.send()
    pod.lose()
    assert "the archive is whole" in pod.verified()
    with pod.serving():
        assert pod.query("SELECT n FROM counted") == [(1,)]


@pytest.mark.parametrize(("place", "store"), [("sftp", "gcs"), ("gcs", "blobs"), ("blobs", "sftp")], indirect=["place"])
def test_rclone_copies_artifacts_there_and_back(
    place: Place, store: str, request: pytest.FixtureRequest, folder: Path
) -> None:
    of: Place = request.getfixturevalue(store)
    values = {**DEV, "artifacts": of.artifacts, "backup": {"destination": place.destination, "artifacts": "copied"}}
    # Under its name Azurite does not find itself.
    itself = {"RCLONE_CONFIG_PLACE_ENDPOINT": place.store.url} if "azure" in place.destination else {}
    made = copies.Copies.of(values, folder / "rendered", {**of.for_go, **place.for_go, **itself})
    files, root = {"1/run/a": os.urandom(100_000), "1/run/b": b"b"}, made.kept.environment["ARTIFACTS"]
    for name, content in files.items():
        (folder / "logged" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "logged" / name).write_bytes(content)
    made.run("copy", str(folder / "logged"), root)
    first, _ = made.keep()
    assert any(name.startswith(f"{PREFIX}/artifacts/mlflow/mlflow/") for name in place.store.objects())
    made.run("deletefile", f"{root}/1/run/b")
    (folder / "logged/1/run/a").write_bytes(b"another")
    made.run("copy", str(folder / "logged/1/run/a"), f"{root}/1/run")
    second, _ = made.keep()
    assert "3 of 3 copied artifacts read back" in made.drill(second)
    assert "what is newer stays" in made.restore(first)
    assert {name: of.store.read(f"artifacts/{name}") for name in files} == files
