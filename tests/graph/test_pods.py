"""The server's pods and their number: what each argument becomes."""

from typing import Any

from components.arguments import reserved
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.invariants import server_container
from tests.graph.program import Graph, deploy
from tests.graph.scenarios import SCENARIOS


def pod_of(configuration: Any) -> Any:
    return deploy(configuration).one("apps/v1:Deployment").pod["spec"]


def environment(graph: Graph) -> dict[str, Any]:
    return {v["name"]: v.get("value", v.get("valueFrom")) for v in server_container(graph)["env"]}


def test_server_settings_become_options_of_uvicorn_and_variables() -> None:
    changes = {
        "server.logLevel": "WARNING",
        "server.uvicorn": {"limit-concurrency": 75, "no-server-header": True, "header": "X-A: b c"},
        "server.keepAliveSeconds": 90,
        "server.tls": {"existingSecret": {"name": "t", "certificateKey": "c.pem"}},
        "server.workspaces": {},
        "server.telemetry": True,
        "service.port": 443,
    }
    graph = deploy(with_changes(DEV, changes))
    (options,) = [arg for arg in server_container(graph)["args"] if arg.startswith("--uvicorn-opts=")]
    assert options == (
        "--uvicorn-opts=--timeout-keep-alive=90 --no-proxy-headers --log-level=warning --ssl-certfile=/etc/mlflow/tls/tls.crt "
        "--ssl-keyfile=/etc/mlflow/tls/tls.key --limit-concurrency=75 --no-server-header '--header=X-A: b c'"
    )
    variables = environment(graph)
    assert variables["MLFLOW_LOGGING_LEVEL"] == "WARNING" and variables["MLFLOW_ENABLE_WORKSPACES"] == "true"
    assert "MLFLOW_DISABLE_TELEMETRY" not in variables and "DO_NOT_TRACK" not in variables
    assert variables["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")[0] == "https://mlflow"
    spec = graph.one("apps/v1:Deployment").pod["spec"]
    assert {
        "name": "tls",
        "secret": {
            "secretName": "t",
            "items": [{"key": "c.pem", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
        },
    } in spec["volumes"]
    outputs = next(outputs for urn, outputs in graph.outputs.items() if urn.endswith("MlflowDeployment::mlflow"))
    assert outputs["trackingUri"] == "https://mlflow.mlflow.svc.cluster.local"


def test_telemetry_is_off_unless_asked_for() -> None:
    variables = environment(deploy(DEV))
    assert variables["MLFLOW_DISABLE_TELEMETRY"] == variables["DO_NOT_TRACK"] == "true"


def test_variables_by_reference() -> None:
    changes = {
        "server.valueFrom": {
            "A": {"secret": {"name": "s", "key": "k"}},
            "B": {"configMap": {"name": "c", "key": "k", "optional": True}},
            "C": {"field": "spec.nodeName"},
            "D": {"resource": "limits.memory"},
        },
        "server.envFrom": [{"secret": "s", "prefix": "P_"}, {"configMap": "c", "optional": True}],
    }
    graph = deploy(with_changes(PRODUCTION, changes))
    variables = environment(graph)
    assert variables["A"] == {"secretKeyRef": {"name": "s", "key": "k"}}
    assert variables["B"] == {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}
    assert variables["C"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert variables["D"] == {"resourceFieldRef": {"resource": "limits.memory"}}
    for _, pod in graph.pods():
        (container,) = pod["spec"]["containers"]
        assert container["envFrom"] == [
            {"prefix": "P_", "secretRef": {"name": "s"}},
            {"configMapRef": {"name": "c", "optional": True}},
        ]


def test_parts_of_the_pod_in_either_spelling() -> None:
    pod = {
        "affinity": {"node_affinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "tolerations": [{"key": "a", "toleration_seconds": 5, "operator": "Exists", "effect": "NoExecute"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.example"]}],
        "dnsConfig": {"nameservers": ["10.0.0.2"]},
        "dnsPolicy": "None",
        "runtimeClassName": "gvisor",
        "schedulerName": "volcano",
        "securityContext": {"supplementalGroups": [7], "fsGroupChangePolicy": "Always"},
        "containerSecurityContext": {"readOnlyRootFilesystem": False, "capabilities": {"add": ["NET_BIND_SERVICE"]}},
        "runAsUser": None,
        "volumes": [{"name": "v", "empty_dir": {}}],
        "mounts": [{"name": "v", "mount_path": "/v"}],
        "containers": [{"name": "log", "image": "x:1", "securityContext": {"readOnlyRootFilesystem": False}}],
        "initContainers": [{"name": "first", "image": "x:1"}],
        "probes": {"liveness": {"periodSeconds": 30}, "readiness": {"failureThreshold": 9}},
    }
    spec = pod_of(changed(DEV, "pod", pod))
    assert spec["affinity"] == {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    assert spec["tolerations"] == [{"key": "a", "tolerationSeconds": 5, "operator": "Exists", "effect": "NoExecute"}]
    assert spec["hostAliases"] == pod["hostAliases"] and spec["dnsConfig"] == pod["dnsConfig"]
    assert (spec["dnsPolicy"], spec["runtimeClassName"], spec["schedulerName"]) == ("None", "gvisor", "volcano")
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "Always",
        "seccompProfile": {"type": "RuntimeDefault"},
        "supplementalGroups": [7],
    }
    server, log = spec["containers"]
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
    assert log["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [container["name"] for container in spec["initContainers"]] == ["migration", "first"]
    assert {"name": "v", "emptyDir": {}} in spec["volumes"]
    assert {"name": "v", "mountPath": "/v"} in server["volumeMounts"]
    assert (server["livenessProbe"]["periodSeconds"], server["livenessProbe"]["timeoutSeconds"]) == (30, 10)
    assert (server["readinessProbe"]["failureThreshold"], server["readinessProbe"]["periodSeconds"]) == (9, 5)


def test_deployment_has_labels_annotations_and_a_name_of_its_own() -> None:
    changes = {"pod.deploymentLabels": {"a": "b"}, "pod.deploymentAnnotations": {"c": "d e"}, "names.deployment": "x"}
    metadata = deploy(with_changes(DEV, changes)).one("apps/v1:Deployment").metadata
    assert metadata["labels"]["a"] == "b" and metadata["annotations"] == {"c": "d e"} and metadata["name"] == "x"


def test_keys_from_an_existing_secret_are_not_generated() -> None:
    keys = {"name": "k", "flaskSecretKeyKey": "f", "webhookSecretEncryptionKeyKey": "w"}
    graph = deploy(changed(DEV, "keys.existingSecret", keys))
    variables = environment(graph)
    assert variables["MLFLOW_FLASK_SERVER_SECRET_KEY"] == {"secretKeyRef": {"name": "k", "key": "f"}}
    assert variables["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"] == {"secretKeyRef": {"name": "k", "key": "w"}}
    assert [r.name for r in graph.of("RandomPassword")] == ["mlflow-kek-passphrase"]


def test_autoscaler_goes_by_the_servers_container_and_the_users_metrics() -> None:
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "9"}},
    }
    changes = {"server.replicas": 1, "autoscaling": {"memoryPercent": 80, "metrics": [metric]}}
    scaler = deploy(with_changes(PRODUCTION, changes)).one("autoscaling/v2:HorizontalPodAutoscaler").spec
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    cpu, memory, own = scaler["metrics"]
    target = {"type": "Utilization", "averageUtilization": 70}
    assert cpu == {
        "type": "ContainerResource",
        "containerResource": {"name": "cpu", "container": "mlflow", "target": target},
    }
    assert memory["containerResource"]["target"]["averageUtilization"] == 80
    assert own == metric
    assert scaler["scaleTargetRef"]["kind"] == "Deployment"


