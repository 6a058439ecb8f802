"""Every refusal of the blocks for access, and the nearest values that are accepted."""

from typing import Any

import pulumi
import pytest

from tests.configurations import DEV, changed, with_changes
from tests.unit.refusals import cases, messages

OPEN = changed(DEV, "allowInsecure", True)
HOST = "mlflow.example.com"
INGRESS = changed(OPEN, "ingress", {"hosts": [{"host": HOST}], "tls": [{"secretName": "certificate"}]})
PREFIXED = changed(INGRESS, "server.staticPrefix", "/mlflow")
ROUTE = changed(OPEN, "route", {"parentRefs": [{"name": "public"}], "hostnames": [HOST]})
BALANCER = changed(OPEN, "service.type", "LoadBalancer")
CERTIFIED = {
    "service.beta.kubernetes.io/aws-load-balancer-ssl-cert": "arn:aws:acm:eu-central-1:111122223333:certificate/a"
}
EXISTING = changed(DEV, "serviceAccount", {"create": False, "name": "robot"})
POLICY = changed(DEV, "networkPolicy", {})
WATCHED = changed(DEV, "monitoring", {"prometheus": True, "serviceMonitor": {}})
GARBAGE = changed(DEV, "garbageCollection", {})
PORT = {"name": "proxy", "port": 81, "targetPort": 8080}


def path(value: str, **more: Any) -> list[dict[str, Any]]:
    """Hosts with one path."""
    return [{"host": HOST, "paths": [{"path": value, **more}]}]


PARENTS = [
    ([{"name": "a", "port": 443}], []),
    ([{"name": "a", "sectionName": "https-internal"}], []),
    ([{"name": "a", "port": 80}], ["without TLS"]),
    ([{"name": "a", "sectionName": "https", "port": 80}], ["without TLS"]),
    ([{"name": "a", "port": 443}, {"name": "b"}], ["without TLS"]),
    ([{"name": "a", "sectionName": "http"}], ["without TLS"]),
    ([{"name": "a", "port": 8443}], ["without TLS"]),
]
"""Gateways of a route, and what that says of TLS."""

