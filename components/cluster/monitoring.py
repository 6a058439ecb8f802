"""Metrics for Prometheus, and what uses them: ServiceMonitor, dashboard and alert rules."""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import json
from collections.abc import Callable, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import AlertsArgs, DashboardArgs, Input, MonitoringArgs, ServiceMonitorArgs
from ..contracts import SecretKey
from ..pods.addresses import service_names
from ..pods.authentication import Account
from ..pods.part import PodPart
from ..pods.ports import known_while_unchanged
from ..pods.scope import Scope
from ..pods.volumes import TMP, secret
from .alerts import rules
from .dashboard import dashboard

_COMPONENT = "monitoring"
_API = "monitoring.coreos.com/v1"
_CONTINUOUS = "continuous"


def exporter() -> PodPart:
    """The option that makes the server export metrics.

    They are kept in files that all processes of a pod share, in the private `/tmp`, which is empty in a new pod.
    """
    return PodPart(arguments=[f"--expose-prometheus={TMP}/metrics"])


def monitoring(scope: Scope, args: MonitoringArgs, server: k8s.apps.v1.Deployment, account: Account | None) -> None:
    """Create what the arguments ask for; `account` is the administrator, if users have to log in."""
    if scope.args.continuous_port is not None:
        _continuous(scope, scope.args.continuous_port, [server])
    if args.service_monitor is not None:
        _service_monitor(scope, args.service_monitor, account)
    if args.dashboard is not None:
        _dashboard(scope, args.dashboard, server)
    if args.alerts is not None:
        _alerts(scope, args.alerts, server)


def _service_monitor(
    scope: Scope, args: ServiceMonitorArgs, account: Account | None
) -> k8s.apiextensions.CustomResource:
    """How Prometheus finds and scrapes the pods.

    The path has no static prefix: MLflow serves it at the root. Prometheus scrapes each pod by its IP address, which is
    among the accepted hosts.

    Args:
        scope: The deployment.
        args: Settings of the ServiceMonitor.
        account: The administrator, who alone may read metrics if users have to log in.
    """
    endpoint: dict[str, Any] = {
        "port": args.port,
        "path": "/metrics",
        "interval": args.interval,
        "scrapeTimeout": args.timeout,
    }
    if scope.args.serves_tls:
        endpoint["scheme"] = "https"
        endpoint["tlsConfig"] = {**_trust(scope, args), **args.tls_config}
    if args.basic_auth is not None:
        secret = args.basic_auth
        account = Account(
            username=SecretKey(name=secret.name, key=secret.username_key),
            password=SecretKey(name=secret.name, key=secret.password_key),
        )
    if account is not None:
        user = account.username if isinstance(account.username, SecretKey) else _user(scope, account.username)
        endpoint["basicAuth"] = {
            what: {"name": key.name, "key": key.key}
            for what, key in (("username", user), ("password", account.password))
        }
    for key, value in (("relabelings", args.relabelings), ("metricRelabelings", args.metric_relabelings)):
        if value:
            endpoint[key] = value
    endpoints = [endpoint]
    if scope.args.continuous_port is not None:
        endpoints.append({"port": _CONTINUOUS, "interval": args.interval, "scrapeTimeout": args.timeout})
    return k8s.apiextensions.CustomResource(
        f"{scope.name}-service-monitor",
        api_version=_API,
        kind="ServiceMonitor",
        metadata=_metadata(scope, args.namespace, args.labels, "service-monitor"),
        spec={
            "selector": {"matchLabels": scope.selector()},
            "namespaceSelector": {"matchNames": [scope.namespace]},
            "endpoints": endpoints,
            **({"targetLabels": args.target_labels} if args.target_labels else {}),
        },
        opts=scope.lasting(),
    )


