"""Continuous backups under load: clients whose acknowledged writes are counted, and a server's pod as processes of this machine."""

import contextlib
import dataclasses
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.support import processes, rendered
from tests.support.s3 import Bucket
from toolchain.bare import debian, wheels

LIMIT = 5
"""Seconds of acknowledged writes that may be lost with a volume."""
PAUSE = 0.05
"""Seconds of a client between two values: without, they would leave no processor to what is tested, and to other tests."""


@dataclass
class Load:
    """Clients that log to a run each, one value after the other.

    Attributes:
        runs: The runs.
        login: Who they are.
        acknowledged: When each value was acknowledged, by run.
        slowest: How many seconds the slowest of them took, by which a busy machine may delay what else there is to do.
    """

    runs: list[str]
    login: tuple[str, str] | None = None
    acknowledged: dict[str, list[float]] = field(default_factory=dict)
    slowest: float = 0

    @classmethod
    def of(cls, uri: str, login: tuple[str, str] | None = None) -> "Load":
        """Three clients."""
        url, run = f"{uri}/api/2.0/mlflow/runs/create", {"experiment_id": "0"}
        made = [requests.post(url, json=run, auth=login, timeout=60).json() for _ in range(3)]
        return cls([each["run"]["info"]["run_id"] for each in made], login)

    @contextlib.contextmanager
    def running(self, uri: str) -> Iterator[None]:
        """Log until the body ends, or the server does."""
        stop = threading.Event()

        def log(run: str) -> None:
            # No MLflow client, which would wait for minutes for a server that has gone.
            done, session = self.acknowledged.setdefault(run, []), requests.Session()
            session.auth = self.login
            with contextlib.suppress(requests.RequestException):
                while not stop.wait(PAUSE):
                    value = {"run_id": run, "key": "n", "value": len(done), "step": len(done), "timestamp": 0}
                    began = time.monotonic()
                    session.post(f"{uri}/api/2.0/mlflow/runs/log-metric", json=value, timeout=60).raise_for_status()
                    done.append(time.monotonic())
                    self.slowest = max(self.slowest, done[-1] - began)

        threads = [threading.Thread(target=log, args=[run], daemon=True) for run in self.runs]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def lost(self, moment: float, steps: Callable[[str], Iterable[int]]) -> float:
        """For how many seconds before a moment acknowledged values are lost; 0 if none is.

        Args:
            moment: When the volume was lost.
            steps: The values of a run that are there.

        Raises:
            AssertionError: One is missing before one that is there.
        """
        seconds = 0.0
        for run, times in self.acknowledged.items():
            found = sorted(steps(run))
            assert found == list(range(len(found))), found
            seconds = max([seconds, *(moment - each for each in times[len(found) :] if each <= moment)])
        return seconds


def in_file(file: Path) -> Callable[[str], list[int]]:
    """The values of a run in a database, which must be whole."""

    def steps(run: str) -> list[int]:
        with contextlib.closing(sqlite3.connect(file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [step for (step,) in database.execute("SELECT step FROM metrics WHERE run_uuid = ?", [run])]

    return steps


def in_server(uri: str, login: tuple[str, str] | None = None) -> Callable[[str], list[int]]:
    """The same at a server."""

    def steps(run: str) -> list[int]:
        asked = {"run_id": run, "metric_key": "n", "max_results": 25_000}
        url = f"{uri}/api/2.0/mlflow/metrics/get-history"
        answer = requests.get(url, params=asked, auth=login, timeout=60)
        answer.raise_for_status()
        return [int(each.get("step", 0)) for each in answer.json().get("metrics", [])]

    return steps


@dataclass(frozen=True)
class Pod:
    """A server's pod with continuous backups.

    Attributes:
        containers: Its containers.
        folder: Its volumes, each under its name.
        port: Where the server listens.
    """

    containers: rendered.Pod
    folder: Path
    port: int

    @property
    def uri(self) -> str:
        """Tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path, kind: str = "mlflow-server") -> "Pod":
        """What the component renders for these values; the server's pod, or that of another owner."""
        port = processes.free_port()
        made = rendered.pod({**values, "server": {"port": port}}, kind, folder)
        litestream, tools = wheels.program(wheels.LITESTREAM), debian.unpack(["sqlite3"])

        def inside(each: rendered.Container) -> rendered.Container:
            """With what is in Litestream's image, and its entry point."""
            if "-" in each.name:
                return dataclasses.replace(each, command=[str(litestream), *each.command])
            found = debian.environment(tools)
            path = {"PATH": f"{litestream.parent}:{found['PATH']}", "LD_LIBRARY_PATH": found["LD_LIBRARY_PATH"]}
            return dataclasses.replace(each, environment={**each.environment, **path})

        first = [inside(each) if each.name.startswith(("restore-", "continuous-")) else each for each in made.first]
        return cls(rendered.Pod(first, made.main, [inside(each) for each in made.beside]), folder, port)

    def prepare(self) -> None:
        """Run the init containers."""
        for each in self.containers.first:
            ended = each.finish()
            assert ended.returncode == 0, f"{each.name}: {ended.stdout}{ended.stderr}"

    def restore(self, into: Path) -> None:
        """Restore what has been sent so far into another file."""
        first = self.containers.init_container("restore-database")
        *options, file = first.command
        ended = dataclasses.replace(first, command=[*options, "-o", str(into), file]).finish()
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def replicating(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Run the sidecar until the body ends. Yields what kills it."""
        (sidecar,) = self.containers.beside
        return processes.running(sidecar.command, self.folder / "continuous.log", env=sidecar.environment)

    def serving(self) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Likewise the server."""
        main = self.containers.main
        return processes.running(main.command, self.folder / "server.log", env=main.environment, ready=self._serves)

    def _serves(self) -> bool:
        return requests.get(f"{self.uri}/health", timeout=10).ok

    def lost_at_moments(
        self, count: int, bucket: Bucket, load: Load, stack: contextlib.ExitStack, folder: Path
    ) -> tuple[list[float], Callable[[], None]]:
        """Kill the sidecar at random moments, and look each time what the destination has.

        Args:
            count: How many moments.
            bucket: The destination.
            load: Clients that are at work.
            stack: Ends the last sidecar.
            folder: Receives the restored files.

        Returns:
            The seconds of acknowledged writes that each restored file lacks, and what kills the sidecar that runs now.
        """
        chance, seconds, known = random.Random(7), list[float](), set[str]()
        kill = stack.enter_context(self.replicating())
        for number in range(count):
            # A sidecar that has just started sends the whole database first.
            processes.eventually(lambda known=known: set(bucket.objects()) - known, "the sidecar's first copy")
            time.sleep(chance.uniform(0.5, 2.5))
            kill()
            moment, file = time.monotonic(), folder / f"{number}.db"
            self.restore(file)
            seconds.append(load.lost(moment, in_file(file)))
            # The server writes on meanwhile. A new pod would find none of the sidecar's state.
            self.lose("continuous")
            known = set(bucket.objects())
            kill = stack.enter_context(self.replicating())
        return seconds, kill

    def lose(self, *volumes: str) -> None:
        """Delete what is on these volumes."""
        for name in volumes:
            shutil.rmtree(self.folder / name)
            (self.folder / name).mkdir()
