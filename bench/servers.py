"""Pods as this project configures them, over one as MLflow configures itself: same image, same PostgreSQL, same processors."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench import pods, wrk
from bench.cluster import Bench
from bench.metrics import Goal, Metric, ratio
from tests.support.load import Target

OURS: dict[str, Any] = {"replicas": 1}
PROFILE: dict[str, Any] = {"replicas": 2}
"""What a production stack runs at least: two pods, each in its own process."""
MLFLOW_DEFAULT: dict[str, Any] = {"replicas": 1, "workers": 4, "jobExecution": True}
"""What `mlflow server` does without options: https://mlflow.org/docs/latest/api_reference/cli.html#mlflow-server."""

AGAINST = "a pod with MLflow's own defaults (4 workers, job execution on), same image and PostgreSQL server"
IDLE = 20
"""Seconds to wait before memory is read: the job runner's processes start after the server answers."""
ROUNDS = 3
SECONDS = 8
CLIENTS = 4


@dataclass(frozen=True)
class Pod:
    """A server pod."""

    uid: str
    target: Target


@dataclass(frozen=True)
class Load:
    """What clients got from all pods together, and what it cost.

    Attributes:
        per_second: Answered requests per second.
        p50_ms: Median latency in milliseconds; the mean of the pods'.
        cpu_ms: Processor time of the pods per request, in milliseconds.
    """

    per_second: float
    p50_ms: float
    cpu_ms: float


@contextlib.contextmanager
def _pods(bench: Bench, server: dict[str, Any]) -> Iterator[list[Pod]]:
    """Deploy a server."""
    limit = {"resources": {"memoryLimit": "6Gi"}}  # enough for either; what is used is what is measured
    with bench.external(server=server, pod=limit) as configured:
        configured.stack.up().succeeded()
        made = []
        for pod in bench.kubectl.pods(configured.namespace):
            address = pod["status"]["podIP"]
            made.append(Pod(pod["metadata"]["uid"], Target(address, 5000, f"{address}:5000")))
        assert len(made) == server["replicas"], made
        yield made


def measure(bench: Bench) -> list[Metric]:
    """One pod of each: memory when idle, then load on one after the other, in turns."""
    with _deployed(bench, OURS) as both:
        memory = _memory("server_memory_over_mlflow_default", both, Goal(0.20))
        throughput = _throughput(bench, "server_throughput_over_mlflow_default", both)
        new_connections = _throughput(
            bench, "server_throughput_new_connections_over_mlflow_default", both, keep_alive=False
        )
    per_memory = Metric(
        "server_throughput_per_memory_over_mlflow_default",
        throughput.value / memory.value,
        AGAINST,
        runs=[run / memory.value for run in throughput.runs],
    )
    return [memory, throughput, new_connections, per_memory]


def profile(bench: Bench) -> list[Metric]:
    """The two pods that a production stack runs at least, with the clients divided between them."""
    with _deployed(bench, PROFILE) as both:
        return [
            _memory("profile_memory_over_mlflow_default", both, Goal(0.35)),
            _throughput(bench, "profile_throughput_over_mlflow_default", both, goal=Goal(1.0, at_least=True)),
        ]


@contextlib.contextmanager
def _deployed(bench: Bench, server: dict[str, Any]) -> Iterator[dict[str, list[Pod]]]:
    """What is looked at and what it is compared with, side by side and idle."""
    bench.require_pods_here()
    with _pods(bench, MLFLOW_DEFAULT) as default, _pods(bench, server) as ours:
        time.sleep(IDLE)
        yield {"default": default, "ours": ours}


def _memory(name: str, both: dict[str, list[Pod]], goal: Goal) -> Metric:
    used = {each: [pods.usage(pod.uid) for pod in made] for each, made in both.items()}
    mib = {each: sum(usage.pss_mib for usage in usages) for each, usages in used.items()}
    processes = {each: sum(usage.processes for usage in usages) for each, usages in used.items()}
    return ratio(
        name,
        [mib["ours"]],
        [mib["default"]],
        AGAINST,
        goal,
        mib=mib["ours"],
        default_mib=mib["default"],
        processes=processes["ours"],
        default_processes=processes["default"],
    )


def _throughput(
    bench: Bench, name: str, both: dict[str, list[Pod]], *, keep_alive: bool = True, goal: Goal | None = None
) -> Metric:
    for made in both.values():
        _load(bench, made, 3, keep_alive)  # imports, statement caches, connections
    loads: dict[str, list[Load]] = {each: [] for each in both}
    for _ in range(ROUNDS):
        for each, made in both.items():
            loads[each].append(_load(bench, made, SECONDS, keep_alive))
    ours, default = ([load.per_second for load in loads[each]] for each in ("ours", "default"))
    return ratio(
        name,
        ours,
        default,
        AGAINST,
        goal,
        per_second=statistics.median(ours),
        default_per_second=statistics.median(default),
        p50_ms=statistics.median(load.p50_ms for load in loads["ours"]),
        default_p50_ms=statistics.median(load.p50_ms for load in loads["default"]),
        cpu_ms_per_request=statistics.median(load.cpu_ms for load in loads["ours"]),
        default_cpu_ms_per_request=statistics.median(load.cpu_ms for load in loads["default"]),
    )


def _load(bench: Bench, made: list[Pod], seconds: int, keep_alive: bool) -> Load:
    """The clients, divided between the pods, as fast as they are answered."""

    def one(pod: Pod) -> wrk.Load:
        clients = CLIENTS // len(made)
        return wrk.log_metrics(pod.target, bench.new_folder(), seconds, clients=clients, keep_alive=keep_alive)

    before = sum(pods.usage(pod.uid).cpu_seconds for pod in made)
    with ThreadPoolExecutor(len(made)) as pool:
        loads = list(pool.map(one, made))
    cpu_seconds = sum(pods.usage(pod.uid).cpu_seconds for pod in made) - before
    assert not any(load.failed for load in loads), f"requests failed: {loads}"
    per_second = sum(load.per_second for load in loads)
    return Load(per_second, statistics.mean(load.p50_ms for load in loads), cpu_seconds / (per_second * seconds) * 1000)
