"""What holds for the ways to every server, whatever its configuration; see invariants.py."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pulumi.runtime.rpc import UNKNOWN

from components import MlflowDeploymentArgs
from components.arguments import BackupArtifacts
from components.arguments.kinds import CloudName
from tests.graph.policies import Pod, allowed
from tests.graph.program import Graph, arguments_of

METADATA = "169.254.169.254"
"""Where clouds answer with credentials of the node, and GKE with those of the pod."""


def _name(graph: Graph) -> str:
    return graph.one("index:MlflowDeployment").name


def entrance(graph: Graph) -> int:
    """The port at which requests enter a server pod, whichever container listens there."""
    ports = [port for c in graph.one("apps/v1:Deployment").pod["spec"]["containers"] for port in c.get("ports", [])]
    (found,) = [port["containerPort"] for port in ports if port["name"] == "http"]
    return found


def _server_variables(graph: Graph) -> list[Mapping[str, Any]]:
    (container,) = [c for c in graph.one("apps/v1:Deployment").pod["spec"]["containers"] if c["name"] == "mlflow"]
    return container["env"]


def _list(graph: Graph, variable: str) -> set[str]:
    (value,) = [v["value"] for v in _server_variables(graph) if v["name"] == variable]
    return set(value.split(","))


def _public(arguments: MlflowDeploymentArgs) -> list[tuple[str, str]]:
    """Scheme and host of each way from outside; schemes are tested by themselves."""
    ingress, route = arguments.ingress, arguments.route
    found: list[tuple[str, str]] = []
    if ingress is not None:
        found += [("https" if ingress.secure(entry.host) else "http", str(entry.host)) for entry in ingress.hosts]
    if route is not None:
        found += [(scheme, str(host)) for scheme in route.schemes for host in route.hostnames]
    if arguments.auth is not None and arguments.auth.oidc is not None:
        found.append(("https", urlsplit(str(arguments.auth.oidc.redirect_url)).netloc))
    return found


def _services(graph: Graph, arguments: MlflowDeploymentArgs) -> list[str]:
    name, namespace = arguments.names.service or _name(graph), arguments.namespace
    return [name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]


def allowed_hosts_are_all_ways_to_the_server_and_no_more(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    services = _services(graph, arguments)
    assert _list(graph, "MLFLOW_SERVER_ALLOWED_HOSTS") == {
        *services,
        *(f"{service}:{arguments.service.port}" for service in services),
        *(f"{address}:{entrance(graph)}" for address in ("$(POD_IP)", "$(POD_IPS)", "[[]*]")),
        *("localhost", "127.0.0.1", "[::1]"),
        *("localhost:*", "127.0.0.1:*", "[[]::1]:*"),
        *(host for _, host in _public(arguments)),
        *(f"{host}:{443 if scheme == 'https' else 80}" for scheme, host in _public(arguments)),
        *arguments.server.allowed_hosts,
        *([f"all-addresses:{arguments.server.port}"] if arguments.server.job_execution else []),
    }
    names = [variable["name"] for variable in _server_variables(graph)]
    for address in ("POD_IP", "POD_IPS"):
        assert names.index(address) < names.index("MLFLOW_SERVER_ALLOWED_HOSTS"), (
            "Kubernetes expands earlier names only"
        )


def allowed_origins_are_those_of_its_own_pages(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    scheme, usual = ("https", 443) if arguments.serves_tls else ("http", 80)
    port = "" if arguments.service.port == usual else f":{arguments.service.port}"
    assert _list(graph, "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS") == {
        *(f"{scheme}://{service}{port}" for service in _services(graph, arguments)),
        *(f"{scheme}://{host}" for scheme, host in _public(arguments)),
        *arguments.server.cors_allowed_origins,
    }


def ways_in_lead_to_the_service_under_the_prefix(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    front, prefix = graph.named(f"{_name(graph)}-service", "core/v1:Service"), arguments.server.static_prefix or "/"
    assert len(graph.of("Ingress")) == (arguments.ingress is not None)
    for made in graph.of("Ingress"):
        assert arguments.ingress is not None
        for rule, host in zip(made.spec["rules"], arguments.ingress.hosts, strict=True):
            assert rule["host"] == host.host
            for path, entry in zip(rule["http"]["paths"], host.paths, strict=True):
                assert (path["path"], path["pathType"]) == (entry.path or prefix, entry.path_type.value)
                backend = path["backend"]["service"]
                if entry.service_name is None:
                    assert backend["name"] == front.metadata["name"]
                    assert backend["port"] == {"name": front.spec["ports"][0]["name"]}
                else:
                    known = entry.service_port_name
                    port = {"number": entry.service_port} if known is None else {"name": known}
                    assert backend == {"name": entry.service_name, "port": port}
        assert bool(made.spec.get("tls")) == bool(arguments.ingress.tls)
        if arguments.ingress.class_name in (None, "nginx"):
            assert made.metadata["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
    assert len(graph.of("HTTPRoute")) == (arguments.route is not None)
    for made in graph.of("HTTPRoute"):
        (rule,) = made.spec["rules"]
        assert rule["backendRefs"] == [{"name": front.metadata["name"], "port": front.spec["ports"][0]["port"]}]
        assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": prefix}}]


BACKUPS = ("backup", "backup-drill", "restore")


def policies_let_through_what_is_used_and_no_more(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    policy = arguments.network_policy
    policies = [r.inputs for r in graph.of("NetworkPolicy")]
    assert bool(policies) == (policy is not None)
    if policy is None or UNKNOWN in json.dumps(policies):
        return
    here = arguments.namespace
    pods = {
        template["metadata"]["labels"]["app.kubernetes.io/component"]: Pod(template["metadata"]["labels"], here)
        for _, template in graph.pods()
    }
    server, port_of_server = pods["server"], entrance(graph)
    outside, neighbour, stranger = "198.51.100.9", Pod({"app": "x"}, here), Pod({"app": "x"}, "no-such-namespace")
    welcome = policy.allow_same_namespace or here in policy.allow_namespaces
    assert allowed(policies, neighbour, server, port_of_server) == welcome
    assert not allowed(policies, stranger, server, port_of_server)
    assert not allowed(policies, outside, server, port_of_server)
    for name in policy.allow_namespaces:
        assert allowed(policies, Pod({}, name), server, port_of_server)
        assert not allowed(policies, Pod({}, name), server, 1)
    for peer in policy.allow_pods:
        client = Pod(peer.pod_labels, "theirs" if peer.namespace_labels else here, peer.namespace_labels)
        assert allowed(policies, client, server, port_of_server)
    for component in [name for name in pods if any(r.name.endswith(f"-{name}") for r in graph.of("NetworkPolicy"))]:
        if component not in ("server", "garbage-collection", "migration", *BACKUPS):
            store = pods.pop(component)
            reaches = component == "database" and arguments.archives
            assert reaches or not allowed(policies, store, outside, 443)
            assert allowed(policies, store, outside, 53, "UDP") <= reaches
            assert not allowed(policies, neighbour, store, 9000)
            assert any(allowed(policies, server, store, port) for port in (9000, 5432, 3306))
    for component, pod in pods.items():
        resolvers = [str(cidr).split("/")[0] for cidr in policy.dns_cidrs]
        assert all(allowed(policies, pod, address, 53, "UDP") for address in resolvers or [outside])
        assert allowed(policies, pod, outside, 53, "UDP") is (not resolvers)
        for port in (80, 443, 988, 5432, 9000):
            google = _is_somebody_on_google(arguments)
            meant = component in ("server", "garbage-collection") and port == 80 and google
            # Backups have the pods' identity, but not what the artifacts need.
            elsewhere = arguments.identity is not None and arguments.identity.alibaba_ram is not None
            here_too = google and arguments.cloud is CloudName.GCP and not elsewhere
            meant |= component in BACKUPS and port == 80 and here_too
            # Unless they copy them; a drill reads the copies alone.
            meant |= component in ("backup", "restore") and port == 80 and google and _copies(arguments)
            assert allowed(policies, pod, METADATA, port) is meant, f"{component} and {METADATA}:{port}"
        if component in ("garbage-collection", *BACKUPS):
            assert allowed(policies, pod, server, port_of_server)
        elif component != "server":
            assert not allowed(policies, neighbour, pod, port_of_server)
            assert not allowed(policies, pod, outside, 2) or "postgresql" in configuration["database"]
        if "postgresql" in configuration["database"]:
            port = configuration["database"]["postgresql"].get("port", 5432)
            known = [str(cidr).split("/")[0] for cidr in policy.database_cidrs]
            assert all(allowed(policies, pod, address, port) for address in known or [outside, "2001:db8::9"])


def _copies(arguments: MlflowDeploymentArgs) -> bool:
    """Whether artifacts that are not on a volume are copied."""
    store, backup = arguments.artifacts, arguments.backup
    asked = backup is not None and backup.artifacts is BackupArtifacts.COPIED
    return asked and store.volume is None and store.nfs is None


def _is_somebody_on_google(arguments: MlflowDeploymentArgs) -> bool:
    store, identity = arguments.artifacts, arguments.identity
    if identity is not None and (identity.gcp_service_account or identity.gcp_direct) is not None:
        return True
    keyless = store.gcs is not None and (store.gcs.key_file, store.gcs.existing_secret) == (None, None)
    return keyless or store.gcp_bucket is not None


def garbage_is_collected_where_the_stores_are(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    args = arguments.garbage_collection
    jobs = {made.name.removeprefix(f"{_name(graph)}-"): made for made in graph.of("CronJob")}
    backup = arguments.backup
    expected = {"garbage-collection"} if args is not None else set()
    if backup is not None:
        expected |= set(BACKUPS) if backup.drill is not None else {"backup", "restore"}
    assert set(jobs) == expected
    for made in [jobs["garbage-collection"]] if args is not None else []:
        assert args is not None
        (container,) = made.pod["spec"]["containers"]
        values = {variable["name"]: variable.get("value") for variable in container["env"]}
        server = {v["name"]: v for v in _server_variables(graph)}
        scheme, usual = ("https", 443) if arguments.serves_tls else ("http", 80)
        port = "" if arguments.service.port == usual else f":{arguments.service.port}"
        uri = f"{scheme}://{_services(graph, arguments)[-1]}{port}{arguments.server.static_prefix}"
        assert values["MLFLOW_TRACKING_URI"] in (uri, UNKNOWN)
        for variable in container["env"]:
            # A proxy in front of the server teaches it who asks; jobs need not know.
            if variable["name"] in server and variable["name"] not in (
                "PGAPPNAME",
                "MLFLOW_TRACKING_URI",
                "PYTHONPATH",
            ):
                assert variable == server[variable["name"]], variable
        assert "MLFLOW_BACKEND_STORE_URI" in values
        assert ("MLFLOW_TRACKING_PASSWORD" in values) == arguments.authenticated
        assert container["args"] == [f"--older-than={args.older_than}"] + ["--all-workspaces"] * args.all_workspaces
        assert made.spec["concurrencyPolicy"] == "Forbid" and made.pod["spec"]["restartPolicy"] == "Never"
        recreated = graph.one("apps/v1:Deployment").spec["strategy"]["type"] == "Recreate"
        assert ("podAffinity" in made.pod["spec"].get("affinity", {})) == recreated


def figures_are_served_and_asked_for(graph: Graph, configuration: Mapping[str, Any]) -> None:
    arguments = arguments_of(configuration)
    monitoring, authenticated = arguments.monitoring, arguments.authenticated
    monitor = monitoring.service_monitor
    (server,) = [c for c in graph.one("apps/v1:Deployment").pod["spec"]["containers"] if c["name"] == "mlflow"]
    assert ("--expose-prometheus=/tmp/metrics" in server["args"]) == monitoring.prometheus
    front = graph.named(f"{_name(graph)}-service", "core/v1:Service")
    assert len(graph.of("ServiceMonitor")) == (monitoring.service_monitor is not None)
    for made in graph.of("ServiceMonitor"):
        assert made.spec["selector"]["matchLabels"].items() <= front.metadata["labels"].items()
        assert made.spec["namespaceSelector"] == {"matchNames": [front.metadata["namespace"]]}
        endpoint, *others = made.spec["endpoints"]
        metrics = [] if arguments.continuous_port is None else ["continuous"]
        assert [each["port"] for each in others] == metrics
        assert endpoint["path"] == "/metrics"
        assert endpoint["port"] in [port["name"] for port in front.spec["ports"]]
        assert ("basicAuth" in endpoint) == (authenticated or (monitor is not None and monitor.basic_auth is not None))
    assert len(graph.of("PrometheusRule")) == (monitoring.alerts is not None and monitoring.alerts.prometheus_rule)


ACCESS_CHECKS: list[Callable[[Graph, Mapping[str, Any]], None]] = [
    allowed_hosts_are_all_ways_to_the_server_and_no_more,
    allowed_origins_are_those_of_its_own_pages,
    ways_in_lead_to_the_service_under_the_prefix,
    policies_let_through_what_is_used_and_no_more,
    garbage_is_collected_where_the_stores_are,
    figures_are_served_and_asked_for,
]
