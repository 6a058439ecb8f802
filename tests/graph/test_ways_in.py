"""What whoever stands in front of the pods is told of them, and what the pods are told of whoever stands in front."""

import re
from typing import Any

import pytest

from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.invariants import server_container
from tests.graph.program import Graph, deploy
from tests.graph.scenarios import SCENARIOS

HOST = "mlflow.example.com"
PUBLISHED = with_changes(
    DEV,
    {
        "ingress": {"hosts": [{"host": HOST}], "tls": [{"secretName": "certificate"}]},
        "server.staticPrefix": "/team",
        "allowInsecure": True,
    },
)
ENCRYPTED = with_changes(PUBLISHED, {"server.tls": {"existingSecret": {"name": "pods"}}, "service.port": 443})
ROUTED = with_changes(
    DEV,
    {
        "route": {
            "parentRefs": [{"name": "public", "port": 443}],
            "hostnames": [HOST],
            "gatewayClassName": "gke-l7-rilb",
        },
        "allowInsecure": True,
    },
)

NGINX = {
    "nginx.ingress.kubernetes.io/proxy-body-size": "0",
    "nginx.ingress.kubernetes.io/proxy-request-buffering": "off",
    "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
    "nginx.ingress.kubernetes.io/proxy-send-timeout": "3600",
    "nginx.org/client-max-body-size": "0",
    "nginx.org/proxy-read-timeout": "3600s",
    "nginx.org/proxy-send-timeout": "3600s",
}
CLASSES: dict[str | None, tuple[dict[str, str], dict[str, str]]] = {
    None: (NGINX, {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS", "nginx.org/ssl-services": "mlflow"}),
    "nginx": (NGINX, {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS", "nginx.org/ssl-services": "mlflow"}),
    "alb": (
        {
            "alb.ingress.kubernetes.io/healthcheck-path": "/team/health",
            "alb.ingress.kubernetes.io/load-balancer-attributes": "idle_timeout.timeout_seconds=600",
            "alb.ingress.kubernetes.io/target-type": "ip",
            "alb.ingress.kubernetes.io/listen-ports": '[{"HTTPS": 443}]',
        },
        {
            "alb.ingress.kubernetes.io/backend-protocol": "HTTPS",
            "alb.ingress.kubernetes.io/healthcheck-protocol": "HTTPS",
        },
    ),
    "gce": ({"kubernetes.io/ingress.class": "gce", "kubernetes.io/ingress.allow-http": "false"}, {}),
    "azure-application-gateway": (
        {
            "appgw.ingress.kubernetes.io/health-probe-path": "/team/health",
            "appgw.ingress.kubernetes.io/request-timeout": "3600",
            "appgw.ingress.kubernetes.io/ssl-redirect": "true",
        },
        {"appgw.ingress.kubernetes.io/backend-protocol": "https"},
    ),
    "traefik": ({"traefik.ingress.kubernetes.io/router.tls": "true"}, {}),
    "haproxy": (
        {"haproxy-ingress.github.io/timeout-server": "1h", "haproxy.org/timeout-server": "1h"},
        {"haproxy-ingress.github.io/secure-backends": "true", "haproxy.org/server-ssl": "true"},
    ),
    "openshift-default": (
        {"haproxy.router.openshift.io/timeout": "1h", "route.openshift.io/termination": "edge"},
        {"route.openshift.io/termination": "reencrypt"},
    ),
}
"""Annotations by class, and what is added or changed where the pods speak TLS."""


def variables(graph: Graph) -> dict[str, Any]:
    return {v["name"]: v.get("value") for v in server_container(graph)["env"]}


def annotations(configuration: Any) -> dict[str, str]:
    return deploy(configuration).one("Ingress").metadata["annotations"]


@pytest.mark.parametrize("name", CLASSES, ids=str)
def test_each_controller_is_told_what_its_maker_documents(name: str | None) -> None:
    plain, encrypted = CLASSES[name]
    waits = {"pulumi.com/skipAwait": "true"}
    assert annotations(changed(PUBLISHED, "ingress.className", name)) == {**waits, **plain}
    assert annotations(changed(ENCRYPTED, "ingress.className", name)) == {**waits, **plain, **encrypted}
    if name is not None:
        by_annotation = changed(ENCRYPTED, "ingress.annotations", {"kubernetes.io/ingress.class": name})
        assert annotations(by_annotation) == {**waits, **plain, **encrypted, "kubernetes.io/ingress.class": name}
    # What the user says wins.
    for key in {*plain} - {"kubernetes.io/ingress.class"}:
        own = with_changes(PUBLISHED, {"ingress.className": name, "ingress.annotations": {key: "own"}})
        assert annotations(own)[key] == "own"


def test_without_tls_nothing_is_said_of_it() -> None:
    for name in ("alb", "gce", "azure-application-gateway", "traefik", "openshift-default"):
        found = annotations(with_changes(PUBLISHED, {"ingress.className": name, "ingress.tls": []}))
        assert not [key for key in found if re.search("listen-ports|allow-http|ssl|tls|termination", key)], found


def test_google_reads_the_class_from_an_annotation_and_the_rest_from_objects_that_the_service_names() -> None:
    graph = deploy(changed(ENCRYPTED, "ingress.className", "gce"))
    assert "ingressClassName" not in graph.one("Ingress").spec
    made = graph.one("BackendConfig")
    assert made.spec == {
        "healthCheck": {"type": "HTTPS", "requestPath": "/team/health", "port": 5000},
        "timeoutSec": 3600,
    }
    notes = graph.named("mlflow-service", "core/v1:Service").metadata["annotations"]
    assert notes["cloud.google.com/backend-config"] == f'{{"default": "{made.metadata["name"]}"}}'
    assert notes["cloud.google.com/neg"] == '{"ingress": true}'
    assert notes["cloud.google.com/app-protocols"] == '{"http": "HTTPS"}'
    assert deploy(changed(PUBLISHED, "ingress.className", "nginx")).of("BackendConfig") == []


def test_gateways_of_google_have_policies() -> None:
    graph = deploy(changed(ROUTED, "server.staticPrefix", "/team"))
    target = {"group": "", "kind": "Service", "name": "mlflow"}
    check = {"type": "HTTP", "httpHealthCheck": {"requestPath": "/team/health"}}
    assert graph.one("HealthCheckPolicy").spec == {"default": {"config": check}, "targetRef": target}
    assert graph.one("GCPBackendPolicy").spec == {"default": {"timeoutSec": 3600}, "targetRef": target}
    assert deploy(changed(ROUTED, "route.gatewayClassName", "istio")).of("HealthCheckPolicy") == []


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 3620),
        ({"server.keepAliveSeconds": 75}, 75),
        ({"service.type": "LoadBalancer", "allowInsecure": True}, 200),
        ({"service.type": "NodePort", "allowInsecure": True}, 3620),
    ],
)
def test_idle_connections_are_kept_longer_than_whoever_stands_in_front_keeps_them(changes: Any, seconds: int) -> None:
    graph = deploy(with_changes(DEV, changes))
    (options,) = [each for each in server_container(graph)["args"] if each.startswith("--uvicorn-opts=")]
    assert f"--timeout-keep-alive={seconds}" in options
    ldap = deploy(with_changes(SCENARIOS["ldap"], changes))
    (configuration,) = [
        made.inputs["data"]["httpd.conf"] for made in ldap.of("ConfigMap") if "httpd.conf" in made.inputs["data"]
    ]
    assert f"KeepAliveTimeout {seconds}\n" in configuration


def test_the_server_knows_by_which_names_clients_come_with_tls_and_whom_to_believe() -> None:
    found = variables(deploy(with_changes(PUBLISHED, {"server.trustedProxies": ["10.0.0.0/8", "fd00::/8"]})))
    assert found["FRONT_HTTPS_HOSTS"] == HOST and found["FRONT_PROXIES"] == "10.0.0.0/8,fd00::/8"
    assert "FRONT_SIDECAR" not in found and "FRONT_APP" not in found
    assert variables(deploy(ROUTED))["FRONT_HTTPS_HOSTS"] == HOST
    assert "FRONT_HTTPS_HOSTS" not in variables(deploy(changed(PUBLISHED, "ingress.https", False)))
    unsaid = deploy(changed(ROUTED, "route.parentRefs", [{"name": "public"}]))
    assert "FRONT_HTTPS_HOSTS" not in variables(unsaid)
    assert {f"https://{HOST}", f"http://{HOST}"} <= set(
        variables(unsaid)["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    )
    oidc = variables(deploy(SCENARIOS["oidc"]))
    assert (oidc["FRONT_HTTPS_HOSTS"], oidc["FRONT_SIDECAR"], oidc["FRONT_APP"]) == (HOST, "http", "basic-auth")


def test_hosts_and_origins_are_given_to_mlflow_as_they_are_compared() -> None:
    changes = {
        "server.allowedHosts": ["[2001:DB8::5]:*", "[2001:db8::5]:80", "A.Example.", "B.example.:8443", "*.C.example"],
        "server.corsAllowedOrigins": ["https://A.Example."],
    }
    found = variables(deploy(with_changes(DEV, changes)))
    assert found["MLFLOW_SERVER_ALLOWED_HOSTS"].endswith(
        ",[[]2001:db8::5]:*,[2001:db8::5]:80,a.example,b.example:8443,*.c.example"
    )
    assert found["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].endswith(",https://a.example")


def disk(configuration: Any) -> tuple[Any, str, str | None]:
    """`/tmp` of the server's pod, the storage that it requests of its node, and what the server holds uploads to."""
    graph = deploy(configuration)
    (tmp,) = [volume for volume in graph.one("apps/v1:Deployment").pod["spec"]["volumes"] if volume["name"] == "tmp"]
    requests = server_container(graph)["resources"]["requests"]
    return tmp, requests["ephemeral-storage"], variables(graph).get("FRONT_TMP_BYTES")


def test_files_that_go_through_the_server_have_room() -> None:
    spooled = {"name": "tmp", "emptyDir": {"sizeLimit": "6Gi"}}
    assert disk(PRODUCTION) == (spooled, "6400Mi", str(6 << 30))
    # Streamed from and to a volume.
    assert disk(DEV) == (spooled, "256Mi", None)
    assert disk(SCENARIOS["nfs"]) == (spooled, "256Mi", None)
    assert disk(changed(PRODUCTION, "pod.tmpSize", "40G"))[1:] == ("38403Mi", "40000000000")
    tmp, requested, kept = disk(
        with_changes(PRODUCTION, {"pod.tmpSize": "50Gi", "pod.tmpVolume": {"storageClass": "fast"}})
    )
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "50Gi"}},
    }
    assert tmp == {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    assert (requested, kept) == ("256Mi", str(50 << 30))
