"""Schema migration: a Job before the servers for each change, or an init container with SQLite."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..in_image import Program
from ..labels import MIGRATION
from .backend_store import BackendStore
from .containers import mlflow_container
from .environment import database_part, plain_environment
from .jobs import job
from .part import PodPart, join
from .scope import Scope
from .upgrade import account_name, upgrade_part
from .volumes import config_map, config_volume, read_only

_DIRECTORY = "/etc/mlflow/migration"
_PROGRAM = Program("upgrade.py")
_PROGRAM_IN_POD = Program("migrate.py")
_PROGRAM_IN_POD_WITH_USERS = Program("migrate_users.py")


def migration_job(
    scope: Scope, store: BackendStore, users: PodPart | None, after: Sequence[pulumi.Resource]
) -> k8s.batch.v1.Job:
    """Run the migration to completion. A change of image, program or connection replaces and reruns the Job.

    With `upgrade.mode: automatic` it stops the servers before and starts them after, with an account of its own.

    Args:
        scope: The deployment.
        store: The database of experiments, runs and models.
        users: What migrating the database of users takes; None without authentication.
        after: Resources that must exist before.
    """
    itself = scope.args.upgrades_itself
    more = upgrade_part(scope) if itself else PodPart()
    part = join(store.part_of("mlflow-migration"), users or PodPart(), more, _program(scope, _PROGRAM))
    return job(
        scope,
        MIGRATION,
        part,
        _container(scope, store, part, _PROGRAM),
        scratch="256Mi",
        after=after,
        timeout_seconds=scope.args.migration_timeout_seconds,
        # A migration that failed half-way needs attention, not a retry; one whose node was drained may be retried.
        survives_disruption=True,
        account=account_name(scope) if itself else None,
    )


def migration_in_pod(scope: Scope, store: BackendStore, users: PodPart | None) -> PodPart:
    """The same as an init container of the server, since only its pod can reach a SQLite file."""
    which = _PROGRAM_IN_POD if users is None else _PROGRAM_IN_POD_WITH_USERS
    program, others = _program(scope, which), users or PodPart()
    needed = PodPart(
        environment=[*store.part.environment, *others.environment],
        mounts=[*program.mounts, *store.part.mounts, *others.mounts],
    )
    return PodPart(volumes=program.volumes, init_containers=[_container(scope, store, needed, which)])


def _program(scope: Scope, program: Program) -> PodPart:
    """The program with those that it imports, mounted."""
    made = config_map(scope, "migration", MIGRATION, program.files)
    return PodPart(volumes=[config_volume("migration", made)], mounts=[read_only("migration", _DIRECTORY)])


def _container(scope: Scope, store: BackendStore, part: PodPart, program: Program) -> k8s.core.v1.ContainerArgs:
    connect = scope.args.database.connect_timeout_seconds
    settings = {
        **({"MIGRATION_SQLITE": "true"} if store.in_pod else {}),
        "MIGRATION_CONNECT_TIMEOUT_SECONDS": str(connect),
        # Shorter than the Job may take, so that it reports the reason before Kubernetes stops it.
        "MIGRATION_LOCK_TIMEOUT_SECONDS": str(max(1, scope.args.migration_timeout_seconds - connect)),
    }
    return mlflow_container(
        scope,
        "migration",
        join(PodPart(environment=plain_environment(settings)), part),
        scope.args.resources.migration,
        command=["python", f"{_DIRECTORY}/{program.name}"],
        user=database_part(scope),
        disk="64Mi",
    )
