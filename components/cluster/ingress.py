"""An Ingress for the Service."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import pulumi_kubernetes as k8s

from ..arguments import IngressArgs, IngressPathArgs, Input
from ..arguments.reserved import PORT_NAME
from ..pods.scope import Scope
from .ingress_classes import GOOGLE, ingress_annotations


def ingress(scope: Scope, front: k8s.core.v1.Service, args: IngressArgs) -> k8s.networking.v1.Ingress:
    """The Ingress, whose paths are routed to the Service unless they name another one."""

    def path(entry: IngressPathArgs) -> k8s.networking.v1.HTTPIngressPathArgs:
        if entry.service_port is not None:
            port = k8s.networking.v1.ServiceBackendPortArgs(number=entry.service_port)
        else:
            port = k8s.networking.v1.ServiceBackendPortArgs(name=entry.service_port_name or PORT_NAME)
        return k8s.networking.v1.HTTPIngressPathArgs(
            path=entry.path or scope.args.server.static_prefix or "/",
            path_type=entry.path_type.value,
            backend=k8s.networking.v1.IngressBackendArgs(
                service=k8s.networking.v1.IngressServiceBackendArgs(
                    name=front.metadata.name if entry.service_name is None else entry.service_name, port=port
                )
            ),
        )

    own: dict[str, Input[str]] = {
        # Its address comes from a controller, which may not exist yet, and no other resource waits for it.
        "pulumi.com/skipAwait": "true",
        **ingress_annotations(scope, args),
    }
    by_annotation = args.controller in GOOGLE
    if by_annotation:
        own["kubernetes.io/ingress.class"] = args.controller
    return k8s.networking.v1.Ingress(
        f"{scope.name}-ingress",
        metadata=scope.metadata(
            "server", f"{scope.name}-ingress", extra_labels=args.labels, annotations={**own, **args.annotations}
        ),
        spec=k8s.networking.v1.IngressSpecArgs(
            ingress_class_name=None if by_annotation else args.class_name,
            rules=[
                k8s.networking.v1.IngressRuleArgs(
                    host=host.host,
                    http=k8s.networking.v1.HTTPIngressRuleValueArgs(paths=[path(entry) for entry in host.paths]),
                )
                for host in args.hosts
            ],
            tls=[
                k8s.networking.v1.IngressTLSArgs(secret_name=each.secret_name, hosts=each.hosts or args.host_names)
                for each in args.tls
            ]
            or None,
        ),
        opts=scope.lasting(),
    )
