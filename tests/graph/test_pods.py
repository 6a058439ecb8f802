"""The server's pods and their number: what each argument becomes."""

from typing import Any

import pytest

from components.arguments import reserved
from components.arguments.checks import amount
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.invariants import own_containers, server_container
from tests.graph.program import Graph, deploy
from tests.graph.restricted import containers
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
    for _, pod in graph.working_pods():
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
    assert (server["readinessProbe"]["failureThreshold"], server["readinessProbe"]["periodSeconds"]) == (9, 2)


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
    assert [path for path in mounts - {"/extra"} if not reserved.is_taken(path)] == []


def test_resources_of_each_container_are_where_the_document_says() -> None:
    block = {"cpuRequest": "11m", "cpuLimit": "12m", "memoryRequest": "2Gi", "memoryLimit": "3Gi"}
    expected = {"requests": {"cpu": "11m", "memory": "2Gi"}, "limits": {"cpu": "12m", "memory": "3Gi"}}
    places = {
        "pod.resources": ("postgresql-s3", "mlflow-server", "mlflow"),
        "resources.migration": ("postgresql-s3", "mlflow-migration", "migration"),
        "resources.databaseCreation": ("created-database", "mlflow-database-creation", "database-creation"),
        "resources.minioBucket": ("minio", "mlflow-minio-bucket", "bucket"),
        "resources.helpers": ("mysql", "mlflow-server", "database-login"),
        "garbageCollection.resources": ("published", "mlflow-garbage-collection", "mlflow"),
        "auth.ldap.resources": ("ldap", "mlflow-server", "proxy"),
        "auth.oidc.resources": ("oidc", "mlflow-server", "proxy"),
        "database.inClusterPostgresql": ("in-cluster-postgresql", "mlflow-database", "database"),
        "database.inClusterMysql": ("in-cluster-mysql", "mlflow-database", "database"),
        "artifacts.minio": ("minio", "mlflow-minio", "minio"),
    }
    for path, (scenario, owner, name) in places.items():
        graph = deploy(with_changes(SCENARIOS[scenario], {f"{path}.{key}": value for key, value in block.items()}))
        (spec,) = [pod["spec"] for registration, pod in graph.pods() if registration.name == owner]
        (made,) = [each for each in containers(spec) if each["name"] == name]
        found = {
            kind: {k: v for k, v in made["resources"][kind].items() if k != "ephemeral-storage"} for kind in expected
        }
        assert found == expected, path


OWN_VARIABLES = {
    "server.env.FIRST": "1",
    "server.secretEnv": {"HIDDEN": "x"},
    "server.valueFrom": {"NODE": {"field": "spec.nodeName"}},
}
"""What a user has already."""
RULES_OF_A_CLUSTER = {
    **OWN_VARIABLES,
    "server.env.PGAPP": "2",
    "resources.all": {"cpuLimit": "200m", "ephemeralStorageLimit": "8Gi"},
    "labels": {"cost-centre": "4711"},
    "pod.runAsUser": None,
    "pod.securityContext": {"fsGroupChangePolicy": "Always"},
    "pod.containerSecurityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}, "seLinuxOptions": {"level": "s0"}},
    "pod.labels": {"sidecar.istio.io/inject": "true", "tier": "one"},
    "pod.annotations": {"linkerd.io/inject": "enabled"},
}
"""OpenShift, a quota on every limit, a mesh that is told to be there, and labels: what must reach every pod, or must not."""


@pytest.fixture(scope="module", params=SCENARIOS)
def both(request: pytest.FixtureRequest) -> tuple[Graph, Graph]:
    """A scenario without and with them."""
    before, after = (with_changes(SCENARIOS[request.param], changes) for changes in (OWN_VARIABLES, RULES_OF_A_CLUSTER))
    return deploy(before), deploy(after)


def test_every_container_of_every_pod_follows_the_pods_arguments(both: tuple[Graph, Graph]) -> None:
    """Also those of other images, of Jobs, and those that write a file before the server starts."""
    for owner, template in both[1].pods():
        spec = template["spec"]
        assert spec["securityContext"]["fsGroupChangePolicy"] == "Always", owner.name
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"]), owner.name
        for container in own_containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                "seLinuxOptions": {"level": "s0"},
            }, f"{owner.name}: {container['name']}"


def test_every_container_has_every_limit_that_a_quota_may_ask_for(both: tuple[Graph, Graph]) -> None:
    for owner, template in both[1].pods():
        for container in own_containers(template["spec"]):
            resources, where = container["resources"], f"{owner.name}: {container['name']}"
            assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory", "ephemeral-storage"}, (
                where
            )
            for kind, limit in resources["limits"].items():
                assert (amount(resources["requests"][kind]) or 0) <= (amount(limit) or 0), f"{where} {kind}"
    # No less than its request, of 250m.
    assert server_container(both[1])["resources"]["limits"]["cpu"] == "250m"


def test_nothing_is_injected_into_what_must_end(both: tuple[Graph, Graph]) -> None:
    for owner, template in both[1].pods():
        labels, annotations = template["metadata"]["labels"], template["metadata"].get("annotations", {})
        told = (labels.get("sidecar.istio.io/inject"), annotations.get("linkerd.io/inject"))
        if owner.type.endswith(("batch/v1:Job", "batch/v1:CronJob")):
            assert told == ("false", "disabled"), owner.name
            assert labels["kuma.io/sidecar-injection"] == "disabled"
            assert annotations["consul.hashicorp.com/connect-inject"] == "false"
        elif owner.type.endswith(":Deployment"):
            assert told == ("true", "enabled")


def test_the_user_may_let_a_mesh_into_jobs() -> None:
    job = {"jobLabels": {"sidecar.istio.io/inject": "true"}, "jobAnnotations": {"linkerd.io/inject": "enabled"}}
    for owner, template in deploy(changed(SCENARIOS["published"], "pod", job)).pods():
        let_in = owner.type.endswith(("batch/v1:Job", "batch/v1:CronJob"))
        assert (template["metadata"]["labels"].get("sidecar.istio.io/inject") == "true") == let_in
        assert (template["metadata"].get("annotations", {}).get("linkerd.io/inject") == "enabled") == let_in


def test_a_label_changes_no_pod_that_keeps_data_and_no_selector(both: tuple[Graph, Graph]) -> None:
    before, after = ({(r.type, r.name): r for r in graph if r.inputs.get("spec")} for graph in both)
    assert set(before) == set(after)
    for key, registration in after.items():
        assert registration.spec.get("selector") == before[key].spec.get("selector")
        if registration.type.endswith(":StatefulSet"):
            assert registration.metadata["labels"]["cost-centre"] == "4711"
            assert registration.pod["metadata"] == before[key].pod["metadata"]
    server = both[1].one("apps/v1:Deployment").pod["metadata"]["labels"]
    assert (server["cost-centre"], server["tier"]) == ("4711", "one")


def test_one_more_variable_of_the_user_moves_no_other(both: tuple[Graph, Graph]) -> None:
    before, after = (
        {(o.name, c["name"]): c["env"] for o, pod in graph.pods() for c in own_containers(pod["spec"])}
        for graph in both
    )
    for place, variables in before.items():
        assert after[place][: len(variables)] == variables, place
        assert [each["name"] for each in after[place][len(variables) :]] in ([], ["PGAPP"]), place
