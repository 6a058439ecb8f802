"""All ways to a server, its rights and its metrics: made by the real engine in a cluster that knows the custom resources."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from components.arguments import AlertsArgs, BackupArgs
from components.arguments.backup import BackupDestinationArgs, BackupVolumeArgs
from components.cluster import alerts
from tests import configurations as configurations_of_tests
from tests.graph.policies import Pod, allowed
from tests.support import configurations, definitions, earlier, prometheus
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name

pytestmark = pytest.mark.core

HOST, OTHER = "mlflow.example.com", "tools.example.com"
MORE = {
    "server": {"replicas": 0, "staticPrefix": "/mlflow"},
    "service": {
        "type": "NodePort",
        "port": 8080,
        "extraPorts": [{"name": "proxy", "port": 4180, "targetPort": 4181}],
        "annotations": {"example.com/note": "any text"},
        "labels": {"team": "ml"},
    },
    "serviceAccount": {"name": "runner", "annotations": {"example.com/role": "a"}},
    "rbac": {
        "rules": [{"resources": ["pods", "pods/log"], "verbs": ["get", "list"]}],
        "clusterRules": [
            {"resources": ["nodes"], "verbs": ["list"]},
            {"nonResourceUrls": ["/metrics"], "verbs": ["get"]},
        ],
    },
    "ingress": {
        "className": "nginx",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "10g", "example.com/a": "b"},
        "hosts": [
            {"host": HOST},
            {
                "host": OTHER,
                "paths": [
                    {"path": "/mlflow", "pathType": "ImplementationSpecific", "servicePort": 4180},
                    {"path": "/docs", "pathType": "Exact", "serviceName": "docs", "servicePortName": "web"},
                ],
            },
        ],
        "tls": [{"secretName": "certificate", "hosts": [HOST]}, {"hosts": [OTHER]}],
    },
    "route": {
        "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}],
        "hostnames": [HOST, "*.ml.example.com"],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-internal"]}}],
        "timeouts": {"request": "1h", "backendRequest": "30m"},
    },
    "networkPolicy": {
        "allowSameNamespace": False,
        "allowNamespaces": ["ingress-nginx", "monitoring"],
        "allowPods": [{"podLabels": {"role": "notebook"}}],
        "allowCidrs": ["203.0.113.0/24"],
        "egress": [{"cidrs": ["192.0.2.0/24"], "ports": [8443]}],
    },
    "monitoring": {
        "prometheus": True,
        "serviceMonitor": {
            "labels": {"release": "prometheus"},
            "interval": "15s",
            "basicAuth": {"name": "scraper"},
            "tlsConfig": {"insecureSkipVerify": True},
            "relabelings": [{"action": "replace", "targetLabel": "cluster", "replacement": "a"}],
            "metricRelabelings": [{"action": "labeldrop", "regex": "mlflow_version"}],
            "targetLabels": ["team"],
        },
        "dashboard": {"annotations": {"grafana_folder": "ML"}},
        "alerts": {
            "configMap": True,
            "alertLabels": {"team": "ml"},
            "runbookUrl": "https://docs.example.com/operations",
        },
    },
    "garbageCollection": {"suspend": True},
    "allowInsecure": True,
}


@pytest.fixture(scope="module")
def published(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """A deployment with everything, and no pods."""
    definitions.install(kubectl)
    with deploy(new_stack, kubectl, configurations.sqlite(unique_name(), **MORE), {}) as deployed:
        earlier.record(deployed.stack, "published")
        yield deployed


def one(kubectl: Kubectl, deployed: Deployed, kind: str) -> dict[str, Any]:
    (found,) = kubectl.items(kind, deployed.namespace)
    return found


def test_again_and_after_a_refresh_nothing_changes(published: Deployed) -> None:
    published.stack.up("--expect-no-changes").succeeded()
    published.stack.preview("--refresh", "--expect-no-changes").succeeded()


def test_the_service_is_as_configured(published: Deployed, kubectl: Kubectl) -> None:
    service = kubectl.json("get", "service", "mlflow", "--namespace", published.namespace)
    assert service["spec"]["type"] == "NodePort"
    ports = {port["name"]: (port["port"], port["targetPort"]) for port in service["spec"]["ports"]}
    assert ports == {"http": (8080, "http"), "proxy": (4180, 4181)}
    assert service["metadata"]["labels"]["team"] == "ml"
    assert service["metadata"]["annotations"]["example.com/note"] == "any text"


@pytest.mark.feature("net-ingress")
def test_the_ingress_leads_every_host_and_path_to_its_port(published: Deployed, kubectl: Kubectl) -> None:
    ingress = one(kubectl, published, "ingresses")
    assert ingress["spec"]["ingressClassName"] == "nginx"
    found = {
        (rule["host"], path["path"]): (path["pathType"], path["backend"]["service"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert found == {
        (HOST, "/mlflow"): ("Prefix", {"name": "mlflow", "port": {"name": "http"}}),
        (OTHER, "/mlflow"): ("ImplementationSpecific", {"name": "mlflow", "port": {"number": 4180}}),
        (OTHER, "/docs"): ("Exact", {"name": "docs", "port": {"name": "web"}}),
    }
    assert ingress["spec"]["tls"] == [{"hosts": [HOST], "secretName": "certificate"}, {"hosts": [OTHER]}]
    notes = ingress["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-body-size"] == "10g"
    assert notes["nginx.ingress.kubernetes.io/proxy-request-buffering"] == "off"
    assert notes["example.com/a"] == "b"


@pytest.mark.feature("net-route")
def test_the_route_is_what_its_real_schema_admits(published: Deployed, kubectl: Kubectl) -> None:
    spec = one(kubectl, published, "httproutes.gateway.networking.k8s.io")["spec"]
    (parent,) = spec["parentRefs"]
    assert parent.items() >= {"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}.items()
    assert spec["hostnames"] == [HOST, "*.ml.example.com"]
    (rule,) = spec["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/mlflow"}}]
    assert rule["backendRefs"][0].items() >= {"name": "mlflow", "port": 8080}.items()
    assert rule["filters"][0]["requestHeaderModifier"] == {"remove": ["x-internal"]}
    assert rule["timeouts"] == {"request": "1h", "backendRequest": "30m"}


def test_a_route_that_the_schema_forbids_is_refused(published: Deployed, kubectl: Kubectl) -> None:
    """So that the schema is known to be asked at all."""
    route = one(kubectl, published, "httproutes.gateway.networking.k8s.io")
    route["spec"]["rules"][0]["timeouts"] = {"request": "soon"}
    refused = kubectl.run("apply", "--dry-run=server", "--filename", "-", input=json.dumps(route))
    assert refused.returncode != 0 and "timeouts" in refused.stderr


@pytest.mark.feature("rbac")
def test_the_account_may_do_what_the_rules_say_and_no_more(published: Deployed, kubectl: Kubectl) -> None:
    account = kubectl.json("get", "serviceaccount", "runner", "--namespace", published.namespace)
    assert account["metadata"]["annotations"]["example.com/role"] == "a"
    who = f"--as=system:serviceaccount:{published.namespace}:runner"

    def may(*what: str, namespace: str = published.namespace) -> bool:
        return kubectl.run("auth", "can-i", *what, who, "--namespace", namespace).stdout.strip() == "yes"

    assert may("get", "pods") and may("list", "pods/log") and may("list", "nodes") and may("get", "/metrics")
    assert not may("delete", "pods") and not may("get", "secrets") and not may("get", "nodes")
    assert not may("get", "pods", namespace="default")
    (server,) = kubectl.items("deployments", published.namespace)
    pod = server["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "runner" and pod["automountServiceAccountToken"] is True
    job = one(kubectl, published, "cronjobs")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["serviceAccountName"] == "runner" and job["automountServiceAccountToken"] is False


@pytest.mark.feature("net-policy")
def test_the_policies_in_the_cluster_let_through_what_is_meant(published: Deployed, kubectl: Kubectl) -> None:
    policies, here = kubectl.items("networkpolicies", published.namespace), published.namespace
    (deployment,) = kubectl.items("deployments", here)
    server = Pod(deployment["spec"]["template"]["metadata"]["labels"], here)
    job_labels = one(kubectl, published, "cronjobs")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    collector, notebook = Pod(job_labels, here), Pod({"role": "notebook"}, here)
    migration = Pod({**job_labels, "app.kubernetes.io/component": "migration"}, here)
    clients = [Pod({}, "ingress-nginx"), Pod({}, "monitoring"), notebook, collector, "203.0.113.9"]
    assert [client for client in clients if not allowed(policies, client, server, 5000)] == []
    assert [client for client in clients if allowed(policies, client, server, 22)] == []
    strangers = [Pod({}, "elsewhere"), Pod({"role": "x"}, here), Pod({"role": "notebook"}, "elsewhere"), "198.51.100.1"]
    assert [client for client in strangers if allowed(policies, client, server, 5000)] == []
    for pod in (server, collector, migration):
        assert allowed(policies, pod, "10.96.0.10", 53, "UDP") and allowed(policies, pod, "10.96.0.10", 53)
        assert not allowed(policies, pod, "169.254.169.254", 80) and not allowed(policies, pod, "169.254.170.2", 443)
        assert not allowed(policies, pod, "198.51.100.1", 8443)
        assert not allowed(policies, notebook, pod, 4180)
    assert allowed(policies, server, "192.0.2.7", 8443) and allowed(policies, collector, "192.0.2.7", 8443)
    # It has rights, so it also reaches the Kubernetes API.
    assert allowed(policies, server, "198.51.100.1", 6443) and not allowed(policies, collector, "198.51.100.1", 6443)


def test_the_monitor_is_what_its_real_schema_admits(published: Deployed, kubectl: Kubectl) -> None:
    monitor = one(kubectl, published, "servicemonitors.monitoring.coreos.com")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("http", "/metrics", "15s")
    assert endpoint["basicAuth"]["password"] == {"name": "scraper", "key": "password"}
    assert endpoint["metricRelabelings"] == [{"action": "labeldrop", "regex": "mlflow_version"}]
    assert monitor["spec"]["targetLabels"] == ["team"]


def test_alerts_fire_when_they_should_and_are_silent_otherwise(
    published: Deployed, kubectl: Kubectl, tmp_path: Path
) -> None:
    """The rules that the cluster has, against made-up metrics, by Prometheus' own tool."""
    made = one(kubectl, published, "prometheusrules.monitoring.coreos.com")["spec"]
    config = kubectl.items("configmaps", published.namespace, "--selector=app.kubernetes.io/component=monitoring")
    (text,) = [value for each in config for key, value in each["data"].items() if key.endswith(".yaml")]
    assert json.loads(text)["groups"] == made["groups"]
    (server,) = kubectl.items("deployments", published.namespace)
    every = {rule["alert"]: rule for group in made["groups"] for rule in group["rules"]}
    cases = _cases(published.namespace, server["metadata"]["name"])
    assert set(cases) == set(every)
    documented = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for name, rule in every.items():
        assert f"### {name}\n" in documented
        assert rule["annotations"]["runbook_url"] == f"https://docs.example.com/operations#{name.lower()}"
        assert rule["labels"]["team"] == "ml" and rule["labels"]["severity"] in ("critical", "warning")
    both = [[(name, well, 0), (name, ill, 1)] for name, (well, ill) in cases.items()]
    _judged(tmp_path, text, [*chain.from_iterable(both)])


