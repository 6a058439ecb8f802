"""What is measured, and who is told: Prometheus, a dashboard, alerts."""

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
    """Labels by which Prometheus chooses its monitors, for example `release: prometheus`."""
    interval: str = "30s"
    """How often each pod is asked."""
    timeout: str = "10s"
    """How long an answer may take; less than `interval`."""
    port: str = "http"
    """Name of the port of the Service that is asked."""
    basic_auth: ScrapeSecretArgs | None = None
    """Whose name Prometheus uses: under authentication only administrators may read the metrics. The generated
    administrator if not given, which needs the monitor in the deployment's own namespace."""
    tls_config: dict[str, Any] = Field(default_factory=dict)
    """`tlsConfig` of the monitor where the pods speak TLS, for example `{ca: {configMap: {name: ca, key: ca.crt}}}`. Of its
    own accord it expects the Service's full name in the certificate, and trusts the authority that `server.tls` names, if
    the monitor is in the deployment's namespace."""
    relabelings: list[dict[str, Any]] = Field(default_factory=list)
    """Relabelings of the targets."""
    metric_relabelings: list[dict[str, Any]] = Field(default_factory=list)
    """Relabelings of the samples."""
    target_labels: list[str] = Field(default_factory=list)
    """Labels of the Service to copy to the samples."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        for name in ("interval", "timeout"):
            yield from pattern(getattr(self, name), _DURATION, name, "a duration", "write for example '30s'")
        yield from kubernetes_label_name(self.port, "port", "the name of a port")
        if 0 < seconds(self.interval) < seconds(self.timeout):
            message = f"{self.timeout!r} is more than the interval {self.interval!r}"
            yield Problem(("timeout",), message, "lower it, or raise interval")


@block
class DashboardArgs(Block):
    """A Grafana dashboard in a ConfigMap, for the side container that loads dashboards by a label."""

    namespace: str | None = None
    """Namespace of the ConfigMap; the deployment's own if not given."""
    labels: dict[str, str] = Field(default_factory=lambda: {"grafana_dashboard": "1"})
    """Labels by which Grafana finds it."""
    annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations, for example `grafana_folder: Machine learning`."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        yield from qualified_keys(self.annotations, "annotations")


@block
class AlertsArgs(Block):
    """Alert rules; what each means and what to do is in docs/operations.md.

    Those on restarts, replicas and failed jobs need the metrics of kube-state-metrics, those on volumes the kubelet's.
    """

    prometheus_rule: bool = True
    """As a PrometheusRule of the Prometheus Operator."""
    config_map: bool = False
    """As a ConfigMap with a file of rules, for a Prometheus without the operator."""
    namespace: str | None = None
    """Namespace of both; the deployment's own if not given."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels by which Prometheus chooses its rules, for example `release: prometheus`."""
    alert_labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of every alert, for example `team: ml`, by which they reach the right people."""
    runbook_url: str | None = None
    """Where docs/operations.md is published; `#` and the alert's name are added."""
    error_percent: int = 5
    """Share of requests that may fail with a server error, in percent."""
    latency_seconds: float = 2.0
    """Time within which 95 of 100 requests must be answered, in seconds."""
    volume_free_percent: int = 10
    """Share of a volume that must stay free, in percent."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_label_name(self.namespace, "namespace", "the name of a namespace")
        yield from labels(self.labels, "labels")
        for name in self.alert_labels:
            for problem in pattern(
                name, r"(?!(alertname|severity)$)[a-zA-Z_][a-zA-Z0-9_]*", "", "a label of alerts", ""
            ):
                fix = "use letters, digits and '_', and neither 'alertname' nor 'severity'"
                yield Problem(("alert_labels", name), problem.message, fix)
        yield from pattern(self.runbook_url, r"https?://[^\s#]+", "runbook_url", "a URL", "write it with its scheme")
        yield from between(self.error_percent, 1, 100, "error_percent", "percent")
        yield from between(self.latency_seconds, 0.01, 600, "latency_seconds", "seconds")
        yield from between(self.volume_free_percent, 1, 99, "volume_free_percent", "percent")
        if not self.prometheus_rule and not self.config_map:
            yield Problem((), "asks for neither prometheusRule nor configMap", "set one of them, or remove alerts")


@block
class MonitoringArgs(Block):
    """Metrics of the server, and what is made of them. All off by default."""

    prometheus: bool = False
    """Serve metrics on `/metrics` of every pod, without the static prefix. Requests for artifacts and traces that MLflow
    serves outside Flask are not counted."""
    service_monitor: ServiceMonitorArgs | None = None
    """Let the Prometheus Operator find the pods; none if not given."""
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
    """A duration of Prometheus in seconds; 0 if it is none."""
    scale = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not re.fullmatch(_DURATION, duration):
        return 0
    return sum(float(number) * scale[unit] for number, unit in re.findall(r"([0-9]+)(ms|s|m|h|d)", duration))
