"""The Service in front of the server's pods."""

import pulumi_kubernetes as k8s

from ..arguments import ServiceType
from ..arguments.reserved import PORT_NAME
from ..pods.scope import Scope
from .ingress_classes import service_annotations


def service(scope: Scope) -> k8s.core.v1.Service:
    """The Service; its name is explicit, since it is part of clients' configuration."""
    args = scope.args.service
    annotations = {**service_annotations(scope), **args.annotations}
    if args.type is not ServiceType.LOAD_BALANCER:
        # The provider would watch the endpoints for another ten seconds after the last pod is ready, which it waits for
        # with the Deployment anyway. Only a load balancer has something else to wait for: its address.
        annotations["pulumi.com/skipAwait"] = "true"
    extra = [
        k8s.core.v1.ServicePortArgs(name=port.name, port=port.port, target_port=port.target_port)
        for port in args.extra_ports
    ]
    return k8s.core.v1.Service(
        f"{scope.name}-service",
        metadata=scope.metadata(
            "server", scope.service_name, extra_labels=args.labels, annotations=annotations or None
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=args.type.value,
            selector=scope.selector(),
            ports=[
                k8s.core.v1.ServicePortArgs(
                    name=PORT_NAME, port=args.port, target_port=PORT_NAME, node_port=args.node_port
                ),
                *extra,
            ],
            ip_family_policy=args.ip_family_policy.value if args.ip_family_policy else None,
            ip_families=[family.value for family in args.ip_families] or None,
            load_balancer_class=args.load_balancer_class,
            load_balancer_source_ranges=args.load_balancer_source_ranges or None,
        ),
        opts=scope.options(),
    )