def test_alerts_of_backups_leave_out_a_drill_before_there_can_be_a_backup(tmp_path: Path) -> None:
    made = alerts.rules(
        AlertsArgs(backup_age_hours=36),
        name="mlflow",
        service="mlflow",
        namespace="ml",
        workload="mlflow-server",
        backup=BackupArgs(destination=BackupDestinationArgs(volume=BackupVolumeArgs())),
        archives=True,
    )
    hour, exporters = 3600, ("a", "b")

    def cron_job(name: str, what: str, hours: int) -> dict[str, str]:
        """A moment of its life, in hours before the metrics begin, as two exporters tell it."""
        return {
            f'kube_cronjob_{what}{{namespace="ml",cronjob="mlflow-{name}",instance="{each}"}}': f"{-hours * hour}x40"
            for each in exporters
        }

    def failed(job: str, hours: int) -> dict[str, str]:
        """A Job that failed, and when it was made."""
        of = [f'{{namespace="ml",job_name="mlflow-{job}",instance="{each}"' for each in exporters]
        return {
            **{f'kube_job_status_failed{each},reason="BackoffLimitExceeded"}}': "1x40" for each in of},
            **{f"kube_job_created{each}}}": f"{-hours * hour}x40" for each in of},
        }

    new, succeeded = cron_job("backup", "created", 30), "status_last_successful_time"
    old = cron_job("backup", "created", 1000)
    _judged(
        tmp_path,
        json.dumps({"groups": [{"name": "mlflow", "rules": made}]}),
        [
            ("MlflowBackupFailed", {**new, **failed("backup-drill-9f", 29)}, 0),
            # Also days later, while the Job is still there.
            ("MlflowBackupFailed", {**old, **failed("backup-drill-9f", 980)}, 0),
            ("MlflowBackupFailed", {**old, **failed("backup-drill-9f", 960)}, 2),
            ("MlflowBackupFailed", {**new, **failed("backup-9f", 29)}, 2),
            ("MlflowBackupFailed", {**new, **failed("restore-9f", 29)}, 2),
            ("MlflowBackupFailed", failed("backup-drill-9f", 29), 2),
            # Then it is this one that tells of backups that never worked.
            ("MlflowBackupTooOld", new, 0),
            ("MlflowBackupTooOld", cron_job("backup", "created", 37), 2),
            ("MlflowBackupTooOld", {**old, **cron_job("backup", succeeded, 30)}, 0),
            ("MlflowBackupTooOld", {**old, **cron_job("backup", succeeded, 37)}, 2),
            ("MlflowBackupDrillTooOld", cron_job("backup-drill", "created", 9 * 24), 0),
            ("MlflowBackupDrillTooOld", cron_job("backup-drill", "created", 11 * 24), 2),
        ],
    )


