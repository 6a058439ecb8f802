"""From the first resource that `pulumi up` makes to a server that answers, over what one server needs to start."""

import contextlib
import json
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from bench import pods
from bench.cluster import Bench, Configured
from bench.metrics import Metric, ratio
from tests.support.kubernetes import Kubectl

ROUNDS = 2
AGAINST = "start of one server: from the start of its container to its first healthy answer"


@dataclass(frozen=True)
class Start:
    """One `pulumi up` of a new deployment.

    Attributes:
        answered: Seconds from the first resource to the first healthy answer.
        ready: Seconds from the first resource until `up` ended, with all replicas ready.
        pod: Seconds from the start of a server's container to its first healthy answer; the first server's that answered.
    """

    answered: float
    ready: float
    pod: float


class FirstAnswer(threading.Thread):
    """Waits for the first healthy answer of any server pod in a namespace.

    Attributes:
        at: When it came, as `time.monotonic` counts; None before.
        uid: The pod that gave it.
    """

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        super().__init__(daemon=True)
        self._kubectl, self._namespace = kubectl, namespace
        self._addresses: dict[str, str] = {}
        self._ended = threading.Event()
        self._looked = 0.0
        self.at: float | None = None
        self.uid = ""

    def run(self) -> None:
        while self.at is None and not self._ended.wait(0.05):
            if not self._addresses or time.monotonic() - self._looked > 2:
                self._look()
            for uid, address in self._addresses.items():
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{address}:5000/health", timeout=1).close()
                    self.at, self.uid = time.monotonic(), uid
                    break

    def stop(self) -> None:
        """Wait no longer."""
        self._ended.set()
        self.join()

    def _look(self) -> None:
        found = self._kubectl.run(
            "get", "pods", "--namespace", self._namespace, "--selector=app.kubernetes.io/component=server", "-o", "json"
        )
        self._looked = time.monotonic()
        for pod in json.loads(found.stdout or "{}").get("items", []):
            if address := pod["status"].get("podIP"):
                self._addresses[pod["metadata"]["uid"]] = address


def start(bench: Bench, configured: Configured) -> Start:
    """Bring a configured stack up."""
    first = FirstAnswer(bench.kubectl, configured.namespace)
    first.start()
    try:
        result = configured.stack.up().succeeded()
        ended = time.monotonic()
    finally:
        first.stop()
    assert first.at is not None, "no server answered, though the stack is up"
    began = ended - result.seconds_from_first_resource
    started = pods.started(first.uid)
    return Start(first.at - began, ended - began, first.at - started)


def _metric(name: str, starts: list[Start], goal: float) -> Metric:
    return ratio(
        f"up_to_ready_over_pod_start_{name}",
        [each.answered for each in starts],
        [each.pod for each in starts],
        AGAINST,
        seconds_to_first_answer=statistics.median(each.answered for each in starts),
        seconds_to_all_ready=statistics.median(each.ready for each in starts),
        seconds_to_all_ready_goal=goal,
        pod_start_seconds=statistics.median(each.pod for each in starts),
    )


def sqlite(bench: Bench) -> list[Metric]:
    """The development deployment, whose pod makes the database before the server starts."""
    bench.require_pods_here()
    return [_metric("sqlite", [_one(bench, bench.sqlite) for _ in range(ROUNDS)], 10)]


def postgresql(bench: Bench) -> list[Metric]:
    """Two replicas and an empty PostgreSQL database, which the migration Job fills before they start."""
    bench.require_pods_here()
    return [_metric("postgresql", [_one(bench, bench.external) for _ in range(ROUNDS)], 15)]


def _one(bench: Bench, kind: Callable[..., contextlib.AbstractContextManager[Configured]]) -> Start:
    with kind() as configured:
        return start(bench, configured)
