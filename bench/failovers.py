"""A database host that vanishes without a word while clients log, at the component's default settings."""

import contextlib

from bench.cluster import Bench
from bench.metrics import Metric
from tests.support import failover, mariadb, networks, postgresql

SILENT = 60
"""Seconds until the name leads to another host. AWS states 60 to 120 for a failover of a Multi-AZ instance:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html."""
AFTER = 60
"""Seconds for which the load goes on from then."""
PER_SECOND = 2
"""Requests of each server's clients."""


def measure(bench: Bench) -> list[Metric]:
    """Both engines at once, each behind a server of its own."""
    folder = bench.new_folder()
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(postgresql.serve("127.0.0.1"))
        maria = running.enter_context(mariadb.serve("127.0.0.1"))
        network = running.enter_context(networks.network())
        databases = {"postgresql": postgres.database(), "mysql": maria.database()}
        clients = {}
        for engine, database in databases.items():
            serving = failover.serving(network, engine, database, folder, silence=None, users=False)
            clients[engine] = running.enter_context(serving)
        results = failover.fail_over(network, clients, per_second=PER_SECOND, silent=SILENT, after=AFTER)
    return [_metric(engine, result) for engine, result in results.items()]


def _metric(engine: str, result: failover.Result) -> Metric:
    more = {
        "first_success_seconds": result.first_success,
        "longest_request_seconds": result.longest,
        "lost_requests": len(result.lost),
        "requests": len([each for each in result.answers if each.sent > 0]),
    }
    against = f"the {SILENT} seconds until another host answered to the name"
    return Metric(f"failover_over_silence_{engine}", result.first_success / SILENT, against, more=more)
