"""Monitoring: Prometheus metrics, a Grafana dashboard, alert rules."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import Field

from .base import Block, Input, Problem, block
from .checks import ExistingSecret, between, kubernetes_label_name, labels, pattern, qualified_keys

__all__ = ["AlertsArgs", "DashboardArgs", "MonitoringArgs", "ScrapeSecretArgs", "ServiceMonitorArgs"]

_DURATION = r"([0-9]+(ms|s|m|h|d))+"


@block
class ScrapeSecretArgs(ExistingSecret):
    """An existing Secret in the ServiceMonitor's namespace with the user and password of an MLflow administrator."""

    name: Input[str]
    """Name of the Secret."""
    username_key: str = "username"
    """Key of the user."""
    password_key: str = "password"
    """Key of the password."""


@block
class ServiceMonitorArgs(Block):
    """A ServiceMonitor of the Prometheus Operator, which must be installed in the cluster."""

    namespace: str | None = None
    """Namespace of the ServiceMonitor; the deployment's own if not given."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels by which Prometheus selects its monitors, for example `release: prometheus`."""
    interval: str = "30s"
    """How often each pod is scraped."""
    timeout: str = "10s"
    """How long a scrape may take; at most `interval`."""
    port: str = "http"
    """Name of the Service port to scrape."""
    basic_auth: ScrapeSecretArgs | None = None
    """Credentials that Prometheus scrapes with: with authentication on, only administrators may read the metrics. Those of
    the generated administrator if not given, which requires the monitor in the deployment's own namespace."""
    tls_config: dict[str, Any] = Field(default_factory=dict)
    """`tlsConfig` of the monitor if the pods serve TLS, for example `{ca: {configMap: {name: ca, key: ca.crt}}}`. By
    default it expects the Service's full name in the certificate and, if the monitor is in the deployment's namespace,
    trusts the authority named in `server.tls`."""
    relabelings: list[dict[str, Any]] = Field(default_factory=list)
    """Relabelings applied to targets before the scrape."""
    metric_relabelings: list[dict[str, Any]] = Field(default_factory=list)
    """Relabelings applied to samples after the scrape."""
    target_labels: list[str] = Field(default_factory=list)
    """Labels of the Service to copy to every sample."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        for name in ("interval", "timeout"):
            yield from pattern(getattr(self, name), _DURATION, name, "a duration", "write for example '30s'")
        yield from kubernetes_label_name(self.port, "port", "the name of a port")
        for index, label in enumerate(self.target_labels):
            for problem in qualified_keys({label: ""}, "target_labels"):
                yield Problem(("target_labels", index), f"{label!r} is not the key of a label", problem.fix)
        if 0 < seconds(self.interval) < seconds(self.timeout):
            message = f"{self.timeout!r} is more than the interval {self.interval!r}"
            yield Problem(("timeout",), message, "lower it, or raise interval")

    def insecure(self) -> Iterable[Problem]:
        if self.tls_config.get("insecureSkipVerify"):
            message = "gives the administrator's password to whoever poses as the server"
            yield Problem(("tls_config", "insecureSkipVerify"), message, "name the authority in ca")


@block
class DashboardArgs(Block):
    """A Grafana dashboard in a ConfigMap, for the Grafana sidecar that loads dashboards by label."""

    namespace: str | None = None
    """Namespace of the ConfigMap; the deployment's own if not given."""
    labels: dict[str, str] = Field(default_factory=lambda: {"grafana_dashboard": "1"})
    """Labels by which the sidecar finds it."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations, for example `grafana_folder: Machine learning`."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        yield from qualified_keys(self.annotations, "annotations")


@block
class AlertsArgs(Block):
    """Alert rules; docs/operations.md explains each alert and what to do.

    Alerts on restarts, replicas and failed jobs need metrics from kube-state-metrics, those on volumes from the kubelet.
    """

    prometheus_rule: bool = True
    """Create a PrometheusRule for the Prometheus Operator."""
    config_map: bool = False
    """Create a ConfigMap with a rules file, for a Prometheus without the operator."""
    namespace: str | None = None
    """Namespace of both; the deployment's own if not given."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels by which Prometheus selects its rules, for example `release: prometheus`."""
    alert_labels: dict[str, str] = Field(default_factory=dict)
    """Additional labels on every alert, for example `team: ml`, for routing in Alertmanager."""
    runbook_url: str | None = None
    """URL at which docs/operations.md is published; `#` and the alert's name are appended."""
    error_percent: int = 5
    """Alert if more than this share of requests fails with a server error, in percent."""
    latency_seconds: float = 2.0
    """Alert if the 95th percentile of request latency is above this, in seconds."""
    volume_free_percent: int = 10
    """Alert if less than this share of a volume is free, in percent."""
    backup_age_hours: int = 36
    """Alert if the last backup that succeeded is older, in hours."""
    drill_age_days: int = 10
    """Alert if the last restore drill that succeeded is older, in days."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        for name in self.alert_labels:
            for problem in pattern(
                name, r"(?!(alertname|severity)$)[a-zA-Z_][a-zA-Z0-9_]*", "", "a label of alerts", ""
            ):
                fix = "use letters, digits and '_', and neither 'alertname' nor 'severity'"
                yield Problem(("alert_labels", name), problem.message, fix)
        yield from pattern(
            self.runbook_url, r"https?://[^\s#@/]+(/[^\s#]*)?", "runbook_url", "a URL", "write it with its scheme"
        )
        yield from between(self.error_percent, 1, 100, "error_percent", "percent")
        yield from between(self.latency_seconds, 0.01, 600, "latency_seconds", "seconds")
        yield from between(self.volume_free_percent, 1, 99, "volume_free_percent", "percent")
        yield from between(self.backup_age_hours, 1, 10_000, "backup_age_hours", "hours")
        yield from between(self.drill_age_days, 1, 1000, "drill_age_days", "days")
        if not self.prometheus_rule and not self.config_map:
            yield Problem((), "has neither prometheusRule nor configMap", "set one of them, or remove alerts")


@block
class MonitoringArgs(Block):
    """Server metrics, and the dashboard and alerts built on them. All off by default."""

    prometheus: bool = False
    """Serve metrics on `/metrics` of every pod, without the static prefix. They do not count requests for artifacts and
    traces that MLflow serves outside Flask."""
    service_monitor: ServiceMonitorArgs | None = None
    """ServiceMonitor, by which the Prometheus Operator finds the pods; none if not given."""
    dashboard: DashboardArgs | None = None
    """A dashboard for Grafana; none if not given."""
    alerts: AlertsArgs | None = None
    """Alert rules; none if not given."""

    def problems(self) -> Iterable[Problem]:
        if not self.prometheus:
            for name in ("service_monitor", "dashboard", "alerts"):
                if getattr(self, name) is not None:
                    yield Problem((name,), "has nothing to read without metrics", "set monitoring.prometheus: true")


def seconds(duration: str) -> float:
    """A Prometheus duration in seconds; 0 if it is not one."""
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not re.fullmatch(_DURATION, duration):
        return 0
    return sum(float(number) * scale[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", duration))
