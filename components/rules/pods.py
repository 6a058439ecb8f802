"""The server's pods: what the namespace lets them do, and what they hold in memory."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..arguments.checks import amount

PROCESS_MIB = 200
"""Idle memory of one more server process, and of the launcher that each pod has besides, as measured."""
JOBS_MIB = 1300
"""Idle memory of the runners of background jobs."""


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """The namespace that is created enforces Pod Security `restricted`; idle processes must fit into the limit."""
    if args.create_namespace:
        yield from (problem.under("pod") for problem in args.pod.not_restricted())
    server, limit = args.server, args.pod.resources.memory_limit
    needed = PROCESS_MIB * (1 + server.workers) + (JOBS_MIB if server.job_execution else 0)
    granted = amount(limit)
    if granted is not None and granted < needed * 1024**2:
        jobs = " and the job runners" if server.job_execution else ""
        yield Problem(
            ("pod", "resources", "memory_limit"),
            f"{limit!r} is less than what {server.workers} worker(s){jobs} hold when idle, about {needed} MiB",
            f"raise it to '{-(-needed * 3 // 2 // 1024)}Gi', or lower server.workers"
            + (" or server.jobExecution" if server.job_execution else ""),
        )