# Configuration, path, what is refused there, what is accepted there.
VALUES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (BALANCER, "service.nodePort", [0, 65_536, "x"], [1, 65_535, None]),
    (DEV, "service.nodePort", [30_000], [None]),
    (BALANCER, "service.loadBalancerClass", ["", "A", "a b", "a/"], ["service.k8s.aws/nlb", "internal"]),
    (DEV, "service.loadBalancerClass", ["internal"], [None]),
    (BALANCER, "service.loadBalancerSourceRanges", [["10.0.0.0"], ["10.0.0.1/8"], ["a/8"]], [["10.0.0.0/8"], ["::/0"]]),
    (DEV, "service.loadBalancerSourceRanges", [["10.0.0.0/8"]], [[]]),
    (DEV, "service.https", [True], [False]),
    (BALANCER, "service.https", [True], [False]),
    (changed(BALANCER, "service.annotations", {"example.com/team": "ml"}), "service.https", [True], [False]),
    (changed(BALANCER, "service.annotations", CERTIFIED), "service.https", [], [True]),
    (changed(BALANCER, "service.annotations", {"service.beta.kubernetes.io/linode-loadbalancer-port-443": '{"tls-secret-name": "mlflow"}'}), "service.https", [], [True]),
    (changed(BALANCER, "service.annotations", {"service.beta.kubernetes.io/aws-load-balancer-backend-protocol": "ssl"}), "service.https", [True], [False]),
    (INGRESS, "ingress.annotations", [], [{"kubernetes.io/ingress.class": "alb"}]),
    (changed(INGRESS, "ingress.className", "nginx"), "ingress.annotations", [{"kubernetes.io/ingress.class": "nginx"}], [{}]),
    (changed(INGRESS, "ingress.annotations", {"kubernetes.io/ingress.class": "alb"}), "server.keepAliveSeconds", [60, 600], [601]),
    *((changed(INGRESS, "ingress.className", name), "server.keepAliveSeconds", [kept], [kept + 1]) for name, kept in (("haproxy", 60), ("traefik", 90), ("openshift-default", 300))),
    (changed(ROUTE, "route.gatewayClassName", "gke-l7-rilb"), "server.keepAliveSeconds", [600], [601]),
    (changed(ROUTE, "route.gatewayClassName", "istio"), "server.keepAliveSeconds", [], [600]),
    (ROUTE, "route.parentRefs", [[{"name": "a", "port": 443}, {"name": "a", "port": 443}]], [[{"name": "a", "port": 443}, {"name": "a", "port": 80}]]),
    (ROUTE, "route.matches", [[{"path": "/x"}]], [[{"path": {"type": "Exact", "value": "/api"}}]]),
    (ROUTE, "route.timeouts", [{"request": "1h", "backendRequest": "61m"}], [{"request": "1h", "backendRequest": "60m"}, {"request": "0s", "backendRequest": "1h"}]),
    *(
        (with_changes(INGRESS, {"ingress.annotations": {"kubernetes.io/ingress.class": name}, "networkPolicy": {"allowNamespaces": ["a"]}}), "networkPolicy.allowCidrs", [[]], [["10.0.0.0/8"]])
        for name in ("alb", "gce", "azure/application-gateway")
    ),
    (with_changes(ROUTE, {"route.gatewayClassName": "gke-l7-rilb", "networkPolicy": {"allowNamespaces": ["a"]}}), "networkPolicy.allowCidrs", [[]], [["10.0.0.0/8"]]),
    (DEV, "service.ipFamilyPolicy", ["Both", "dual"], ["SingleStack", "PreferDualStack", "RequireDualStack", None]),
    (DEV, "service.ipFamilies", [["ipv4"], ["IPv4", "IPv4"], ["IPv4", "IPv6"], ["IPv6", "IPv4", "IPv6"]], [["IPv4"], ["IPv6"], []]),
    (changed(DEV, "service.ipFamilyPolicy", "PreferDualStack"), "service.ipFamilies", [["IPv6", "IPv6"]], [["IPv6", "IPv4"], ["IPv4"]]),
    (changed(DEV, "service.ipFamilyPolicy", "SingleStack"), "service.ipFamilies", [["IPv6", "IPv4"]], [["IPv6"]]),
    (DEV, "service.extraPorts", [[{**PORT, "port": 80}], [PORT, PORT], [PORT, {**PORT, "port": 82}]], [[PORT]]),
    (DEV, "service.extraPorts", [[{**PORT, "name": name}] for name in ("http", "https", "A", "a" * 16, "1")], [[]]),
    (DEV, "service.extraPorts", [[{**PORT, "port": 0}], [{**PORT, "targetPort": 65_536}], [{}]], [[{**PORT, "port": 1}]]),
    (DEV, "service.labels", [{"a b": "c"}, {"app.kubernetes.io/name": "x"}, {"a": "b c"}], [{"a": "b"}]),
    (DEV, "serviceAccount.name", ["A", "a_b", ""], ["a", "a.b"]),
    (DEV, "serviceAccount.annotations", [{"a b": "c"}], [{"a/b": "any text"}]),
    (DEV, "serviceAccount.labels", [{"a": "b c"}], [{"a": "b"}]),
    (DEV, "serviceAccount", [{"create": False}], [{"create": False, "name": "a"}]),
    (EXISTING, "serviceAccount.annotations", [{"a": "b"}], [{}]),
    (EXISTING, "serviceAccount.labels", [{"a": "b"}], [{}]),
    (EXISTING, "identity.existing.serviceAccountAnnotations", [{"a": "b"}], [{}]),
    (DEV, "rbac.rules", [[{"resources": ["pods"], "verbs": []}], [{"verbs": ["get"]}], [{"resources": ["pods"]}]], [[]]),
    (DEV, "rbac.rules", [[{"nonResourceUrls": ["/x"], "verbs": ["get"]}]], [[{"resources": ["pods"], "verbs": ["get"]}]]),
    (DEV, "rbac.clusterRules", [[{"resources": ["a"], "nonResourceUrls": ["/x"], "verbs": ["get"]}]], [[{"nonResourceUrls": ["/x"], "verbs": ["get"]}]]),
    (INGRESS, "ingress.className", ["Nginx", ""], ["nginx", "a.b"]),
    (INGRESS, "ingress.annotations", [{"a b": "c"}], [{"cert-manager.io/cluster-issuer": "x"}]),
    (INGRESS, "ingress.labels", [{"a": "b c"}], [{"a": "b"}]),
    (INGRESS, "ingress.hosts", [[], [{}], "mlflow"], [[{"host": HOST}], [{"host": "*.example.com"}]]),
    (INGRESS, "ingress.hosts", [[{"host": host}] for host in ("https://a.example", "a.example:443", "a.example/x", "u@a.example")], []),
    (INGRESS, "ingress.hosts", [[{"host": host}] for host in ("", "A.example", "10.0.0.1", "*", "a.*.example", "a_b", "fd00::1", "a..b")], []),
    (INGRESS, "ingress.hosts", [[{"host": HOST}, {"host": HOST}]], [[{"host": HOST}, {"host": "b.example"}]]),
    (INGRESS, "ingress.hosts", [[{"host": HOST, "paths": []}], [{"host": HOST, "paths": [{}, {}]}]], [[{"host": HOST, "paths": [{}]}]]),
    (INGRESS, "ingress.hosts", [[{"host": HOST, "paths": [{"path": "/"}, {"path": "/"}]}]], [[{"host": HOST, "paths": [{"path": "/"}, {"path": "/", "pathType": "Exact"}]}]]),
    (INGRESS, "ingress.hosts", [path("mlflow"), path("/a b"), path("/mlflow"), path("/apis")], [path("/"), path("/api"), path("/api/2.0/mlflow")]),
    (PREFIXED, "ingress.hosts", [path("/ml"), path("/mlflowx"), path("/api")], [path("/"), path("/mlflow"), path("/mlflow/"), path("/mlflow/api")]),
    (INGRESS, "ingress.hosts", [path("/x", serviceName="x"), path("/x", serviceName="X", servicePort=1)], [path("/x", serviceName="x", servicePort=1), path("/x", serviceName="x", servicePortName="web")]),
    (INGRESS, "ingress.hosts", [path("/", servicePort=0), path("/", servicePort=1, servicePortName="a"), path("/", servicePortName="A")], [path("/", servicePort=8080)]),
    (INGRESS, "ingress.hosts", [path("/", pathType="prefix")], [path("/", pathType="Exact")]),
    (INGRESS, "ingress.tls", [[{"secretName": "A"}], [{"hosts": ["b.example"]}], [{"hosts": [HOST]}, {"hosts": [HOST]}]], [[{"hosts": [HOST]}], [{"hosts": ["*.example.com"]}]]),
    (ROUTE, "route.parentRefs", [[], [{}], [{"name": "A"}], [{"name": "a", "namespace": "a.b"}], [{"name": "a", "port": 0}]], [[{"name": "a.b"}]]),
    (ROUTE, "route.hostnames", [[], ["https://a.example"], ["a.example:80"], [HOST, HOST]], [[HOST, "*.example.com"]]),
    (ROUTE, "route.matches", [[{"paths": {}}], [{"path": {"value": "/mlflow"}}]], [[{"path": {"value": "/"}, "method": "GET"}]]),
    (changed(ROUTE, "server.staticPrefix", "/mlflow"), "route.matches", [[{"path": {"value": "/api"}}]], [[{"path": {"value": "/mlflow"}}]]),
    (ROUTE, "route.filters", [[{}], [{"type": 1}]], [[{"type": "ExtensionRef"}]]),
    (ROUTE, "route.timeouts", [{"request": "1 h"}, {"request": "1.5h"}, {"backendRequest": "h"}], [{"request": "0s"}, {"backendRequest": "1h30m"}]),
    (ROUTE, "route.annotations", [{"a b": "c"}], [{"a": "b"}]),
    (ROUTE, "route.gatewayClassName", ["A"], ["gke-l7-rilb"]),
    (changed(ROUTE, "route.parentRefs", [{"name": "a", "port": 80}]), "route.https", [True], [False, None]),
    (changed(ROUTE, "route.parentRefs", [{"name": "a"}, {"name": "b", "sectionName": "http"}]), "route.https", [True], [False, None]),
    (changed(INGRESS, "ingress.className", "alb"), "server.keepAliveSeconds", [600], [601, None]),
    (changed(INGRESS, "ingress.className", "gce"), "server.keepAliveSeconds", [600], [601, None]),
    (changed(INGRESS, "ingress.className", "nginx"), "server.keepAliveSeconds", [60], [61, None]),
    (INGRESS, "server.keepAliveSeconds", [], [5]),
    (changed(INGRESS, "ingress.annotations", {"alb.ingress.kubernetes.io/load-balancer-attributes": "a=b,idle_timeout.timeout_seconds=3600"}), "server.keepAliveSeconds", [3600], [3601, None]),
    (DEV, "server.staticPrefix", ["/static", "/static-mlflow", "/healthy", "/favicon.icon"], ["/mlflow/static", "/stat"]),
    (POLICY, "networkPolicy.allowNamespaces", [["A"], ["a.b"]], [["ingress-nginx"]]),
    (POLICY, "networkPolicy.allowPods", [[{}], [{"podLabels": {"a": "b c"}}]], [[{"namespaceLabels": {"a": "b"}}]]),
    (POLICY, "networkPolicy.allowCidrs", [["10.0.0.0"], ["10.0.0.1/24"], ["x/8"]], [["10.0.0.0/8"], ["192.0.2.1/32"]]),
    (POLICY, "networkPolicy.dnsCidrs", [["10.0.0.10"]], [["10.0.0.10/32"]]),
    (POLICY, "networkPolicy.databaseCidrs", [["db.example.com"]], [["10.0.0.0/8"]]),
    (POLICY, "networkPolicy.artifactsCidrs", [["fd00::1/8"]], [["fd00::/8"]]),
    (POLICY, "networkPolicy.identityCidrs", [["sts.amazonaws.com"]], [["10.0.0.0/8", "fd00::/8"]]),
    (POLICY, "networkPolicy.egress", [[{"ports": []}], [{"ports": [0]}], [{"cidrs": ["x"], "ports": [1]}], [{}], [{"portRanges": []}]], [[{"ports": [443]}], [{"ports": [53], "protocol": "UDP"}]]),
    (POLICY, "networkPolicy.egress", [[{"portRanges": [{"port": 9, "endPort": 8}]}], [{"portRanges": [{"port": 0, "endPort": 8}]}], [{"portRanges": [{"port": 9, "endPort": 65_536}]}], [{"portRanges": [{"port": 9}]}]], [[{"portRanges": [{"port": 9, "endPort": 9}]}], [{"portRanges": [{"port": 1, "endPort": 65_535}], "protocol": "SCTP"}]]),
    (POLICY, "networkPolicy.egress", [[{"ports": [1], "protocol": "ICMP"}], [{"ports": [1], "protocol": "tcp"}]], [[{"ports": [1], "protocol": "TCP"}]]),
    (POLICY, "networkPolicy.egress", [[{"ports": [1], "cidrs": ["10.0.0.0/8"], "exceptCidrs": [wrong]}] for wrong in ("10.0.0.0/8", "11.0.0.0/16", "0.0.0.0/0", "10.0.0.1/16", "fd00::/16", "x")], [[{"ports": [1], "cidrs": ["10.0.0.0/8", "fd00::/8"], "exceptCidrs": ["10.1.0.0/16", "fd00:1::/32"]}], [{"ports": [1], "exceptCidrs": ["10.1.0.0/16"]}]]),
    (POLICY, "networkPolicy.egress", [[{"ports": [1], "pods": [{"podLabels": {"a": "b"}}], "exceptCidrs": ["10.1.0.0/16"]}]], [[{"ports": [1], "pods": [{"podLabels": {"a": "b"}}], "cidrs": ["10.0.0.0/8"], "exceptCidrs": ["10.1.0.0/16"]}]]),
    (DEV, "monitoring", [{part: {}} for part in ("serviceMonitor", "dashboard", "alerts")], [{"prometheus": True}, {}]),
    (WATCHED, "monitoring.serviceMonitor.namespace", ["A", "a.b"], ["monitoring"]),
    (WATCHED, "monitoring.serviceMonitor.labels", [{"a": "b c"}], [{"release": "prometheus"}]),
    (WATCHED, "monitoring.serviceMonitor.interval", ["30", "1.5m", "", "half a minute"], ["30s", "1m30s", "500m"]),
    (WATCHED, "monitoring.serviceMonitor.timeout", ["31s", "1m", "x"], ["30s", "900ms"]),
    (WATCHED, "monitoring.serviceMonitor.port", ["Http", ""], ["http", "proxy"]),
    (WATCHED, "monitoring.serviceMonitor.basicAuth", [{}, {"name": "A"}, {"name": "a", "usernameKey": "a b"}], [{"name": "a", "passwordKey": "p"}]),
    (WATCHED, "monitoring.dashboard", [{"namespace": "A"}, {"labels": {"a": "b c"}}, {"annotations": {"a b": ""}}], [{"labels": {}}]),
    (WATCHED, "monitoring.alerts", [{"prometheusRule": False}], [{"prometheusRule": False, "configMap": True}]),
    (WATCHED, "monitoring.alerts.alertLabels", [{"severity": "x"}, {"alertname": "x"}, {"a-b": "c"}], [{"team": "any text"}]),
    (WATCHED, "monitoring.alerts.runbookUrl", ["docs.example.com", "https://a/#b"], ["https://docs.example.com/operations"]),
    (WATCHED, "monitoring.alerts.errorPercent", [0, 101], [1, 100]),
    (WATCHED, "monitoring.alerts.latencySeconds", [0, 601], [0.5, 600]),
    (WATCHED, "monitoring.alerts.volumeFreePercent", [0, 100], [1, 99]),
    (WATCHED, "server.options", [{"expose-prometheus": "/tmp/x"}], [{}]),
    (GARBAGE, "garbageCollection.schedule", ["", "daily", "@dayly", "* * * *", "* * * * * *", "60 * * * *", "0 24 * * *"], ["@daily", "* * * * *"]),
    (GARBAGE, "garbageCollection.schedule", ["0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *"], ["59 23 31 12 7", "0-5/2 * * * *"]),
    (GARBAGE, "garbageCollection.schedule", ["TZ=UTC 0 0 * * *", "0 0 * mon *", "0 jan * * *", "1,, * * * *"], ["0 0 * jan-mar mon,Fri", "*/15 1,3 ? * *"]),
    (GARBAGE, "garbageCollection.allWorkspaces", [True], [False]),
    (changed(GARBAGE, "server.workspaces", {}), "garbageCollection.allWorkspaces", [], [True]),
    (changed(DEV, "artifacts", {"ftp": {"host": "files.example.com"}}), "garbageCollection", [{}], [None]),
    (changed(DEV, "artifacts", {"uri": {"uri": "ftp://files.example.com/a"}}), "garbageCollection", [{}], [None]),
    (changed(DEV, "artifacts", {"sftp": {"host": "files.example.com", "username": "u", "password": "p", "knownHosts": "files.example.com ssh-ed25519 AAAA"}}), "garbageCollection", [], [{}]),
    (GARBAGE, "garbageCollection.timeZone", ["", "Europe Berlin", "/UTC", "+1"], ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+1"]),
    (GARBAGE, "garbageCollection.olderThan", ["", "30", "30 days", "1h1d", "-1d", "1w"], ["30d", "1d2h3m4s", "0.5d", "0s"]),
    (GARBAGE, "garbageCollection.timeoutSeconds", [9, 86_401], [10, 86_400]),
    (GARBAGE, "garbageCollection.startingDeadlineSeconds", [9, 86_401], [10, 86_400]),
    (GARBAGE, "garbageCollection.successfulHistory", [-1, 101], [0, 100]),
    (GARBAGE, "garbageCollection.failedHistory", [-1, 101], [0, 100]),
    (GARBAGE, "garbageCollection.resources", [{"memoryLimit": "100Mi"}, {"cpuRequest": "x"}], [{"memoryLimit": "2Gi"}]),
    (changed(INGRESS, "networkPolicy", {}), "networkPolicy.allowNamespaces", [[]], [["ingress-nginx"]]),
    (changed(BALANCER, "networkPolicy", {}), "networkPolicy.allowCidrs", [[]], [["10.0.0.0/8"]]),
    (with_changes(INGRESS, {"ingress.className": "alb", "networkPolicy": {"allowNamespaces": ["a"]}}), "networkPolicy.allowCidrs", [[]], [["10.0.0.0/8"]]),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "place", "value"), cases(VALUES, accepted=False))
