"""Upgrades without anybody's hand: what the migration Job must know of the deployment, and where it writes down how far it is."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import pulumi_kubernetes as k8s

from .. import labels
from ..arguments import Input, UpgradeMode
from .containers import image_reference
from .environment import plain_environment
from .part import PodPart
from .scope import Scope

SCHEDULES = (labels.GARBAGE_COLLECTION, labels.BACKUP, labels.BACKUP_DRILL)
"""CronJobs that must not run while the schema changes, by their component."""
_STOP_SECONDS, _AFTER_DRAINING = 120, 60
"""How long servers may take to end what they have begun, and how much of it at least is left where they drain for long. Clients of
MLflow repeat a request for four minutes; an upload that takes longer ends the upgrade, and not the other way round."""


def record_name(scope: Scope) -> str:
    """Name of the ConfigMap that holds the upgrade under way and the ones before it."""
    return f"{scope.name}-upgrade"


def account_name(scope: Scope) -> str:
    """Name of the Job's own account: servers must not have its rights."""
    return f"{scope.name}-migration"


def schedules(scope: Scope) -> dict[str, str]:
    """Names of these CronJobs, whether they exist or not, by their component."""
    return {component: f"{scope.name}-{component}" for component in SCHEDULES}


def record(scope: Scope) -> k8s.core.v1.ConfigMap:
    """The ConfigMap. Pulumi makes and deletes it; its content is the Job's."""
    return k8s.core.v1.ConfigMap(
        f"{scope.name}-upgrade", metadata=scope.metadata("migration", record_name(scope)), opts=scope.lasting()
    )


def upgrade_part(scope: Scope) -> PodPart:
    """The Job's settings."""
    args = scope.args
    copies = args.upgrade.mode is UpgradeMode.BLUE_GREEN
    managed = args.database.kind.backups
    backup = "database" if managed is not None and managed[1] > 0 else ""
    values: dict[str, Input[str]] = {
        "MIGRATION_MODE": args.upgrade.mode.value,
        "UPGRADE_DEPLOYMENT": scope.deployment_name,
        "UPGRADE_RECORD": record_name(scope),
        "UPGRADE_INSTANCE": scope.name,
        "UPGRADE_CONTAINER": labels.SERVER_CONTAINER,
        "UPGRADE_IMAGE": image_reference(args.image),
        "UPGRADE_SCHEDULES": ",".join(f"{component}={name}" for component, name in schedules(scope).items()),
        "UPGRADE_BACKUP": "copy"
        if copies
        else ""
        if args.upgrade.without_backup
        else schedules(scope)[labels.BACKUP]
        if args.backup_before_upgrade
        else backup,
        "UPGRADE_STOP_SECONDS": str(max(_STOP_SECONDS, args.server.drain_seconds + _AFTER_DRAINING)),
        "UPGRADE_START_SECONDS": str(args.server.progress_deadline_seconds),
    }
    return PodPart(environment=plain_environment(values))