def _continuous(scope: Scope, port: int, after: Sequence[pulumi.Resource]) -> k8s.core.v1.Service:
    """Where Prometheus finds the metrics of Litestream: apart from the server's Service, which may be reached from outside."""
    name = f"{scope.name}-{_CONTINUOUS}"
    ports = [k8s.core.v1.ServicePortArgs(name=_CONTINUOUS, port=port, target_port=port)]
    return k8s.core.v1.Service(
        name,
        # A headless Service has nothing to wait for.
        metadata=scope.metadata("server", name, annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.ServiceSpecArgs(
            cluster_ip="None",
            selector=scope.selector(),
            ports=known_while_unchanged(scope, _CONTINUOUS, ports, [port], after),
        ),
        opts=scope.options(),
    )


def _trust(scope: Scope, args: ServiceMonitorArgs) -> dict[str, Any]:
    """How Prometheus verifies a pod: it connects by IP address, but certificates are for names."""
    trust: dict[str, Any] = {"serverName": service_names(scope)[-1]}
    tls = scope.args.server.tls
    if tls is not None and tls.existing_secret.ca_key is not None and args.namespace in (None, scope.args.namespace):
        trust["ca"] = {"secret": {"name": tls.existing_secret.name, "key": tls.existing_secret.ca_key}}
    return trust


def _user(scope: Scope, username: Input[str]) -> SecretKey:
    """A Secret for a plain user name, since a ServiceMonitor only reads it from a Secret."""
    return SecretKey(name=secret(scope, "monitoring", _COMPONENT, {"username": username}), key="username")


def _dashboard(scope: Scope, args: DashboardArgs, server: k8s.apps.v1.Deployment) -> k8s.core.v1.ConfigMap:
    """The dashboard in a ConfigMap that Grafana's sidecar finds by its labels."""
    text = _named(scope, server, lambda **names: json.dumps(dashboard(**names), indent=2))
    return k8s.core.v1.ConfigMap(
        f"{scope.name}-dashboard",
        metadata=_metadata(scope, args.namespace, args.labels, annotations=dict(args.annotations) or None),
        data={f"{scope.name}-{scope.args.namespace}.json": text},
        immutable=True,
        opts=scope.options(),
    )


def _alerts(scope: Scope, args: AlertsArgs, server: k8s.apps.v1.Deployment) -> None:
    """The alert rules, for the operator or as a file."""
    group = f"mlflow-{scope.args.namespace}-{scope.name}"
    groups = _named(
        scope,
        server,
        lambda **names: [
            {"name": group, "rules": rules(args, backup=scope.args.backup, archives=scope.args.archives, **names)}
        ],
    )
    if args.prometheus_rule:
        k8s.apiextensions.CustomResource(
            f"{scope.name}-alerts",
            api_version=_API,
            kind="PrometheusRule",
            metadata=_metadata(scope, args.namespace, args.labels, "alerts"),
            spec={"groups": groups},
            opts=scope.lasting(),
        )
    if args.config_map:
        k8s.core.v1.ConfigMap(
            f"{scope.name}-alert-file",
            metadata=_metadata(scope, args.namespace, args.labels),
            # JSON is YAML.
            data={f"{group}.yaml": groups.apply(lambda made: json.dumps({"groups": made}, indent=2))},
            immutable=True,
            opts=scope.options(),
        )


def _named(scope: Scope, server: k8s.apps.v1.Deployment, make: Callable[..., Any]) -> pulumi.Output[Any]:
    """The result of `make` for the names that metrics carry."""
    known = {"name": scope.name, "service": scope.service_name, "namespace": scope.args.namespace}
    return server.metadata.name.apply(lambda workload: make(**known, workload=workload))


def _metadata(
    scope: Scope,
    namespace: str | None,
    labels: dict[str, str],
    purpose: str | None = None,
    annotations: dict[str, Input[str]] | None = None,
) -> k8s.meta.v1.ObjectMetaArgs:
    """Metadata of an object that may live where Prometheus or Grafana looks for it, beside those of other deployments."""
    elsewhere = namespace not in (None, scope.args.namespace)
    name = f"{scope.args.namespace}-{scope.name}-{purpose}" if elsewhere else f"{scope.name}-{purpose}"
    return scope.metadata(
        _COMPONENT,
        name if purpose else None,
        extra_labels=labels,
        annotations=annotations,
        namespace=namespace or scope.namespace,
    )
