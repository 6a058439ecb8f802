"""Backups while clients log artifacts: whatever the restored database knows of is there."""

import contextlib
import dataclasses
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.configurations import DEV, with_changes
from tests.support import processes, rendered, s3
from tests.support.backups import Pod
from tests.support.copies import Copies
from tests.support.processes import eventually

pytestmark = pytest.mark.extended

LOCAL = "127.0.0.1"
CLIENTS = 2
PAUSE = 0.5
"""Seconds of a client between two artifacts."""


@dataclasses.dataclass
class Logging:
    """A client that logs an artifact, and when that is acknowledged, its checksum as a parameter of the run.

    Attributes:
        run_id: The run.
        done: The names of what is acknowledged, in this order.
    """

    run_id: str
    done: list[str] = dataclasses.field(default_factory=list)

    def work(self, url: str, ended: threading.Event) -> None:
        """Log on until the event."""
        client = MlflowClient(url)
        with tempfile.TemporaryDirectory() as folder:
            while not ended.wait(PAUSE):
                file = Path(folder, f"{len(self.done)}.bin")
                file.write_bytes(os.urandom(10_000))
                client.log_artifact(self.run_id, str(file))
                client.log_param(self.run_id, file.stem, hashlib.sha256(file.read_bytes()).hexdigest())
                self.done.append(file.stem)
                file.unlink()


@dataclasses.dataclass
class Deployment:
    """A server with SQLite as a process, and its backups."""

    values: Mapping[str, Any]
    folder: Path
    pod: Pod

    def back_up(self) -> None:
        """As the pod of a backup does."""
        self.pod.backup()

    def destroy(self) -> None:
        """Lose the database."""
        (self.folder / "server" / "database" / "mlflow.db").unlink()

    def restore(self) -> None:
        """As the pod of a restore does."""
        dataclasses.replace(self.pod).restore()

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Run the server; yields its URL."""
        port = processes.free_port()
        found = rendered.pod({**self.values, "server": {"port": port}}, "mlflow-server", self.folder / "server")
        for container in found.first:
            done = container.finish()
            assert done.returncode == 0, done.stdout + done.stderr
        ready = lambda: processes.listens(LOCAL, port)  # noqa: E731
        log = self.folder / "server.log"
        with processes.running(found.main.command, log, env=found.main.environment, ready=ready):
            yield f"http://{LOCAL}:{port}"


class OnVolume(Deployment):
    """With artifacts on a volume."""

    def destroy(self) -> None:
        super().destroy()
        shutil.rmtree(self.folder / "server" / "artifacts")


@dataclasses.dataclass
class InBucket(Deployment):
    """With artifacts in a bucket, of which backups have copies."""

    bucket: s3.Bucket
    copies: Copies

    def back_up(self) -> None:
        with self.pod.lock("lock"):
            self.pod.program("dump-sqlite")
            self.pod.program("manifest", BACKUP_ARTIFACTS="scheduled")
            self.pod.script("store.sh", BACKUP_TAG="backup", BACKUP_COPIES="true")
            self._run(self.copies.kept)

    def destroy(self) -> None:
        super().destroy()
        for name in self.bucket.objects():
            self.bucket.client().delete_object(Bucket=self.bucket.name, Key=name)

    def restore(self) -> None:
        super().restore()
        self._run(self.copies.checked)
        self._run(self.copies.restored)

    def _run(self, container: rendered.Container) -> None:
        done = container.finish()
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def on_volume(tmp_path: Path) -> Deployment:
    files = {"BACKUP_FILES": str(tmp_path / "server" / "artifacts")}
    return OnVolume(DEV, tmp_path, _pod(tmp_path, files))


@pytest.fixture
def in_bucket(tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "minio").mkdir()
    with s3.serve_minio(LOCAL, "localhost", tmp_path / "minio") as (bucket, url):
        place = {**bucket.block, "endpointUrl": url, "secretAccessKey": bucket.secret_access_key}
        store = {**place, "caCertificate": (tmp_path / "minio" / "authority.pem").read_text()}
        copied = {"backup": {"destination": {"volume": {}}, "artifacts": "copied"}}
        values = with_changes(DEV, {"artifacts": {"volume": None, "s3": store}, **copied})
        pod = _pod(tmp_path, {})
        of_pod = {
            "BACKUP_HOST": "ml/mlflow",
            "BACKUP_FOLDER": str(tmp_path / "pod" / "backup"),
            "RESTORED_FOLDER": str(tmp_path / "pod" / "restored"),
            "CLOCKS_DIFFER": "60",
        }
        yield InBucket(values, tmp_path, pod, bucket, Copies.of(values, tmp_path / "copies", of_pod))


def _pod(folder: Path, environment: Mapping[str, str]) -> Pod:
    uri = f"sqlite:///{folder}/server/database/mlflow.db"
    return Pod(folder, uri, folder / "repository", environment)


@pytest.mark.parametrize("kind", ["on_volume", "in_bucket"])
def test_no_artifact_that_a_restored_database_knows_of_is_missing(kind: str, request: pytest.FixtureRequest) -> None:
    """The database is backed up first, so that artifacts are newer, and clients name what is acknowledged."""
    deployment: Deployment = request.getfixturevalue(kind)
    ended = threading.Event()
    with deployment.serving() as url:
        client = MlflowClient(url)
        experiment = client.create_experiment("logged during a backup")
        clients = [Logging(client.create_run(experiment).info.run_id) for _ in range(CLIENTS)]
        threads = [threading.Thread(target=each.work, args=(url, ended)) for each in clients]
        for thread in threads:
            thread.start()
        eventually(lambda: all(each.done for each in clients), "artifacts before the backup")
        deployment.back_up()
        ended.set()
        for thread in threads:
            thread.join()
    deployment.destroy()
    deployment.restore()
    with deployment.serving() as url, tempfile.TemporaryDirectory() as folder:
        client = MlflowClient(url)
        for each in clients:
            known = client.get_run(each.run_id).data.params
            assert set(known) == set(each.done[: len(known)]) and 0 < len(known) < len(each.done)
            there = {entry.path for entry in client.list_artifacts(each.run_id)}
            assert there >= {f"{name}.bin" for name in known}
            for path in there:
                file = Path(client.download_artifacts(each.run_id, path, folder))
                checksum = hashlib.sha256(file.read_bytes()).hexdigest()
                # Those that nobody had acknowledged yet are at least readable.
                assert known.get(file.stem, checksum) == checksum
