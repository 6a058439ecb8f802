"""The Service in front of the server's pods."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import ServiceType
from ..arguments.reserved import PORT_NAME
from ..pods.ports import known_while_unchanged
from ..pods.scope import Scope
from .ingress_classes import service_annotations


def service(scope: Scope, after: Sequence[pulumi.Resource]) -> k8s.core.v1.Service:
    """The Service; its name is explicit, since it is part of clients' configuration.

    Args:
        scope: The deployment.
        after: First objects in the cluster, which generated values wait for.
    """
    args = scope.args.service
    annotations = {**service_annotations(scope), **args.annotations}
    if args.type is not ServiceType.LOAD_BALANCER:
        # The provider would watch the endpoints for another ten seconds after the last pod is ready, which it waits for
        # with the Deployment anyway. Only a load balancer has something else to wait for: its address.
        annotations["pulumi.com/skipAwait"] = "true"
    ports = [
        k8s.core.v1.ServicePortArgs(name=PORT_NAME, port=args.port, target_port=PORT_NAME, node_port=args.node_port)
    ]
    ports += [
        k8s.core.v1.ServicePortArgs(name=port.name, port=port.port, target_port=port.target_port)
        for port in args.extra_ports
    ]
    facts = [args.port, args.node_port, *([port.name, port.port] for port in args.extra_ports)]
    return k8s.core.v1.Service(
        f"{scope.name}-service",
        metadata=scope.metadata(
            "server", scope.service_name, extra_labels=args.labels, annotations=annotations or None
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=args.type.value,
            selector=scope.selector(),
            ports=known_while_unchanged(scope, "service", ports, facts, after),
            ip_family_policy=args.ip_family_policy.value if args.ip_family_policy else None,
            ip_families=[family.value for family in args.ip_families] or None,
            load_balancer_class=args.load_balancer_class,
            load_balancer_source_ranges=args.load_balancer_source_ranges or None,
        ),
        opts=scope.options(),
    )
