"""Several pods: what they must be able to share, and what sets their number."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What several pods cannot share, and numbers of pods that contradict each other."""
    yield from _sharing(args)
    if args.autoscaling is not None and args.server.replicas != 1:
        message = f"{args.server.replicas} is given as well as autoscaling, which sets the number of pods"
        yield Problem(("server", "replicas"), message, "remove it, and set autoscaling.minReplicas")
    fewest = args.server.replicas if args.autoscaling is None else args.autoscaling.min_replicas
    kept = args.disruption_budget.min_available
    if kept is not None and args.most_replicas > 1 and kept >= fewest:
        message = f"{kept} of {fewest} pods must stay available, so no node can be drained"
        yield Problem(("disruption_budget", "min_available"), message, "lower it, or have more pods")


def _sharing(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    replicas = args.most_replicas
    if replicas <= 1:
        return
    where = ("server", "replicas") if args.autoscaling is None else ("autoscaling", "max_replicas")
    if args.database.sqlite is not None:
        yield Problem(where, f"{replicas} replicas cannot share a SQLite file", "use 1, or database.postgresql")
    volume = args.artifacts.volume
    if volume is not None and not volume.shared:
        yield Problem(
            where,
            f"{replicas} replicas cannot share a {volume.access_mode.value} volume for artifacts",
            "use 1, artifacts.s3, or artifacts.volume.accessMode: ReadWriteMany with a StorageClass that has it",
        )
    if args.server.job_execution:
        yield Problem(
            ("server", "job_execution"),
            f"the job queue is local to one pod, and there are {replicas} replicas",
            "set it to false, or the number of replicas to 1",
        )