def test_spread_and_budget_as_given() -> None:
    own = {"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    changes = {
        "server.replicas": 4,
        "spread": {"required": True, "maxSkew": 2, "constraints": [own]},
        "disruptionBudget.minAvailable": 3,
    }
    graph = deploy(with_changes(PRODUCTION, changes))
    zone, node, further = graph.one("apps/v1:Deployment").pod["spec"]["topologySpreadConstraints"]
    assert {zone["topologyKey"], node["topologyKey"]} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert zone["whenUnsatisfiable"] == "DoNotSchedule" and zone["maxSkew"] == 2
    assert further == own
    budget = graph.one("policy/v1:PodDisruptionBudget").spec
    assert budget["minAvailable"] == 3 and budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_register_of_reserved_names_holds_what_is_rendered() -> None:
    users_own = {"extra-log", "extra", "plugins", "scratch"}
    rendered = [owner.pod["spec"] for s in SCENARIOS.values() for owner in deploy(s).of("apps/v1:Deployment")]
    containers = {c["name"]: c for spec in rendered for c in [*spec.get("initContainers", []), *spec["containers"]]}
    volumes = {volume["name"] for spec in rendered for volume in spec["volumes"]}
    mounts = {mount["mountPath"] for c in containers.values() for mount in c.get("volumeMounts", [])}
    assert set(containers) - users_own <= reserved.CONTAINERS <= set(containers)
    assert volumes - users_own <= reserved.VOLUMES
    assert {path for path in mounts if not reserved.is_within(path)} == {"/tmp"}
