"""The Grafana dashboard: what to look at first when users complain."""

from typing import Any

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 12, 8


def dashboard(*, name: str, service: str, namespace: str, workload: str) -> dict[str, Any]:
    """The dashboard of one deployment in Grafana's format. One long function, since it is a list with shared selectors.

    Args:
        name: Name of the component, with which the names of claims begin.
        service: Name of the Service.
        namespace: Its namespace.
        workload: Name of the Deployment, with which the names of its pods begin.
    """
    of = f'namespace="{namespace}",service="{service}"'
    pods = f'namespace="{namespace}",pod=~"{workload}-.*",container="mlflow"'
    volumes = f'{{namespace="{namespace}",persistentvolumeclaim=~"(.*-)?{name}-.*"}}'
    total, duration = "mlflow_http_request_total", "mlflow_http_request_duration_seconds"
    everything = f"sum(rate({total}{{{of}}}[$__rate_interval]))"

    def quantile(share: float) -> str:
        return f"histogram_quantile({share}, sum by (le) (rate({duration}_bucket{{{of}}}[$__rate_interval])))"

    panels = [
        _panel("Pods that answer", "short", [(f"sum(up{{{of}}})", "pods")]),
        _panel("Requests", "reqps", [(f"sum by (method) (rate({total}{{{of}}}[$__rate_interval]))", "{{method}}")]),
        _panel(
            "Failed requests",
            "percentunit",
            [
                (
                    f'(sum(rate({total}{{{of},status=~"{kind}.."}}[$__rate_interval])) or vector(0)) / {everything}',
                    label,
                )
                for kind, label in (("5", "server errors"), ("4", "refused"))
            ],
        ),
        _panel("Time to answer", "s", [(quantile(share), f"{share:.0%}") for share in (0.5, 0.95, 0.99)]),
        _panel("Requests by pod", "reqps", [(f"sum by (pod) (rate({total}{{{of}}}[$__rate_interval]))", "{{pod}}")]),
        _panel("Memory", "bytes", [(f"sum by (pod) (container_memory_working_set_bytes{{{pods}}})", "{{pod}}")]),
        _panel(
            "CPU",
            "short",
            [(f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{pods}}}[$__rate_interval]))", "{{pod}}")],
        ),
        _panel(
            "Volumes",
            "percentunit",
            [
                (
                    f"1 - kubelet_volume_stats_available_bytes{volumes} / kubelet_volume_stats_capacity_bytes{volumes}",
                    "{{persistentvolumeclaim}}",
                )
            ],
        ),
    ]
    for number, panel in enumerate(panels):
        panel["id"] = number + 1
        panel["gridPos"] = {
            "x": number % 2 * _WIDTH,
            "y": number // 2 * _HEIGHT,
            "w": _WIDTH,
            "h": _HEIGHT,
        }
    return {
        "uid": f"{namespace}-{name}"[:40],
        "title": f"MLflow {namespace}/{name}",
        "tags": ["mlflow"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": panels,
    }


def _panel(title: str, unit: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(queries)
        ],
    }
