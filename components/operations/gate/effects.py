"""What a step restarts, and what it does to the bill."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...protection import held_by, value_at
from .plan import Step, differing, known

_WORKLOADS = ("kubernetes:apps:Deployment", "kubernetes:apps:StatefulSet", "kubernetes:apps:DaemonSet")

_DATABASE_RESTARTS = {
    r"aws:rds:(Instance|Cluster|ClusterInstance)": r"instanceClass|engineVersion|parameterGroupName|storageType|caCertIdentifier",
    r"gcp:sql:DatabaseInstance": r"settings\.(tier|edition|databaseFlags|availabilityType)|databaseVersion",
    r"azure-native:dbfor(postgresql|mysql):Server": r"sku|version|highAvailability",
}
"""Properties whose change restarts a managed database, or fails it over."""

_COSTS = {
    r"aws:rds:(Instance|Cluster|ClusterInstance)": r"instanceClass|allocatedStorage|storageType|iops|multiAz|serverlessv2ScalingConfiguration|performanceInsights\w*",
    r"gcp:sql:DatabaseInstance": r"settings\.(tier|edition|diskSize|diskType|availabilityType)",
    r"azure-native:dbfor(postgresql|mysql):Server": r"sku|storage|highAvailability",
    r"azure-native:storage:StorageAccount": r"sku|accessTier",
    r"gcp:storage:Bucket": r"storageClass|location",
    r"kubernetes:core:PersistentVolumeClaim": r"spec\.(resources|storageClassName)",
    r"kubernetes:apps:(Deployment|StatefulSet)": r"spec\.replicas|spec\.template\.spec\.containers\[[^\]]+\]\.resources",
    r"kubernetes:autoscaling:HorizontalPodAutoscaler": r"spec\.(min|max)Replicas",
}
"""Properties that change what a resource costs."""


def _matching(table: Mapping[str, str], step: Step) -> list[tuple[str, Any, Any]]:
    for pattern, properties in table.items():
        if re.fullmatch(pattern, step.kind):
            return [each for each in differing(step.old, step.new) if re.match(rf"({properties})([.\[]|$)", each[0])]
    return []


def restart(step: Step) -> str:
    """What a step stops and starts, with the downtime that it costs; empty if nothing."""
    if step.kind in _WORKLOADS and step.op in ("update", "replace", "delete"):
        return _pods(step)
    if step.kind == "kubernetes:batch:Job" and step.op in ("create", "replace"):
        return "this Job runs" + (" again" if step.op == "replace" else "")
    if step.op == "update" and (changed := _matching(_DATABASE_RESTARTS, step)):
        when = "in its maintenance window" if step.new.get("applyImmediately") is False else "when it is deployed"
        return f"the database restarts or fails over {when}, because of {', '.join(path for path, *_ in changed)}: minutes of downtime"
    return ""


def _pods(step: Step) -> str:
    if step.op == "delete":
        return "its pods end"
    before, after = (value_at(side, "spec.template") for side in (step.old, step.new))
    was, will = (value_at(side, "spec.replicas") for side in (step.old, step.new))
    if step.op == "update" and before == after:
        return f"scales from {was} to {will} pods, without a restart" if was != will and known(will) else ""
    if will == 0:
        return "no pod runs afterwards"
    strategy = value_at(step.new, "spec.strategy") or value_at(step.new, "spec.updateStrategy")
    strategy = strategy if isinstance(strategy, Mapping) else {}
    if step.op == "replace":
        return "its pods are replaced, the old ones ending before or while the new ones start: downtime until those are ready"
    if strategy.get("type") == "Recreate":
        return "its pod ends before the next one starts: downtime until that is ready"
    if strategy.get("type") == "OnDelete":
        return "its pods change when somebody deletes them"
    if step.kind.endswith("StatefulSet") and will in (None, 1):
        return "its only pod is stopped and started: downtime until it is ready"
    unavailable = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
    few = step.kind.endswith("Deployment") and (
        unavailable == 0 or (will in (None, 1) and str(unavailable).endswith("%"))
    )
    return "its pods roll, one after the other" + (
        ", without downtime" if few or (isinstance(will, int) and will > 1) else ""
    )


def costs(step: Step) -> Iterator[str]:
    """What changes the bill."""
    what = held_by(step.type, step.new or step.old)
    billed = any(re.fullmatch(pattern, step.kind) for pattern in _COSTS)
    if step.op in ("create", "delete") and billed and (what or step.kind in _WORKLOADS):
        yield f"{step.title}: {'new' if step.op == 'create' else 'no longer there'}"
    elif step.op in ("update", "replace"):
        for path, before, after in _matching(_COSTS, step):
            yield f"{step.title}: {path} from {before if known(before) else '?'} to {after if known(after) else '?'}"
