"""Unmodified MLflow clients at work, which remember every write that was acknowledged."""

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.trace_location import MlflowExperimentLocation

CALLS_PER_SECOND = 20
"""Of all clients together: enough that some are always under way, and the processors are left to what is tested."""


@dataclass
class Acknowledged:
    """What one client was told is written.

    Attributes:
        run_id: Its run.
        steps: Number of metrics, one for each step from 0, whose value is half the step.
        params: Parameters.
        files: Content of artifacts by name.
        traces: Ids of traces. MLflow's tracing does not say whether one arrived, so these are the ones that were sent.
        failures: Calls that failed, after all that the client itself does about it.
        longest: The longest that a call took, in seconds, and which one it was.
        moments: When each call ended that succeeded, by the monotonic clock, in seconds.
    """

    run_id: str
    steps: int = 0
    params: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    traces: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    moments: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def timed(self, call: str) -> Iterator[None]:
        """Take the time of a call."""
        began, started = time.strftime("%X"), time.monotonic()
        try:
            yield
            self.moments.append(time.monotonic())
        finally:
            self.longest = max(self.longest, (time.monotonic() - started, f"{call} of {began}"))


@contextlib.contextmanager
def clients(url: str, experiment: str, count: int, *, traces: bool = True) -> Iterator[list["Future[Acknowledged]"]]:
    """Log from several clients for as long as the context lasts; their results are there after it.

    Args:
        url: The server.
        experiment: Where to.
        count: How many clients.
        traces: Whether they log traces, which servers before 3.0 do not take from today's clients.
    """
    ended = threading.Event()
    with _tracing(url), tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(count) as pool:
        work = [
            pool.submit(_log, url, experiment, Path(folder, str(number)), count / CALLS_PER_SECOND, ended, traces)
            for number in range(count)
        ]
        try:
            yield work
        finally:
            ended.set()


@contextlib.contextmanager
def _tracing(url: str) -> Iterator[None]:
    """Send traces to that server, each before its span ends."""
    names = ("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "MLFLOW_TRACKING_URI")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    mlflow.set_tracking_uri(url)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType]
        os.environ.update({name: value for name, value in before.items() if value is not None})
        if before[names[0]] is None:
            del os.environ[names[0]]


def _log(url: str, experiment: str, folder: Path, pause: float, ended: threading.Event, traces: bool) -> Acknowledged:
    client = MlflowClient(url)
    folder.mkdir()
    done = Acknowledged(client.create_run(experiment).info.run_id)
    while not ended.is_set():
        number = done.steps
        try:
            with done.timed("log_metric"):
                client.log_metric(done.run_id, "loss", number / 2, step=number)
            done.steps += 1
            if number % 5 == 0:
                with done.timed("log_param"):
                    client.log_param(done.run_id, f"p{number}", number)
                done.params[f"p{number}"] = str(number)
            if number % 5 == 0 and traces:
                where = MlflowExperimentLocation(experiment)
                with done.timed("a trace"), mlflow.start_span("step", trace_destination=where) as span:
                    span.set_inputs({"step": number})
                done.traces.append(span.trace_id)
            if number % 20 == 0:
                file = folder / f"{number}.txt"
                file.write_text(f"{done.run_id} {number}")
                with done.timed("log_artifact"):
                    client.log_artifact(done.run_id, str(file))
                done.files[file.name] = file.read_bytes()
        except Exception as error:
            done.failures.append(f"{number}: {error!r}")
            done.steps = number + 1
        ended.wait(pause)
    return done
