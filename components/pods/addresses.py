"""Names under which clients reach the server, and the hosts and origins that it therefore accepts."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, ServiceType
from ..contracts import in_uri
from .scope import Scope

ALL_ADDRESSES = "all-addresses"
"""A name that pods resolve to the unspecified addresses of both families, where MLflow needs a name to listen on."""


def service_names(scope: Scope) -> Sequence[str]:
    """DNS names of the Service inside the cluster, shortest first."""
    base = f"{scope.service_name}.{scope.args.namespace}"
    return [scope.service_name, base, f"{base}.svc", f"{base}.svc.cluster.local"]


def tracking_uri(scope: Scope, front: k8s.core.v1.Service) -> pulumi.Output[str]:
    """What clients inside the cluster set as MLFLOW_TRACKING_URI; known once the Service exists."""
    uri = f"{_origin(scope, service_names(scope)[-1])}{scope.args.server.static_prefix}"
    return front.metadata.name.apply(lambda _: uri)


def _origin(scope: Scope, name: str) -> str:
    """Scheme, host and port of the Service for clients inside the cluster."""
    scheme, usual = ("https", 443) if scope.args.serves_tls else ("http", 80)
    port = scope.args.service.port
    return f"{scheme}://{name}" + ("" if port == usual else f":{port}")


def published(scope: Scope) -> list[tuple[str, Input[str]]]:
    """Scheme and host name of each Ingress or route host that this component publishes, and of the log-in's redirect."""
    ingress, route, auth = scope.args.ingress, scope.args.route, scope.args.auth
    found: list[tuple[str, Input[str]]] = []
    if ingress is not None:
        found += [("https" if ingress.secure(host) else "http", host) for host in ingress.host_names]
    if route is not None:
        found += [(scheme, host) for scheme in route.schemes for host in route.hostnames]
    if auth is not None and auth.oidc is not None:
        # Where browsers come back to after the log-in, whatever leads them from there to the Service.
        parts = pulumi.Output.from_input(auth.oidc.redirect_url).apply(urlsplit)
        found.append(("https", parts.apply(lambda known: known.netloc)))
    return found


def https_hosts(scope: Scope) -> list[Input[str]]:
    """Hosts that clients reach by HTTPS, wherever it ends: those of Ingress and route, and where a log-in sends browsers back to."""
    ingress, route = scope.args.ingress, scope.args.route
    found = [host for host in (ingress.host_names if ingress else ()) if ingress and ingress.secure(host)]
    found += route.hostnames if route is not None and route.secure else ()
    oidc = scope.args.auth.oidc if scope.args.auth is not None else None
    if oidc is not None and not found:
        url = pulumi.Output.from_input(oidc.redirect_url).apply(urlsplit)
        found.append(url.apply(lambda known: (known.hostname or "") if known.scheme == "https" else ""))
    return found


def _plain(host: str) -> str:
    """A host or origin as `in_image/front.py` hands it to MLflow: names have no case, and may end with a dot. In a pattern, the
    bracket of an address is spelled as MLflow does, which takes it for a set of characters otherwise."""
    plain = re.sub(r"\.(?=(:[\d*]*)?$)", "", host.lower())
    return plain.replace("[", "[[]") if "*" in plain else plain


def public_url(scope: Scope, front: k8s.core.v1.Service) -> pulumi.Output[str]:
    """The URL for users outside the cluster; empty if nothing leads there, or a load balancer has no address yet."""
    prefix = scope.args.server.static_prefix
    for scheme, host in published(scope):
        return pulumi.Output.concat(scheme, "://", host, prefix)
    if scope.args.service.type is not ServiceType.LOAD_BALANCER:
        return pulumi.Output.from_input("")

    def url(status: Any) -> str:
        addresses = (status and status.load_balancer and status.load_balancer.ingress) or []
        host = next((each.hostname or each.ip for each in addresses), None)
        return f"{_origin(scope, in_uri(host))}{prefix}" if host else ""

    return front.status.apply(url)


def allowed_hosts(scope: Scope, pod_port: int) -> pulumi.Output[str]:
    """Values of the Host header that the server accepts, for MLFLOW_SERVER_ALLOWED_HOSTS.

    Setting it replaces MLflow's defaults, whose `10.*` also matches `10.attacker.example`, so everything needed is listed.
    Kubernetes expands `$(POD_IP)` and `$(POD_IPS)`, which scrapes use.

    Args:
        scope: The deployment.
        pod_port: Port at which requests enter a pod.
    """
    names = service_names(scope)
    local = ["localhost", "127.0.0.1", "[::1]"]
    hosts = [
        *names,
        *(f"{name}:{scope.args.service.port}" for name in names),
        # A pod of two families has the two addresses in one variable, with a comma as between hosts: the port goes to the
        # second one. By IPv6 every address is accepted, since a host in brackets is never a name that somebody could own; in
        # MLflow's patterns a bracket is written `[[]`.
        f"$(POD_IP):{pod_port}",
        f"$(POD_IPS):{pod_port}",
        f"[[]*]:{pod_port}",
        # Port-forwards arrive as localhost, with any port.
        *local,
        *(f"{name}:*".replace("[", "[[]") for name in local),
        # MLflow's job runner calls the server at what it listens on.
        *([f"{ALL_ADDRESSES}:{scope.args.server.port}"] if scope.args.server.job_execution else []),
    ]
    public = [host for _, host in published(scope)]
    # Some clients include the default port.
    ports = [443 if scheme == "https" else 80 for scheme, _ in published(scope)]
    own = scope.args.server.allowed_hosts

    def listed(given: Sequence[str]) -> str:
        known, further = given[: len(public)], given[len(public) :]
        spelled = [f"{host}:{port}" for host, port in zip(known, ports, strict=True) if ":" not in host]
        return ",".join(dict.fromkeys([*hosts, *known, *spelled, *map(_plain, further)]))

    return pulumi.Output.all(*public, *own).apply(listed)


def allowed_origins(scope: Scope) -> pulumi.Output[str]:
    """Origins whose pages may call the API, for MLFLOW_SERVER_CORS_ALLOWED_ORIGINS.

    MLflow compares the Origin header of each writing request with this list only, so without it even its own UI could only
    write under localhost.
    """
    inside = [_origin(scope, name) for name in service_names(scope)]
    public = [pulumi.Output.concat(scheme, "://", host) for scheme, host in published(scope)]
    return pulumi.Output.all(*public, *scope.args.server.cors_allowed_origins).apply(
        lambda given: ",".join(dict.fromkeys([*inside, *map(_plain, given)]))
    )
