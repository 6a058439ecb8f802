"""What the controllers of single makers need to be told of the server: health checks, sizes and times of requests, TLS.

Each only where its maker documents it; docs/network.md has the sources, and what cannot be said in an annotation. The user's own
annotations win over all of these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..arguments import IngressArgs, ServiceType
from ..arguments.access.ingress import ALB_IDLE_SECONDS
from ..arguments.reserved import PORT_NAME
from ..pods.scope import Scope

Annotations = dict[str, str]
GOOGLE = ("gce", "gce-internal")
"""Classes of GKE's controller. It reads them from an annotation, and ignores what is in the field for the class."""
HOUR = 3600
"""How long a request may take, in seconds: large artifacts go through the server in one request."""


@dataclass(frozen=True)
class _Facts:
    """What annotations depend on.

    Attributes:
        health: Path that answers without credentials.
        encrypted: Whether the pods speak TLS.
        https: Whether clients use HTTPS alone.
        certified: Whether the controller has a certificate from the Ingress.
        service: Name of the Service.
        service_type: How the Service is published itself.
    """

    health: str
    encrypted: bool
    https: bool
    certified: bool
    service: str
    service_type: ServiceType


def ingress_annotations(scope: Scope, args: IngressArgs) -> Annotations:
    """Annotations of the Ingress. A class that is not known may be one of NGINX, whose annotations others ignore."""
    facts = _Facts(
        health=health_path(scope),
        encrypted=scope.args.serves_tls,
        https=all(args.secure(host) for host in args.host_names),
        certified=bool(args.tls),
        service=scope.service_name,
        service_type=scope.args.service.type,
    )
    return _MAKERS.get(args.controller, _nginx)(facts)


def service_annotations(scope: Scope) -> Annotations:
    """Annotations of the Service, where controllers look for some of it."""
    args = scope.args.ingress
    if args is None:
        return {}
    if args.controller == "traefik" and scope.args.serves_tls:
        return {"traefik.ingress.kubernetes.io/service.serversscheme": "https"}
    if args.controller in GOOGLE:
        # Names the BackendConfig that `google.py` makes; and pods are asked without the way over a port of each node.
        made = {
            "cloud.google.com/backend-config": f'{{"default": "{scope.service_name}"}}',
            "cloud.google.com/neg": '{"ingress": true}',
        }
        return {
            **made,
            **({"cloud.google.com/app-protocols": f'{{"{PORT_NAME}": "HTTPS"}}'} if scope.args.serves_tls else {}),
        }
    return {}


def health_path(scope: Scope) -> str:
    """Where the server answers health checks, without credentials and whatever the Host header."""
    return f"{scope.args.server.static_prefix}/health"


def _nginx(facts: _Facts) -> Annotations:
    """Both makers' controllers, whose class is `nginx`. Neither asks pods for their health."""
    community = {
        # Its own limit of 1 MiB refuses models. Bodies are handed on as they come, and slow ones are not cut off.
        "proxy-body-size": "0",
        "proxy-request-buffering": "off",
        "proxy-read-timeout": str(HOUR),
        "proxy-send-timeout": str(HOUR),
        **({"backend-protocol": "HTTPS"} if facts.encrypted else {}),
    }
    f5 = {
        "client-max-body-size": "0",
        "proxy-read-timeout": f"{HOUR}s",
        "proxy-send-timeout": f"{HOUR}s",
        **({"ssl-services": facts.service} if facts.encrypted else {}),
    }
    return {
        **{f"nginx.ingress.kubernetes.io/{key}": value for key, value in community.items()},
        **{f"nginx.org/{key}": value for key, value in f5.items()},
    }


def _aws(facts: _Facts) -> Annotations:
    encryption = {"backend-protocol": "HTTPS", "healthcheck-protocol": "HTTPS"} if facts.encrypted else {}
    # Without a certificate in an annotation it would listen on port 80 alone, also where `tls` lets it find one.
    listeners = {"listen-ports": '[{"HTTPS": 443}]'} if facts.https else {}
    # A port of each node, its default, needs a Service that has one.
    target = {"target-type": "ip"} if facts.service_type is ServiceType.CLUSTER_IP else {}
    own = {
        "healthcheck-path": facts.health,
        "load-balancer-attributes": f"idle_timeout.timeout_seconds={ALB_IDLE_SECONDS}",
        **target,
        **listeners,
        **encryption,
    }
    return {f"alb.ingress.kubernetes.io/{key}": value for key, value in own.items()}


def _google(facts: _Facts) -> Annotations:
    return {"kubernetes.io/ingress.allow-http": "false"} if facts.https else {}


def _azure(facts: _Facts) -> Annotations:
    own = {
        "health-probe-path": facts.health,
        "request-timeout": str(HOUR),
        **({"ssl-redirect": "true"} if facts.certified and facts.https else {}),
        **({"backend-protocol": "https"} if facts.encrypted else {}),
    }
    return {f"appgw.ingress.kubernetes.io/{key}": value for key, value in own.items()}


def _traefik(facts: _Facts) -> Annotations:
    return {"traefik.ingress.kubernetes.io/router.tls": "true"} if facts.certified and facts.https else {}


def _haproxy(facts: _Facts) -> Annotations:
    """Both makers' controllers, whose class is `haproxy`. They ask pods by opening a connection."""
    return {
        "haproxy-ingress.github.io/timeout-server": "1h",
        "haproxy.org/timeout-server": "1h",
        **(
            {"haproxy-ingress.github.io/secure-backends": "true", "haproxy.org/server-ssl": "true"}
            if facts.encrypted
            else {}
        ),
    }


def _openshift(facts: _Facts) -> Annotations:
    termination = "reencrypt" if facts.encrypted else "edge" if facts.https else None
    return {
        "haproxy.router.openshift.io/timeout": "1h",
        **({"route.openshift.io/termination": termination} if termination else {}),
    }


_MAKERS: Mapping[str, Callable[[_Facts], Annotations]] = {
    "nginx": _nginx,
    "alb": _aws,
    **dict.fromkeys(GOOGLE, _google),
    **dict.fromkeys(("azure-application-gateway", "azure/application-gateway"), _azure),
    "traefik": _traefik,
    "haproxy": _haproxy,
    "openshift-default": _openshift,
}
"""By the names that the makers' own documents give their classes."""