def test_wrong_value_is_refused_with_its_path(configuration, place: str, value) -> None:
    lines = messages(changed(configuration, place, value))
    assert lines
    block = place.rpartition(".")[0] or place
    assert all(line.startswith((place, block)) for line in lines), lines


@pytest.mark.parametrize(("configuration", "place", "value"), cases(VALUES, accepted=True))
def test_nearest_value_is_accepted(configuration, place: str, value) -> None:
    assert messages(changed(configuration, place, value)) == []


@pytest.mark.parametrize(
    ("configuration", "start", "reasons"),
    [
        (BALANCER, "service.type: 'LoadBalancer' publishes a server ", ["authentication", "without TLS"]),
        (
            with_changes(BALANCER, {"service.https": True, "service.annotations": CERTIFIED}),
            "service.type: ",
            ["authentication"],
        ),
        (changed(OPEN, "service.type", "NodePort"), "service.type: 'NodePort' ", ["authentication", "without TLS"]),
        (INGRESS, "ingress: the Ingress publishes a server ", ["authentication"]),
        (changed(INGRESS, "ingress.tls", []), "ingress: ", ["authentication", "without TLS"]),
        (with_changes(INGRESS, {"ingress.tls": [], "ingress.https": True}), "ingress: ", ["authentication"]),
        (changed(INGRESS, "ingress.https", False), "ingress: ", ["authentication", "without TLS"]),
        # Nobody has said what the listeners speak; then a port, a name, or the argument does.
        (ROUTE, "route: the HTTPRoute publishes a server ", ["authentication", "without TLS"]),
        (changed(ROUTE, "route.https", False), "route: ", ["authentication", "without TLS"]),
        (changed(ROUTE, "route.https", True), "route: ", ["authentication"]),
        *(
            (changed(ROUTE, "route.parentRefs", parents), "route: ", ["authentication", *words])
            for parents, words in PARENTS
        ),
    ],
)
def test_nothing_is_published_in_the_open_without_writing_it_down(configuration, start: str, reasons) -> None:
    assert messages(configuration) == []
    (line,) = messages(changed(configuration, "allowInsecure", False))
    assert line.startswith(start)
    assert [reason for reason in ("authentication", "without TLS") if reason in line.partition("; ")[0]] == reasons
    assert "allowInsecure: true" in line


