"""One pod as this project configures it, over one as MLflow configures itself: same image, same PostgreSQL."""

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import pods, wrk
from bench.cluster import Bench
from bench.metrics import Goal, Metric, ratio
from tests.support.load import Target

OURS: dict[str, Any] = {"replicas": 1}
MLFLOW_DEFAULT: dict[str, Any] = {"replicas": 1, "workers": 4, "jobExecution": True}
"""What `mlflow server` does without options: https://mlflow.org/docs/latest/api_reference/cli.html#mlflow-server."""

AGAINST = "a pod with MLflow's own defaults (4 workers, job execution on), same image and PostgreSQL server"
IDLE = 20
"""Seconds to wait before memory is read: the job runner's processes start after the server answers."""
ROUNDS = 3
SECONDS = 8


@dataclass(frozen=True)
class Pod:
    """A server pod."""

    uid: str
    target: Target


@contextlib.contextmanager
def _pod(bench: Bench, server: dict[str, Any]) -> Iterator[Pod]:
    """Deploy one pod."""
    limit = {"resources": {"memoryLimit": "6Gi"}}  # enough for either; what is used is what is measured
    with bench.external(server=server, pod=limit) as configured:
        configured.stack.up().succeeded()
        (pod,) = bench.kubectl.pods(configured.namespace)
        address = pod["status"]["podIP"]
        yield Pod(pod["metadata"]["uid"], Target(address, 5000, f"{address}:5000"))


def measure(bench: Bench) -> list[Metric]:
    """Memory of each idle pod, then load on one after the other, in turns."""
    bench.require_pods_here()
    with contextlib.ExitStack() as deployed:
        both = {
            name: deployed.enter_context(_pod(bench, server))
            for name, server in {"default": MLFLOW_DEFAULT, "ours": OURS}.items()
        }
        time.sleep(IDLE)
        memory = {name: pods.usage(pod.uid) for name, pod in both.items()}
        metrics = [
            ratio(
                "server_memory_over_mlflow_default",
                [memory["ours"].pss_mib],
                [memory["default"].pss_mib],
                AGAINST,
                Goal(0.20),
                mib=memory["ours"].pss_mib,
                default_mib=memory["default"].pss_mib,
                processes=memory["ours"].processes,
                default_processes=memory["default"].processes,
            )
        ]
        for pod in both.values():
            wrk.log_metrics(pod.target, bench.folder, 3)  # imports, statement caches, connections
        for keep_alive, suffix, goal in ((True, "", Goal(1.6, at_least=True)), (False, "_new_connections", None)):
            metrics.append(_throughput(bench, both, keep_alive, suffix, goal))
    memory_ratio, throughput = metrics[0].value, metrics[1]
    metrics.append(
        Metric(
            "server_throughput_per_memory_over_mlflow_default",
            throughput.value / memory_ratio,
            AGAINST,
            runs=[run / memory_ratio for run in throughput.runs],
        )
    )
    return metrics


def _throughput(bench: Bench, both: dict[str, Pod], keep_alive: bool, suffix: str, goal: Goal | None) -> Metric:
    loads: dict[str, list[wrk.Load]] = {name: [] for name in both}
    cost: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(ROUNDS):
        for name, pod in both.items():
            before = pods.usage(pod.uid).cpu_seconds
            load = wrk.log_metrics(pod.target, bench.folder, SECONDS, keep_alive=keep_alive)
            assert not load.failed, f"{name}: {load.failed} requests failed"
            loads[name].append(load)
            cost[name].append((pods.usage(pod.uid).cpu_seconds - before) / (load.per_second * SECONDS) * 1000)
    ours, default = ([load.per_second for load in loads[name]] for name in ("ours", "default"))
    return ratio(
        f"server_throughput{suffix}_over_mlflow_default",
        ours,
        default,
        AGAINST,
        goal,
        per_second=statistics.median(ours),
        default_per_second=statistics.median(default),
        p50_ms=statistics.median(load.p50_ms for load in loads["ours"]),
        default_p50_ms=statistics.median(load.p50_ms for load in loads["default"]),
        cpu_ms_per_request=statistics.median(cost["ours"]),
        default_cpu_ms_per_request=statistics.median(cost["default"]),
    )
