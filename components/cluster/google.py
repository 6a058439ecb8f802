"""What Google's load balancers must be told of the server by objects of their own: health checks and times of requests.

They ask `/` unless told otherwise, which needs credentials with `auth` and is not there under a prefix; and they end each request
after 30 seconds.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from typing import Any

import pulumi_kubernetes as k8s

from ..pods.scope import Scope
from .ingress_classes import GOOGLE, HOUR, health_path


def google_policies(scope: Scope, front: k8s.core.v1.Service, entrance: int) -> None:
    """A BackendConfig for GKE's Ingress, policies for its Gateway, as far as either is used.

    Args:
        scope: The deployment.
        front: The Service.
        entrance: Port at which requests enter a pod.
    """
    kind = "HTTPS" if scope.args.serves_tls else "HTTP"
    ingress, route = scope.args.ingress, scope.args.route
    if ingress is not None and ingress.controller in GOOGLE:
        # https://cloud.google.com/kubernetes-engine/docs/how-to/ingress-configuration#direct_health
        check = {"type": kind, "requestPath": health_path(scope), "port": entrance}
        spec = {"healthCheck": check, "timeoutSec": HOUR}
        # Its name stands in an annotation of the Service.
        _object(scope, "backend-config", "cloud.google.com/v1", "BackendConfig", spec, name=scope.service_name)
    if route is not None and route.of_google:
        # https://cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources
        target = {"group": "", "kind": "Service", "name": front.metadata.name}
        check = {"type": kind, f"{kind.lower()}HealthCheck": {"requestPath": health_path(scope)}}
        version = "networking.gke.io/v1"
        spec = {"default": {"config": check}, "targetRef": target}
        _object(scope, "health-check", version, "HealthCheckPolicy", spec)
        spec = {"default": {"timeoutSec": HOUR}, "targetRef": target}
        _object(scope, "backend-policy", version, "GCPBackendPolicy", spec)


def _object(scope: Scope, purpose: str, version: str, kind: str, spec: Any, name: str | None = None) -> None:
    k8s.apiextensions.CustomResource(
        f"{scope.name}-{purpose}",
        api_version=version,
        kind=kind,
        metadata=scope.metadata("server", name or f"{scope.name}-{purpose}"),
        spec=spec,
        opts=scope.options() if name else scope.lasting(),
    )
