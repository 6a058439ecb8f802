"""How many server pods there are: autoscaler and disruption budget."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from typing import Any

import pulumi_kubernetes as k8s

from ..arguments.manifests import in_camel_case
from ..labels import SERVER_CONTAINER
from ..pods.scope import Scope


def autoscaler(scope: Scope, deployment: k8s.apps.v1.Deployment) -> k8s.autoscaling.v2.HorizontalPodAutoscaler | None:
    """The autoscaler, if the arguments ask for one. The Deployment then sets no replicas."""
    args = scope.args.autoscaling
    if args is None:
        return None
    metrics: list[Any] = [
        k8s.autoscaling.v2.MetricSpecArgs(
            # Only the server's container: others may request nothing, and utilisation would then be undefined.
            type="ContainerResource",
            container_resource=k8s.autoscaling.v2.ContainerResourceMetricSourceArgs(
                container=SERVER_CONTAINER,
                name=name,
                target=k8s.autoscaling.v2.MetricTargetArgs(type="Utilization", average_utilization=percent),
            ),
        )
        for name, percent in (("cpu", args.cpu_percent), ("memory", args.memory_percent))
        if percent is not None
    ]
    behavior = in_camel_case(args.behavior, "autoscaling/v2.HorizontalPodAutoscalerBehavior")
    return k8s.autoscaling.v2.HorizontalPodAutoscaler(
        f"{scope.name}-autoscaler",
        metadata=scope.metadata("server", f"{scope.name}-autoscaler"),
        spec=k8s.autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
            scale_target_ref=k8s.autoscaling.v2.CrossVersionObjectReferenceArgs(
                api_version="apps/v1",
                kind="Deployment",
                name=deployment.metadata.name,  # type: ignore[arg-type]
            ),
            min_replicas=args.min_replicas,
            max_replicas=args.max_replicas,
            metrics=[*metrics, *in_camel_case(args.metrics, "[autoscaling/v2.MetricSpec]")],
            behavior=behavior or None,
        ),
        opts=scope.lasting(),
    )


def disruption_budget(scope: Scope) -> k8s.policy.v1.PodDisruptionBudget | None:
    """The budget, if there may be several pods: with one pod, it would block every drain of its node."""
    args = scope.args.disruption_budget
    if not args.enabled or scope.args.most_replicas <= 1:
        return None
    return k8s.policy.v1.PodDisruptionBudget(
        f"{scope.name}-budget",
        metadata=scope.metadata("server", f"{scope.name}-budget"),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector()),
            max_unavailable=(args.max_unavailable or 1) if args.min_available is None else None,
            min_available=args.min_available,
            # A pod that is not ready serves nobody; without this, it would block the drain of its node.
            unhealthy_pod_eviction_policy="AlwaysAllow",
        ),
        opts=scope.lasting(),
    )