def _judged(folder: Path, rules: str, cases: Sequence[tuple[str, dict[str, str], int]]) -> None:
    """See by Prometheus' own tool how often each alert fires after half an hour of these metrics."""
    (folder / "rules.yaml").write_text(rules)
    checked = prometheus.promtool("check", "rules", str(folder / "rules.yaml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    document = {"rule_files": [str(folder / "rules.yaml")], "evaluation_interval": "1m", "tests": []}
    for name, series, firing in cases:
        query = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
        document["tests"].append(
            {
                "name": f"{name}: {series}",
                "interval": "1m",
                "input_series": [{"series": key, "values": values} for key, values in series.items()],
                "promql_expr_test": [
                    {"expr": query, "eval_time": "30m", "exp_samples": [{"labels": "{}", "value": firing}]}
                ],
            }
        )
    (folder / "tests.yaml").write_text(json.dumps(document))
    tested = prometheus.promtool("test", "rules", str(folder / "tests.yaml"))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_ports_can_be_changed_by_the_first_update(published: Deployed, kubectl: Kubectl) -> None:
    """Last, since it changes them. The preview asks the API server, for which the old ports are still somebody else's."""
    service = {**MORE["service"], "port": 9090, "extraPorts": [{"name": "proxy", "port": 4190, "targetPort": 4181}]}
    published.reconfigure(service=service, server={**MORE["server"], "port": 5001}).preview().succeeded()
    published.stack.up().succeeded()
    found = kubectl.json("get", "service", "mlflow", "--namespace", published.namespace)["spec"]["ports"]
    assert {port["name"]: port["port"] for port in found} == {"http": 9090, "proxy": 4190}
    (server,) = kubectl.items("deployments", published.namespace)
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("http", 5001)]
    published.stack.up("--expect-no-changes").succeeded()


@pytest.mark.extended
def test_ports_of_other_containers_can_be_changed_too(new_stack: Deploy, kubectl: Kubectl) -> None:
    """Those of the proxy, of sidecars, and of a headless Service."""

    def values(server: int, sidecar: int, metrics: int) -> dict[str, Any]:
        log = {"name": "log", "image": "registry.invalid/log:1", "ports": [{"name": "log", "containerPort": sidecar}]}
        return {
            "server": {"replicas": 0, "port": server},
            "pod": {"containers": [log]},
            "auth": {"oidc": configurations_of_tests.OIDC},
            "monitoring": {"prometheus": True},
            "backup": {"destination": {"volume": {}}, "continuous": {"metricsPort": metrics}},
        }

    before = configurations.sqlite(unique_name(), **values(5000, 9000, 9102))
    with deploy(new_stack, kubectl, before, {}) as deployed:
        deployed.reconfigure(**values(8080, 9001, 9103)).preview().succeeded()
        deployed.stack.up().succeeded()
        (server,) = kubectl.items("deployments", deployed.namespace)
        ports = {
            c["name"]: [p["containerPort"] for p in c["ports"]]
            for c in server["spec"]["template"]["spec"]["containers"]
            if "ports" in c
        }
        assert ports == {"proxy": [8081], "log": [9001]}
        found = kubectl.json("get", "service", "mlflow-continuous", "--namespace", deployed.namespace)["spec"]["ports"]
        assert [port["port"] for port in found] == [9103]
        deployed.stack.up("--expect-no-changes").succeeded()


def _cases(namespace: str, workload: str) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """For each alert, metrics of a server that is well and of one that is ill."""
    of = f'namespace="{namespace}",service="mlflow",pod="{workload}-1"'
    requests, buckets = "mlflow_http_request_total", "mlflow_http_request_duration_seconds_bucket"
    ready, wanted = "kube_deployment_status_replicas_available", "kube_deployment_spec_replicas"
    replicas = f'{{namespace="{namespace}",deployment="{workload}"}}'
    volume = f'{{namespace="{namespace}",persistentvolumeclaim="mlflow-artifacts-1a"}}'
    job = f'kube_job_status_failed{{namespace="{namespace}",job_name="mlflow-garbage-collection-9f-1"}}'
    other = 'kube_job_status_failed{namespace="elsewhere",job_name="mlflow-garbage-collection-9f-1"}'

    def latency(fast: int, slow: int) -> dict[str, str]:
        return {
            f'{buckets}{{{of},le="1.0"}}': f"0+{fast}x40",
            f'{buckets}{{{of},le="5.0"}}': f"0+{fast + slow}x40",
            f'{buckets}{{{of},le="+Inf"}}': f"0+{fast + slow}x40",
        }

    def errors(failed: int) -> dict[str, str]:
        return {
            f'{requests}{{{of},status="200"}}': "0+100x40",
            f'{requests}{{{of},status="404"}}': "0+50x40",
            f'{requests}{{{of},status="500"}}': f"0+{failed}x40",
        }

    def volumes(free: int) -> dict[str, str]:
        return {
            f"kubelet_volume_stats_available_bytes{volume}": f"{free}x40",
            f"kubelet_volume_stats_capacity_bytes{volume}": "100x40",
        }

    restarts = (
        f'kube_pod_container_status_restarts_total{{namespace="{namespace}",pod="{workload}-1",container="mlflow"}}'
    )
    return {
        "MlflowDown": ({f"up{{{of}}}": "1x40"}, {f"up{{{of}}}": "0x40"}),
        "MlflowNoReplicaAvailable": (
            {f"{ready}{replicas}": "0x40", f"{wanted}{replicas}": "0x40"},
            {f"{ready}{replicas}": "0x40", f"{wanted}{replicas}": "2x40"},
        ),
        "MlflowErrors": (errors(5), errors(20)),
        "MlflowSlow": (latency(100, 2), latency(100, 20)),
        "MlflowRestarting": ({restarts: "5x40"}, {restarts: "0x20 1+1x20"}),
        "MlflowJobFailed": ({job: "0x40", other: "1x40"}, {job: "1x40"}),
        "MlflowVolumeFilling": (volumes(50), volumes(5)),
    }
