"""How clients reach the server: the Service, and the host names that the server answers to."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import ServiceType
from .objects import Scope


def service(scope: Scope) -> k8s.core.v1.Service:
    """The Service; its name is explicit, since clients write it down."""
    args = scope.args
    annotations = dict(args.service.annotations)
    if args.service.type is not ServiceType.LOAD_BALANCER:
        # The provider would watch the endpoints for ten more seconds after the last pod is ready, which the Deployment
        # is waited for anyway. Only a load balancer has something of its own to wait for: its address.
        annotations["pulumi.com/skipAwait"] = "true"
    return k8s.core.v1.Service(
        f"{scope.name}-service",
        metadata=scope.metadata("server", scope.name, annotations=annotations or None),
        spec=k8s.core.v1.ServiceSpecArgs(
            type=args.service.type.value,
            selector=scope.selector(),
            ports=[k8s.core.v1.ServicePortArgs(name="http", port=args.service.port, target_port="http")],
        ),
        opts=scope.options(),
    )


def service_names(scope: Scope) -> Sequence[str]:
    """DNS names of the Service inside the cluster, shortest first."""
    base = f"{scope.name}.{scope.args.namespace}"
    return [scope.name, base, f"{base}.svc", f"{base}.svc.cluster.local"]


def tracking_uri(scope: Scope, front: k8s.core.v1.Service) -> pulumi.Output[str]:
    """What clients inside the cluster set as MLFLOW_TRACKING_URI; known once the Service is there."""
    port = "" if scope.args.service.port == 80 else f":{scope.args.service.port}"
    uri = f"http://{service_names(scope)[-1]}{port}{scope.args.server.static_prefix}"
    return front.metadata.name.apply(lambda _: uri)


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
    ]
    return pulumi.Output.all(*scope.args.server.allowed_hosts).apply(
        lambda own: ",".join(dict.fromkeys([*hosts, *own]))
    )
