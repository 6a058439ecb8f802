"""Every knob of pods and objects through the real engine, as the API server keeps them; no pod of it ever runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import configurations, postgresql, s3
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.pulumi import Stack

pytestmark = pytest.mark.core

PROGRAM = """
import pulumi
from components import MlflowDeployment, load_arguments

def mark(args):
    if args.type_.startswith("kubernetes:"):
        metadata = args.props.setdefault("metadata", {})
        metadata.setdefault("annotations", {})["example.com/marked"] = args.name
    return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)

MlflowDeployment("mlflow", load_arguments(), pulumi.ResourceOptions(transforms=[mark]))
"""
DIGEST = "sha256:" + "0" * 64


def _values(namespace: str, database: postgresql.Database, bucket: s3.Bucket) -> dict[str, Any]:
    return configurations.postgresql(
        namespace,
        database,
        bucket,
        image={
            "repository": "registry.example.com/mlflow",
            "tag": "1",
            "digest": DIGEST,
            "pullPolicy": "Always",
            "pullSecrets": ["registry"],
        },
        pod={
            "resources": {"cpuRequest": "100m", "cpuLimit": "1", "memoryRequest": "600Mi", "memoryLimit": "1Gi"},
            "nodeSelector": {"example.com/pool": "nowhere"},
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
            "priorityClassName": "system-cluster-critical",
            "labels": {"team": "vision"},
            "annotations": {"example.com/a": "b"},
            "deploymentLabels": {"tier": "one"},
            "deploymentAnnotations": {"example.com/c": "d"},
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.example"]}],
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["10.0.0.2"]},
            "schedulerName": "own",
            "securityContext": {"supplementalGroups": [7]},
            "containerSecurityContext": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
            "volumes": [{"name": "extra", "emptyDir": {"sizeLimit": "1Mi"}}],
            "mounts": [{"name": "extra", "mountPath": "/extra"}],
            "containers": [{"name": "log", "image": "registry.example.com/log:1"}],
            "initContainers": [{"name": "first", "image": "registry.example.com/first:1"}],
            "probes": {"liveness": {"periodSeconds": 33}},
        },
        names={"service": "tracking", "deployment": "tracking"},
        disruptionBudget={"minAvailable": 1},
        overrides={
            "Deployment/server": {**configurations.SKIP_AWAIT, "spec": {"minReadySeconds": 3}},
            "Job/preflight": configurations.SKIP_AWAIT,
            "Job/migration": configurations.SKIP_AWAIT,
            "Service/service": {"spec": {"sessionAffinity": "ClientIP"}},
        },
        extraObjects=[
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"a": "b"}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": "readers"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            },
        ],
    )


@pytest.fixture(scope="module")
def stack(new_stack: Deploy, postgresql_server: postgresql.Server) -> Iterator[Stack]:
    """The deployment, by a program that marks every object by a transform of its own."""
    database, bucket = postgresql_server.database(), s3.Bucket("http://s3.example.com", "artifacts")
    with new_stack(program=PROGRAM) as made:
        values = _values(unique_name(), database, bucket)
        made.configure(values, configurations.postgresql_secrets(database, bucket)).up().succeeded()
        yield made


@pytest.fixture(scope="module")
def namespace(stack: Stack) -> str:
    """Where it is."""
    (made,) = [each for each in stack.resources() if each["type"] == "kubernetes:core/v1:Namespace"]
    return made["inputs"]["metadata"]["name"]


@pytest.mark.feature("srv-image", "srv-pod")
def test_the_deployment_is_as_it_was_asked_for(stack: Stack, kubectl: Kubectl, namespace: str) -> None:
    deployment = kubectl.json("get", "deployment", "tracking", "--namespace", namespace)
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    assert metadata["labels"]["tier"] == "one" and metadata["annotations"]["example.com/c"] == "d"
    assert template["metadata"]["labels"]["team"] == "vision"
    assert template["metadata"]["annotations"]["example.com/a"] == "b"
    spec = template["spec"]
    server, log = spec["containers"]
    assert server["image"] == f"registry.example.com/mlflow:1@{DIGEST}"
    assert server["imagePullPolicy"] == "Always" and spec["imagePullSecrets"] == [{"name": "registry"}]
    assert server["resources"] == {
        "requests": {"cpu": "100m", "memory": "600Mi", "ephemeral-storage": "6400Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }
    assert spec["nodeSelector"] == {"example.com/pool": "nowhere"}
    assert spec["affinity"] == {"podAntiAffinity": {}}
    assert spec["tolerations"] == [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]
    assert spec["priorityClassName"] == "system-cluster-critical" and spec["schedulerName"] == "own"
    assert spec["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["a.example"]}]
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["10.0.0.2"]})
    assert spec["securityContext"]["supplementalGroups"] == [7] and spec["securityContext"]["runAsNonRoot"] is True
    assert server["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert log["securityContext"]["allowPrivilegeEscalation"] is False
    assert [container["name"] for container in spec["initContainers"]] == ["first"]
    assert {"name": "extra", "emptyDir": {"sizeLimit": "1Mi"}} in spec["volumes"]
    assert {"name": "extra", "mountPath": "/extra"} in server["volumeMounts"]
    assert server["livenessProbe"]["periodSeconds"] == 33
    assert kubectl.json("get", "service", "tracking", "--namespace", namespace)
    assert kubectl.json("get", "serviceaccount", "mlflow", "--namespace", namespace)


@pytest.mark.feature("pdb", "spread")
def test_several_pods_have_a_budget_and_are_spread(stack: Stack, kubectl: Kubectl, namespace: str) -> None:
    (budget,) = kubectl.items("poddisruptionbudgets", namespace)
    assert budget["spec"]["minAvailable"] == 1 and budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    deployment = kubectl.json("get", "deployment", "tracking", "--namespace", namespace)["spec"]
    assert budget["spec"]["selector"] == deployment["selector"]
    zone, node = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert {zone["topologyKey"], node["topologyKey"]} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for constraint in (zone, node):
        assert constraint["labelSelector"] == deployment["selector"]
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]


def test_overrides_and_the_callers_transforms_reach_every_object(
    stack: Stack, kubectl: Kubectl, namespace: str
) -> None:
    deployment = kubectl.json("get", "deployment", "tracking", "--namespace", namespace)
    assert deployment["spec"]["minReadySeconds"] == 3
    assert kubectl.json("get", "service", "tracking", "--namespace", namespace)["spec"]["sessionAffinity"] == "ClientIP"
    objects = [each for each in stack.resources() if each["type"].startswith("kubernetes:")]
    assert len(objects) > 10
    for each in objects:
        marks = each["inputs"]["metadata"]["annotations"]
        assert marks["example.com/marked"] == each["urn"].rpartition("::")[2]
    assert deployment["metadata"]["annotations"]["example.com/marked"] == "mlflow-server"


def test_extra_objects_are_in_the_cluster(stack: Stack, kubectl: Kubectl, namespace: str) -> None:
    assert kubectl.json("get", "configmap", "notes", "--namespace", namespace)["data"] == {"a": "b"}
    role = kubectl.json("get", "role", "readers", "--namespace", namespace)
    assert role["metadata"]["labels"]["app.kubernetes.io/component"] == "extra"


def test_an_override_of_nothing_is_refused_with_what_there_is(
    stack: Stack, postgresql_server: postgresql.Server, namespace: str
) -> None:
    database, bucket = postgresql_server.database(), s3.Bucket("http://s3.example.com", "artifacts")
    values = {**_values(namespace, database, bucket), "overrides": {"Deployment/sever": {}}}
    output = stack.configure(values, configurations.postgresql_secrets(database, bucket)).preview().failed().output
    assert 'overrides["Deployment/sever"]: there is no such object; there are: ConfigMap/' in output
    assert "Deployment/server" in output
