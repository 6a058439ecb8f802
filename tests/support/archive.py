"""The pod of PostgreSQL in the cluster with continuous backups, as processes of this machine, and clients whose acknowledged writes are
counted."""

import contextlib
import dataclasses
import os
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.configurations import PRODUCTION
from tests.support import postgresql, processes, rendered
from tests.support.s3 import Bucket
from toolchain import paths
from toolchain.bare import debian


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that the server's user can enter, unlike pytest's, with pgBackRest in `pgbackrest`."""
    made = Path(tempfile.mkdtemp(prefix="mlflow-archive-"))
    try:
        shutil.copytree(debian.unpack(["pgbackrest"]), made / "pgbackrest", symlinks=True)
        made.chmod(0o755)
        yield made
    finally:
        shutil.rmtree(made)


def to_bucket(bucket: Bucket, url: str) -> dict[str, Any]:
    """The block `backup` to a bucket over TLS, whose authority is a file, at this address."""
    assert bucket.authority is not None
    keys = {"secretAccessKey": bucket.secret_access_key, "caCertificate": bucket.authority.read_text()}
    return {"destination": {"s3": {**bucket.block, "endpointUrl": url, **keys}}}


@dataclass
class Load:
    """One client that counts, one transaction after the other.

    Attributes:
        acknowledged: When each number was acknowledged.
    """

    acknowledged: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self, pod: "Pod") -> Iterator[None]:
        """Count on until the body ends, or the server does."""
        stop = threading.Event()

        def count() -> None:
            with contextlib.suppress(psycopg.OperationalError), pod.connection() as connection:
                while not stop.is_set():
                    connection.execute("INSERT INTO counted VALUES (%s)", [len(self.acknowledged)])
                    self.acknowledged.append(time.monotonic())

        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def lost(self, pod: "Pod", moment: float) -> float:
        """For how many seconds before a moment acknowledged numbers are lost; forgets them."""
        found = [number for (number,) in pod.query("SELECT n FROM counted ORDER BY n")]
        assert found == list(range(len(found))), "one is missing before one that is there"
        missing = self.acknowledged[len(found) :]
        del self.acknowledged[len(found) :]
        self.acknowledged += [moment] * (len(found) - len(self.acknowledged))
        return max([0.0, *(moment - each for each in missing)])


@dataclass(frozen=True)
class Pod:
    """The pod.

    Attributes:
        containers: Its containers.
        drill: Those of the pod of drills.
        folder: Its volumes, each under its name.
        programs: Where PostgreSQL's programs are.
    """

    containers: rendered.Pod
    drill: rendered.Pod
    folder: Path
    programs: Path

    @classmethod
    def of(cls, backup: Mapping[str, Any], name: str, root: Path) -> "Pod":
        """What the component renders for this block.

        Args:
            backup: The block.
            name: Of its folder.
            root: See `folder`.
        """
        place = root / name
        place.mkdir()
        values = {**PRODUCTION, "database": {"inClusterPostgresql": {}}, "backup": {**backup, "continuous": {}}}
        programs, server = postgresql.programs(root)
        found = debian.environment(root / "pgbackrest")
        for variable in ("PATH", "LD_LIBRARY_PATH"):
            found[variable] = f"{found[variable]}:{server.get(variable, '')}"

        def inside(each: rendered.Container) -> rendered.Container:
            return dataclasses.replace(each, environment={**found, **each.environment, "PATH": found["PATH"]})

        def containers(owner: str) -> rendered.Pod:
            made = rendered.pod(values, owner, place)
            return rendered.Pod([*map(inside, made.first)], inside(made.main), [*map(inside, made.beside)])

        pod = cls(containers("mlflow-database"), containers("mlflow-backup-drill"), place, programs)
        pod.lose()
        return pod

    def prepare(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the init container, with other variables."""
        (first,) = self.containers.first
        return self._run(first.command, {**first.environment, **environment})

    def verified(self) -> str:
        """Let a drill look through the archive. What it says, of which the last line is the verdict, which agrees with how it ends."""
        verifies = self.drill.init_container("continuous-database")
        ended = self._run(verifies.command, verifies.environment)
        assert (ended.returncode == 0) != ("the archive is damaged" in ended.stdout), ended
        return ended.stdout

    def restored(self, moment: str) -> subprocess.CompletedProcess[str]:
        """Restore a moment beside the database that runs, by the command of docs/continuous.md."""
        text = (paths.ROOT / "docs" / "continuous.md").read_text()
        (command,) = re.findall(r"--container archive -- sh -c '\n(.*?)'\n", text, re.DOTALL)
        command = command.replace("2026-11-27 08:00:00+00", moment).replace(
            "/etc/mlflow/archive", str(self.folder / "archive")
        )
        command = command.replace("/var/lib/postgresql/data", str(self.folder / "database"))
        (sidecar,) = [each for each in self.containers.beside if each.name == "archive"]
        return self._run(["sh", "-c", command], sidecar.environment)

    def _run(self, command: Sequence[Any], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        user = postgresql.account()
        return subprocess.run(
            command,
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[Callable[[], None]]:
        """Run init container, sidecars and server until the body ends. Yields what kills all of them at once."""
        ended = self.prepare()
        assert ended.returncode == 0, ended.stdout + ended.stderr
        with self.beside("archive") as archive, self.beside("base-backup") as backup, self.server() as server:

            def kill() -> None:
                for each in (server, archive, backup):
                    each()

            yield kill

    @contextlib.contextmanager
    def server(self) -> Iterator[Callable[[], None]]:
        """Run the server alone, as the image's entry point does, until the body ends. Yields what kills it."""
        data, main = self.folder / "database" / "pgdata", self.containers.main
        new = not (data / "PG_VERSION").exists()
        if new:
            command = [self.programs / "initdb", "-D", data, "--username=postgres", "--auth=trust", "--no-sync"]
            self._run([*command, "--locale=C.UTF-8"], main.environment).check_returncode()
        options = [*main.command[1:], "-c", f"unix_socket_directories={self.folder / 'run'}", "-c", "listen_addresses="]
        command = [str(self.programs / "postgres"), "-D", str(data), *options]
        log = self.log("server")
        with processes.running(
            command, log, user=postgresql.account(), env=main.environment, ready=self._serves
        ) as kill:
            # It listens on its socket only.
            startup = [each.replace("--host=127.0.0.1", "") for each in main.startup]
            self._run(startup, {**main.environment, "PGHOST": str(self.folder / "run")}).check_returncode()
            if new:
                self.query("CREATE TABLE counted (n INTEGER)")
            yield kill

    def beside(self, name: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Run a sidecar until the body ends. Yields what kills it."""
        (found,) = [each for each in self.containers.beside if each.name == name]
        return processes.running(found.command, self.log(name), user=postgresql.account(), env=found.environment)

    def log(self, name: str) -> Path:
        """What a sidecar says."""
        return self.folder / f"{name}.log"

    def connection(self) -> Any:
        """A connection of the administrator."""
        return psycopg.connect(host=str(self.folder / "run"), user="postgres", autocommit=True)

    def _serves(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.connection().close()
            return True
        return False

    def query(self, statement: str) -> list[Any]:
        """Run one statement as the administrator, and fetch all rows if there are any."""
        with self.connection() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def lost_at_moments(self, count: int) -> list[float]:
        """Lose its volumes under load at random moments, and look each time what comes back.

        Returns:
            For how many seconds acknowledged writes are lost, of each loss.
        """
        load, chance, seconds = Load(), random.Random(7), list[float]()
        for _ in range(count):
            with self.serving() as kill, load.running(self):
                processes.eventually(self.backed_up, "a base backup")
                before = len(load.acknowledged)
                processes.eventually(lambda before=before: len(load.acknowledged) > before, "a write after it")
                time.sleep(chance.uniform(0.5, 4))
                kill()
                moment = time.monotonic()
            self.lose()
            with self.serving():
                seconds.append(load.lost(self, moment))
            self.log("base-backup").unlink()
        assert load.acknowledged
        return seconds

    def backed_up(self) -> bool:
        """Whether a base backup was taken."""
        return "backup command end: completed successfully" in self.log("base-backup").read_text()

    def send(self) -> None:
        """Wait until all that is acknowledged now is archived."""
        ((segment,),) = self.query("SELECT pg_walfile_name(pg_switch_wal())")
        last = "SELECT last_archived_wal FROM pg_stat_archiver"
        processes.eventually(lambda: (self.query(last)[0][0] or "") >= segment, f"{segment} in the archive")

    def lose(self) -> None:
        """Delete all volumes of the pod but the backups."""
        for name in ("database", "pgbackrest", "run"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
        for path in self.folder.iterdir():
            self.hand_over(path)

    def hand_over(self, path: Path) -> None:
        """Let the server's user own it."""
        if (user := postgresql.account()) is not None:
            os.chown(path, user, user)
