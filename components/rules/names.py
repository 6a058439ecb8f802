"""The name of the deployment, with which the names of its jobs begin."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem
from ..labels import BACKUP_DRILL, GARBAGE_COLLECTION

_CRON_JOB = 52
"""Characters of a CronJob's name, to which Kubernetes adds eleven:
https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#writing-a-cronjob-spec."""
_JOB = 54
"""Characters of a Job's name, to which Pulumi adds nine; all 63 must fit into a label of its pods."""


def too_long(name: str, args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A name with which the cluster would refuse a job, during the update."""
    database = args.database.postgresql or args.database.mysql
    limits = {
        GARBAGE_COLLECTION: _CRON_JOB if args.garbage_collection is not None else None,
        BACKUP_DRILL: _CRON_JOB if args.backup is not None and args.backup.drill is not None else None,
        "database-creation": _JOB if database is not None and database.create is not None else None,
    }
    for component, limit in limits.items():
        most = limit - len(component) - 1 if limit is not None else len(name)
        if len(name) > most:
            message = f"{name!r} is too long: with it, the job {component!r} has a name that Kubernetes refuses"
            yield Problem(("name",), message, f"use at most {most} characters")
            return
