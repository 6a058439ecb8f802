"""Fresh installs with two replicas: whether any migration fails or any container is started again."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from bench.cluster import Bench, Configured
from bench.metrics import Goal, Metric
from tests.support.kubernetes import restarts

INSTALLS = 20
SIDE_BY_SIDE = 2


def _measure(bench: Bench, database: str, kind: Callable[[], AbstractContextManager[Configured]]) -> list[Metric]:
    """Install again and again, each time into a database with nothing in it, and look at every container."""

    def install(_: int) -> tuple[int, int, float]:
        with kind() as configured:
            result = configured.stack.up()
            servers = bench.kubectl.pods(configured.namespace)
            migrations = bench.kubectl.pods(configured.namespace, "migration")
            whole = result.code == 0 and len(servers) == 2 and len(migrations) == 1
            return int(not whole), restarts([*servers, *migrations]) if servers else 0, result.seconds

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        installs = list(pool.map(install, range(INSTALLS)))
    failed, again, seconds = zip(*installs, strict=True)
    more = {"installs": INSTALLS, "seconds": statistics.median(seconds), "slowest_seconds": max(seconds)}
    against = f"{INSTALLS} installs, {SIDE_BY_SIDE} side by side"
    return [
        Metric(f"install_failures_{database}", sum(failed), against, "installs", Goal(0), failed, more),
        Metric(f"install_restarts_{database}", sum(again), against, "restarts", Goal(0), again),
    ]


def postgresql(bench: Bench) -> list[Metric]:
    """On PostgreSQL."""
    _ = bench.postgresql, bench.s3_url  # started before the first threads ask for them
    return _measure(bench, "postgresql", bench.external)


def mariadb(bench: Bench) -> list[Metric]:
    """On MariaDB."""
    _ = bench.mariadb, bench.s3_url
    return _measure(bench, "mariadb", bench.external_mariadb)
