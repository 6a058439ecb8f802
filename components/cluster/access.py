"""How clients reach the server: Service, Ingress and HTTPRoute, and the host names and origins that it accepts."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import IngressArgs, IngressPathArgs, Input, RouteArgs, ServiceType
from ..pods.objects import Scope

_PORT_NAME = "http"

LARGE_UPLOADS: Mapping[str, Input[str]] = {
    # Its own limit of 1 MiB refuses models. Bodies are handed on as they come, and slow ones are not cut off.
    "nginx.ingress.kubernetes.io/proxy-body-size": "0",
    "nginx.ingress.kubernetes.io/proxy-request-buffering": "off",
    "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
    "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
}
"""What the NGINX ingress controller needs; others ignore it. docs/access.md says what they need."""


def service(scope: Scope) -> k8s.core.v1.Service:
    """The Service; its name is explicit, since clients write it down."""
    args = scope.args.service
    annotations = dict(args.annotations)
    if args.type is not ServiceType.LOAD_BALANCER:
        # The provider would watch the endpoints for ten more seconds after the last pod is ready, which the Deployment
        # is waited for anyway. Only a load balancer has something of its own to wait for: its address.
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
                    name=_PORT_NAME, port=args.port, target_port=_PORT_NAME, node_port=args.node_port
                ),
                *extra,
            ],
            load_balancer_class=args.load_balancer_class,
            load_balancer_source_ranges=args.load_balancer_source_ranges or None,
        ),
        opts=scope.options(),
    )


def ingress(scope: Scope, front: k8s.core.v1.Service, args: IngressArgs) -> k8s.networking.v1.Ingress:
    """The Ingress, whose paths lead to the Service unless they name another one."""

    def path(entry: IngressPathArgs) -> k8s.networking.v1.HTTPIngressPathArgs:
        if entry.service_port is not None:
            port = k8s.networking.v1.ServiceBackendPortArgs(number=entry.service_port)
        else:
            port = k8s.networking.v1.ServiceBackendPortArgs(name=entry.service_port_name or _PORT_NAME)
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
        # Its address comes from a controller, which may not be there yet and which no other resource waits for.
        "pulumi.com/skipAwait": "true",
        **LARGE_UPLOADS,
    }
    if scope.args.serves_tls:
        own["nginx.ingress.kubernetes.io/backend-protocol"] = "HTTPS"
    return k8s.networking.v1.Ingress(
        f"{scope.name}-ingress",
        metadata=scope.metadata("server", extra_labels=args.labels, annotations={**own, **args.annotations}),
        spec=k8s.networking.v1.IngressSpecArgs(
            ingress_class_name=args.class_name,
            rules=[
                k8s.networking.v1.IngressRuleArgs(
                    host=host.host,
                    http=k8s.networking.v1.HTTPIngressRuleValueArgs(paths=[path(entry) for entry in host.paths]),
                )
                for host in args.hosts
            ],
            tls=[
                k8s.networking.v1.IngressTLSArgs(secret_name=each.secret_name, hosts=each.hosts or _hosts(args))
                for each in args.tls
            ]
            or None,
        ),
        opts=scope.options(),
    )


def _hosts(args: IngressArgs) -> list[Input[str]]:
    return [entry.host for entry in args.hosts]


def route(scope: Scope, front: k8s.core.v1.Service, args: RouteArgs) -> k8s.apiextensions.CustomResource:
    """The HTTPRoute; the Gateway and its certificates belong to whoever runs the cluster."""
    prefix = {"type": "PathPrefix", "value": scope.args.server.static_prefix or "/"}
    rule: dict[str, Any] = {
        "matches": args.matches or [{"path": prefix}],
        "backendRefs": [{"name": front.metadata.name, "port": scope.args.service.port}],
    }
    if args.filters:
        rule["filters"] = args.filters
    if args.timeouts is not None:
        timeouts = {"request": args.timeouts.request, "backendRequest": args.timeouts.backend_request}
        rule["timeouts"] = {name: value for name, value in timeouts.items() if value is not None}
    return k8s.apiextensions.CustomResource(
        f"{scope.name}-route",
        api_version="gateway.networking.k8s.io/v1",
        kind="HTTPRoute",
        metadata=scope.metadata("server", extra_labels=args.labels, annotations=dict(args.annotations) or None),
        spec={
            "parentRefs": [
                {
                    key: value
                    for key, value in {
                        "name": parent.name,
                        "namespace": parent.namespace,
                        "sectionName": parent.section_name,
                        "port": parent.port,
                    }.items()
                    if value is not None
                }
                for parent in args.parent_refs
            ],
            "hostnames": args.hostnames,
            "rules": [rule],
        },
        opts=scope.options(),
    )


def service_names(scope: Scope) -> Sequence[str]:
    """DNS names of the Service inside the cluster, shortest first."""
    base = f"{scope.service_name}.{scope.args.namespace}"
    return [scope.service_name, base, f"{base}.svc", f"{base}.svc.cluster.local"]


def tracking_uri(scope: Scope, front: k8s.core.v1.Service) -> pulumi.Output[str]:
    """What clients inside the cluster set as MLFLOW_TRACKING_URI; known once the Service is there."""
    uri = f"{_origin(scope, service_names(scope)[-1])}{scope.args.server.static_prefix}"
    return front.metadata.name.apply(lambda _: uri)


def _origin(scope: Scope, name: str) -> str:
    """Scheme, host and port of the Service, as clients inside the cluster write them."""
    scheme, usual = ("https", 443) if scope.args.serves_tls else ("http", 80)
    port = scope.args.service.port
    return f"{scheme}://{name}" + ("" if port == usual else f":{port}")


def published(scope: Scope) -> list[tuple[str, Input[str]]]:
    """Scheme and host name of every way from outside that this component makes."""
    ingress, route = scope.args.ingress, scope.args.route
    found: list[tuple[str, Input[str]]] = []
    if ingress is not None:
        found += [("https" if ingress.secure(host) else "http", host) for host in _hosts(ingress)]
    if route is not None:
        found += [("https" if route.https else "http", host) for host in route.hostnames]
    return found


def allowed_hosts(scope: Scope, pod_port: int) -> pulumi.Output[str]:
    """Values of the Host header that the server accepts, for MLFLOW_SERVER_ALLOWED_HOSTS.

    Setting it replaces MLflow's defaults, whose `10.*` also matches `10.attacker.example`: so everything that is needed
    is listed, and nothing else. `$(POD_IP)` is expanded by Kubernetes; probes and scrapes come by that name.

    Args:
        scope: What the parts have in common.
        pod_port: Port at which requests enter a pod.
    """
    names = service_names(scope)
    local = ["localhost", "127.0.0.1"]
    hosts = [
        *names,
        *(f"{name}:{scope.args.service.port}" for name in names),
        f"$(POD_IP):{pod_port}",
        # Port-forwards arrive as localhost with a port of the user's choice.
        *local,
        *(f"{name}:*" for name in local),
        # MLflow's job runner calls the server by the address that it listens on.
        *([f"0.0.0.0:{scope.args.server.port}"] if scope.args.server.job_execution else []),
    ]
    public = [host for _, host in published(scope)]
    # Some clients write the usual port out.
    ports = [443 if scheme == "https" else 80 for scheme, _ in published(scope)]
    own = scope.args.server.allowed_hosts

    def listed(given: Sequence[str]) -> str:
        known, further = given[: len(public)], given[len(public) :]
        spelled = [f"{host}:{port}" for host, port in zip(known, ports, strict=True)]
        return ",".join(dict.fromkeys([*hosts, *known, *spelled, *further]))

    return pulumi.Output.all(*public, *own).apply(listed)


def allowed_origins(scope: Scope) -> pulumi.Output[str]:
    """Origins whose pages may call the API, for MLFLOW_SERVER_CORS_ALLOWED_ORIGINS.

    MLflow compares the Origin header of each writing call with this list alone, so that without it not even its own pages
    could write, but under localhost.
    """
    inside = [_origin(scope, name) for name in service_names(scope)]
    public = [pulumi.Output.concat(scheme, "://", host) for scheme, host in published(scope)]
    return pulumi.Output.all(*public, *scope.args.server.cors_allowed_origins).apply(
        lambda given: ",".join(dict.fromkeys([*inside, *given]))
    )
