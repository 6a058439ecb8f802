"""An HTTPRoute of the Gateway API for the Service."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

from typing import Any

import pulumi_kubernetes as k8s

from ..arguments import RouteArgs
from ..pods.scope import Scope


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
        metadata=scope.metadata(
            "server", f"{scope.name}-route", extra_labels=args.labels, annotations=dict(args.annotations) or None
        ),
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
        opts=scope.lasting(),
    )