def test_a_path_that_the_controller_rewrites_is_not_judged() -> None:
    rewritten = changed(INGRESS, "ingress.hosts", path("/mlflow(/|$)(.*)"))
    assert messages(rewritten)
    annotations = {"nginx.ingress.kubernetes.io/rewrite-target": "/$2"}
    assert messages(changed(rewritten, "ingress.annotations", annotations)) == []
    routed = with_changes(
        ROUTE, {"route.matches": [{"path": {"value": "/ml"}}], "route.filters": [{"type": "URLRewrite"}]}
    )
    assert messages(routed) == []
    assert messages(changed(routed, "route.filters", []))


def test_a_certificate_covers_a_host_or_one_label_of_a_domain() -> None:
    def insecure(hosts: list[str], certified: list[str]) -> bool:
        values = {"hosts": [{"host": host} for host in hosts], "tls": [{"hosts": certified}] if certified else [{}]}
        return "without TLS" in messages(changed(DEV, "ingress", values))[0]

    assert not insecure([HOST], [])
    assert not insecure([HOST], [HOST])
    assert not insecure([HOST], ["*.example.com"])
    assert insecure([HOST, "a.b.example.com"], ["*.example.com"])
    assert insecure([HOST, "b.example"], [HOST])


@pytest.mark.usefixtures("loop")
def test_hosts_of_a_larger_program_are_not_checked() -> None:
    later = pulumi.Output.from_input("?")
    ingress = {"hosts": [{"host": later}], "tls": [{"hosts": [later], "secretName": later}], "className": later}
    assert messages(changed(OPEN, "ingress", ingress)) == []
    assert messages(changed(OPEN, "route", {"parentRefs": [{"name": later}], "hostnames": [later]})) == []
    elsewhere = [{"name": "public"}, {"name": "public", "namespace": later}]
    assert messages(changed(OPEN, "route", {"parentRefs": elsewhere, "hostnames": [later]})) == []
    assert messages(changed(POLICY, "networkPolicy.databaseCidrs", [later])) == []


def test_garbage_collection_needs_a_database() -> None:
    storing = with_changes(DEV, {"database": {"none": {}}, "server.artifactsOnly": True})
    assert messages(storing) == []
    (line,) = messages(changed(storing, "garbageCollection", {}))
    assert line.startswith("garbageCollection: ")


def test_a_monitor_elsewhere_needs_credentials_that_it_can_reach() -> None:
    watched = with_changes(WATCHED, {"auth": {"basic": {}}, "monitoring.serviceMonitor": {"namespace": "monitoring"}})
    (line,) = messages(watched)
    assert line.startswith("monitoring.serviceMonitor.basicAuth: is required")
    assert messages(changed(watched, "monitoring.serviceMonitor.basicAuth", {"name": "scraper"})) == []
    assert messages(changed(watched, "monitoring.serviceMonitor", {})) == []
