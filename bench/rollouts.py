"""A rolling update of two replicas under load."""

import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

from bench.cluster import Bench
from bench.metrics import Goal, Metric, ratio
from bench.readiness import start
from tests.support.load import Load, Target, new_connections

ROUNDS = 2
PER_SECOND = 20


def measure(bench: Bench) -> list[Metric]:
    """Replace all pods while 20 requests per second arrive, each on a connection of its own."""
    bench.require_pods_here()
    seconds: list[float] = []
    loads: list[Load] = []
    with bench.external() as configured, ThreadPoolExecutor() as pool:
        pod_start = start(bench, configured).pod
        target = Target.service(bench.kubectl, configured.namespace)
        run = target.post("runs/create", experiment_id="0")["run"]["info"]["run_id"]
        for number in range(ROUNDS):

            def log(step: int, key: str = f"round-{number}") -> None:
                target.post("runs/log-metric", run_id=run, key=key, value=step, timestamp=0, step=step)

            configured.reconfigure(server={"replicas": 2, "env": {"BENCH_ROUND": str(number)}})
            ended = threading.Event()
            load = pool.submit(new_connections, log, ended, PER_SECOND)
            try:
                seconds.append(configured.stack.up().succeeded().seconds_from_first_resource)
                bench.kubectl.settled(configured.namespace, 2)
            finally:
                ended.set()
            loads.append(load.result())
    sent = sum(len(load.seconds) + len(load.failures) for load in loads)
    lost = [len(load.failures) for load in loads]
    return [
        Metric("rollout_lost_requests", sum(lost), "all requests", "requests", Goal(0), lost, {"sent": sent}),
        ratio(
            "rollout_seconds_over_pod_start",
            seconds,
            [pod_start] * ROUNDS,
            "start of one server: from the start of its container to its first healthy answer",
            seconds=statistics.median(seconds),
            pod_start_seconds=pod_start,
            p95_ms=1000 * statistics.median(load.percentile(0.95) for load in loads),
        ),
    ]
