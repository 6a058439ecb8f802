"""The one way to run a store in the cluster: one pod on one claim."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from typing import Any

import pulumi_kubernetes as k8s

from ..pods.containers import template
from ..pods.part import PodPart
from ..pods.scope import Scope


def store(
    scope: Scope, component: str, part: PodPart, container: k8s.core.v1.ContainerArgs, *, service: str, **pod: Any
) -> k8s.apps.v1.StatefulSet:
    """A StatefulSet with one pod.

    Args:
        scope: The deployment.
        component: Which kind of pod; also the resource's name.
        part: What all concerns add to the pod.
        container: What runs in it.
        service: Name of its Service.
        **pod: As for `containers.template`.
    """
    return k8s.apps.v1.StatefulSet(
        f"{scope.name}-{component}",
        metadata=scope.metadata(component, f"{scope.name}-{component}"),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            replicas=1,
            service_name=service,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=scope.selector(component)),
            template=template(scope, part, [container], metadata=scope.store_metadata(component), **pod),
        ),
        opts=scope.lasting(custom_timeouts=scope.start_timeouts()),
    )
