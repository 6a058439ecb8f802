"""The server's pods: what the namespace permits, and how much memory they need."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..arguments.checks import amount

PROCESS_MIB = 200
"""Measured idle memory of each server process, and of the launcher in each pod."""
JOBS_MIB = 1300
"""Measured idle memory of the job runners."""


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A created namespace enforces Pod Security `restricted`; idle processes must fit into the memory limit."""
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
