"""Schema migration: a Job before the servers for each change, or an init container with SQLite."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..in_image import Program
from ..labels import MIGRATION
from .backend_store import BackendStore
from .containers import mlflow_container
from .environment import plain_environment
from .jobs import job
from .part import PodPart, join
from .scope import Scope
from .volumes import config_map, config_volume, read_only

_DIRECTORY = "/etc/mlflow/migration"
_PROGRAM = Program("migrate.py")
_PROGRAM_WITH_USERS = Program("migrate_users.py")
_USER_VARIABLES = ("PG", "MYSQL", "MLFLOW_SQLALCHEMY", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""Prefixes of the user's variables that concern a migration. Changes of others must not rerun it."""


def migration_job(
    scope: Scope, store: BackendStore, users: PodPart | None, after: Sequence[pulumi.Resource]
) -> k8s.batch.v1.Job:
    """Run the migration to completion. A change of image, program or connection replaces and reruns the Job.

    Args:
        scope: The deployment.
        store: The database of experiments, runs and models.
        users: What migrating the database of users takes; None without authentication.
        after: Resources that must exist before.
    """
    part = join(store.part_of("mlflow-migration"), users or PodPart(), _program(scope))
    return job(
        scope,
        MIGRATION,
        part,
        _container(scope, store, part, users),
        scratch="256Mi",
        after=after,
        timeout_seconds=scope.args.migration_timeout_seconds,
        # A migration that failed half-way needs attention, not a retry; one whose node was drained may be retried.
        survives_disruption=True,
    )


def migration_in_pod(scope: Scope, store: BackendStore, users: PodPart | None) -> PodPart:
    """The same as an init container of the server, since only its pod can reach a SQLite file."""
    program, others = _program(scope), users or PodPart()
    needed = PodPart(
        environment=[*store.part.environment, *others.environment],
        mounts=[*program.mounts, *store.part.mounts, *others.mounts],
    )
    return PodPart(volumes=program.volumes, init_containers=[_container(scope, store, needed, users)])


def _program(scope: Scope) -> PodPart:
    """The programs, mounted."""
    program = _PROGRAM_WITH_USERS if scope.args.users_in_mlflow else _PROGRAM
    made = config_map(scope, "migration", MIGRATION, program.files)
    return PodPart(volumes=[config_volume("migration", made)], mounts=[read_only("migration", _DIRECTORY)])


def _container(scope: Scope, store: BackendStore, part: PodPart, users: PodPart | None) -> k8s.core.v1.ContainerArgs:
    program = _PROGRAM if users is None else _PROGRAM_WITH_USERS
    connect = scope.args.database.connect_timeout_seconds
    settings = {
        **({"MIGRATION_SQLITE": "true"} if store.in_pod else {}),
        "MIGRATION_CONNECT_TIMEOUT_SECONDS": str(connect),
        # Shorter than the Job may take, so that it reports the reason before Kubernetes stops it.
        "MIGRATION_LOCK_TIMEOUT_SECONDS": str(max(1, scope.args.migration_timeout_seconds - connect)),
    }
    concerned = [each for each in scope.user.environment if str(each.name).startswith(_USER_VARIABLES)]
    return mlflow_container(
        scope,
        "migration",
        join(PodPart(environment=plain_environment(settings)), part),
        scope.args.resources.migration,
        command=["python", f"{_DIRECTORY}/{program.name}"],
        user=PodPart(environment=concerned, environment_from=scope.user.environment_from),
        disk="64Mi",
    )
