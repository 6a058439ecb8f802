"""The containers of backups, drills and restores as processes of this machine, on real databases and a real repository."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.in_image import Program
from components.pods.backup_scripts import FILES
from tests.support import forks, mlflow_image, restic
from tests.support.kubernetes import unique_name
from tests.support.s3 import Bucket
from toolchain import environments

SEEDS = Path(__file__).with_name("seeds.py")
PATIENCE = 120
KEYS = {
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "flask",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "a passphrase of the gateway",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "A" * 43 + "=",
}


NOT_NOW = {"schedule": "0 0 1 1 *", "drill": {"schedule": "0 0 1 1 *"}}
"""In the block `backup`: what runs, a test starts. Else a test at 05:00 on a Saturday meets a drill before there is a backup."""


def in_bucket(bucket: Bucket) -> dict[str, Any]:
    """The block `backup` without its secret: a repository of its own in the bucket."""
    destination = {**bucket.block, "prefix": unique_name(), "addressingStyle": "path"}
    return {"destination": {"s3": destination}, "scratchSize": "1Gi", **NOT_NOW}


def in_bucket_secrets(bucket: Bucket) -> dict[str, str]:
    """Its secret."""
    return {"backup.destination.s3.secretAccessKey": bucket.secret_access_key}


class FailedError(AssertionError):
    """A container ended with an error; the text is its log."""


@dataclass
class Pod:
    """What the containers of one pod share.

    Attributes:
        folder: For all files of the test; everybody may enter it.
        uri: The database.
        repository: Where restic keeps snapshots.
        environment: Further variables of all containers.
        path: Folders of the database's programs.
        user: Who runs the throw-away database, which refuses root.
    """

    folder: Path
    uri: str
    repository: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    path: Sequence[Path] = ()
    user: int | None = None

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder / "pod", ignore_errors=True)
        for name in ("bin", "backup", "restored", "login", "tmp"):
            (self.folder / "pod" / name).mkdir(parents=True)
            (self.folder / "pod" / name).chmod(0o777)
        for name, text in {**Program("backup.py").files, **FILES}.items():
            (self.folder / "pod" / "bin" / name).write_text(text)

    def again(self, **environment: str) -> "Pod":
        """Another pod of the same deployment."""
        return replace(self, environment={**self.environment, **environment})

    def backup(self, tag: str = "backup") -> str:
        """Take a backup; returns the log."""
        with self.lock("lock"):
            logs = [self._dump(), self.program("manifest"), self.script("store.sh", BACKUP_TAG=tag)]
        return "".join(logs)

    def drill(self, engine: str) -> str:
        """Restore into a throw-away database, and compare."""
        uri = {"MLFLOW_BACKEND_STORE_URI": f"{engine}://"}
        logs = [self.script("fetch.sh", BACKUP_DRILL="true"), self.program("check", **uri)]
        if engine != "sqlite":
            logs.append(self._run(self._script("drill.sh"), {"BACKUP_ENGINE": engine}, self.user))
        return "".join([*logs, self.program("drill", **uri)])

    def restore(self, **settings: str) -> str:
        """Restore, with the settings of whoever starts the Job."""
        before = {**settings, "BACKUP_BEFORE_RESTORE": "true"}
        with self.lock("lock-restore", **settings):
            logs = [
                self.script("fetch.sh", **settings),
                self.program("check-restore", **settings),
                self._dump(**before),
                self.program("manifest", **before),
                self.script("store.sh", BACKUP_TAG="before-restore", **before),
                self.program("load-sqlite", **settings) if self._sqlite else self.script("load.sh", **settings),
                *([self.script("artifacts.sh", **settings)] if "BACKUP_FILES" in self.environment else []),
                self.program("verify", **settings),
            ]
        return "".join(logs)

    def script(self, name: str, **settings: str) -> str:
        """Run a script of `backup_scripts.py`."""
        return self._run(self._script(name), settings)

    def program(self, command: str, **settings: str) -> str:
        """Run a part of `backup.py`."""
        return self._run([str(forks.of_image()), str(self._backup), command], settings)

    def restic(self, *arguments: str) -> str:
        """Run restic itself."""
        return self._run(["restic", *arguments], {})

    def seed(self, *what: str) -> str:
        """Fill the database, or tell what is in it."""
        return self._run([str(forks.of_image()), str(SEEDS), *what, self.uri], {})

    def _script(self, name: str) -> list[str]:
        return ["sh", str(self.folder / "pod/bin" / name)]

    @property
    def _backup(self) -> Path:
        return self.folder / "pod/bin/backup.py"

    @property
    def _sqlite(self) -> bool:
        return self.uri.startswith("sqlite")

    def _dump(self, **settings: str) -> str:
        return self.program("dump-sqlite", **settings) if self._sqlite else self.script("dump.sh", **settings)

    @contextlib.contextmanager
    def lock(self, command: str, **settings: str) -> Iterator[None]:
        """Hold the locks as the sidecar of a backup (`lock`) or of a restore (`lock-restore`) does."""
        with (self.folder / "lock.log").open("w") as log:
            python = environments.python(mlflow_image.packages())
            process = subprocess.Popen(
                [python, self._backup, command], env=self._variables(settings), stdout=log, stderr=log
            )
            try:
                deadline = time.monotonic() + PATIENCE
                while not any((self.folder / "pod/login" / name).exists() for name in ("ready", "refused")):
                    assert process.poll() is None and time.monotonic() < deadline, (
                        self.folder / "lock.log"
                    ).read_text()
                    time.sleep(0.05)
                yield
            finally:
                process.terminate()
                assert process.wait(10) == 0

    def _run(self, command: Sequence[str], settings: Mapping[str, str], user: int | None = None) -> str:
        done = subprocess.run(
            command,
            env=self._variables(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd="/",
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        if done.returncode:
            raise FailedError(done.stdout)
        return done.stdout

    def _variables(self, settings: Mapping[str, str]) -> dict[str, str]:
        pod = self.folder / "pod"
        own = {
            "PATH": ":".join(map(str, [*self.path, restic.program().parent, *os.environ["PATH"].split(":")])),
            "HOME": str(pod / "tmp"),
            "TMPDIR": str(pod / "tmp"),
            "BACKUP_FOLDER": str(pod / "backup"),
            "RESTORED_FOLDER": str(pod / "restored"),
            "LOGIN_FOLDER": str(pod / "login"),
            "BACKUP_DEPLOYMENT": "mlflow",
            "BACKUP_NAMESPACE": "ml",
            "BACKUP_HOST": "ml/mlflow",
            "BACKUP_DAILY": "30",
            "BACKUP_WEEKLY": "13",
            "BACKUP_MONTHLY": "12",
            "BACKUP_LOCK_SECONDS": "1",
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": "password of the tests",
            "RESTIC_CACHE_DIR": str(pod / "tmp/restic"),
            "MLFLOW_BACKEND_STORE_URI": self.uri,
        }
        return {**own, **KEYS, **self.environment, **settings}
