"""Schema migration: one Job per change before the servers, or an init container in front of SQLite."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..in_image import Program
from .backend_store import BackendStore
from .objects import (
    HOME,
    Additions,
    Scope,
    config_volume,
    image_reference,
    plain_environment,
    scratch_mount,
    scratch_volume,
    unique,
)

_DIRECTORY = "/etc/mlflow/migration"
_SCRIPT = Program("migrate.py")
_USERS_SCRIPT = Program("migrate_users.py")
_USERS_VARIABLES = ("PG", "MYSQL", "MLFLOW_SQLALCHEMY", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""Prefixes of the user's variables that concern a migration. The others must not run it again when they change."""


def migration_script(scope: Scope) -> k8s.core.v1.ConfigMap:
    """The scripts that run inside the MLflow image."""
    scripts = [_SCRIPT, _USERS_SCRIPT] if scope.args.authenticated else [_SCRIPT]
    return k8s.core.v1.ConfigMap(
        f"{scope.name}-migration",
        metadata=scope.metadata("migration"),
        data={script.name: script.source for script in scripts},
        immutable=True,
        opts=scope.options(),
    )


def migration_container(scope: Scope, store: BackendStore, users: Additions | None = None) -> k8s.core.v1.ContainerArgs:
    """The container, for a Job or as an init container.

    Args:
        scope: What the parts have in common.
        store: The database of experiments, runs and models.
        users: What it takes to reach the database of users as well, where users log in.
    """
    script = _SCRIPT if users is None else _USERS_SCRIPT
    users = users or Additions()
    connect = scope.args.database.connect_timeout_seconds
    settings = {
        **({"MIGRATION_SQLITE": "true"} if store.in_pod else {}),
        "MIGRATION_CONNECT_TIMEOUT_SECONDS": str(connect),
        # Shorter than the Job may take, so that the reason is told before Kubernetes ends it.
        "MIGRATION_LOCK_TIMEOUT_SECONDS": str(max(1, scope.args.migration_timeout_seconds - connect)),
    }
    return k8s.core.v1.ContainerArgs(
        name="migration",
        image=image_reference(scope.args.image),
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["python", f"{_DIRECTORY}/{script.name}"],
        env=unique(
            plain_environment({**HOME, **settings}),
            store.environment_of("mlflow-migration"),
            users.environment,
            [variable for variable in scope.environment if str(variable.name).startswith(_USERS_VARIABLES)],
        ),
        env_from=list(scope.environment_from) or None,
        volume_mounts=[
            scratch_mount(),
            k8s.core.v1.VolumeMountArgs(name="migration", mount_path=_DIRECTORY, read_only=True),
            *store.mounts,
            *users.mounts,
        ],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "100m", "memory": "256Mi", "ephemeral-storage": "64Mi"}, limits={"memory": "1Gi"}
        ),
        security_context=scope.container_security(),
        # The reason of a refusal is in the last lines; this puts it into the pod's status, where `pulumi up` shows it.
        termination_message_policy="FallbackToLogsOnError",
    )


def migration_volume(script: k8s.core.v1.ConfigMap) -> k8s.core.v1.VolumeArgs:
    return config_volume("migration", script)


def migration_job(
    scope: Scope, store: BackendStore, after: Sequence[pulumi.Resource], users: Additions | None = None
) -> k8s.batch.v1.Job:
    """Run the migration to its end. A change of image, script or connection replaces the Job, which runs it again.

    Args:
        scope: What the parts have in common.
        store: The database of experiments, runs and models.
        after: What must be there before.
        users: What it takes to reach the database of users as well, where users log in.
    """
    timeout = scope.args.migration_timeout_seconds
    script = migration_script(scope)
    return k8s.batch.v1.Job(
        f"{scope.name}-migration",
        metadata=scope.metadata(
            "migration",
            # A Job that failed stays failed; without this the next `pulumi up` would wait for it again.
            annotations={"pulumi.com/replaceUnready": "true"},
        ),
        spec=k8s.batch.v1.JobSpecArgs(
            # A migration that failed half-way must be looked at, not repeated; one whose node was drained may be.
            backoff_limit=0,
            pod_failure_policy=k8s.batch.v1.PodFailurePolicyArgs(
                rules=[
                    k8s.batch.v1.PodFailurePolicyRuleArgs(
                        action="Ignore",
                        on_pod_conditions=[
                            k8s.batch.v1.PodFailurePolicyOnPodConditionsPatternArgs(
                                type="DisruptionTarget", status="True"
                            )
                        ],
                    )
                ]
            ),
            active_deadline_seconds=timeout,
            template=k8s.core.v1.PodTemplateSpecArgs(
                metadata=scope.pod_metadata("migration"),
                spec=scope.pod_spec(
                    restart_policy="Never",
                    init_containers=[*store.init_containers, *(users.init_containers if users else [])] or None,
                    containers=[migration_container(scope, store, users)],
                    volumes=[
                        scratch_volume("256Mi"),
                        migration_volume(script),
                        *store.pod_volumes,
                        *(users.volumes if users else []),
                    ],
                ),
            ),
        ),
        opts=scope.options(
            depends_on=list(after),
            custom_timeouts=pulumi.CustomTimeouts(create=f"{timeout + 120}s", update=f"{timeout + 120}s"),
        ),
    )
