"""What belongs to the component in a pod, and what a user adds, told apart before anything is made."""

from typing import Any

import pytest

from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.unit.refusals import messages

SECRET = {"name": "login"}
OIDC = {
    "auth.oidc": {
        "issuerUrl": "https://id.example.com",
        "redirectUrl": "https://mlflow.example.com/oauth2/callback",
        "clientId": "mlflow",
        "existingSecret": SECRET,
        "emailDomains": ["*"],
    }
}


def _with(*ports: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"pod.containers": [{"name": "log", "image": "x:1", "ports": list(ports), **more}]}


def _mounts(*paths: str) -> dict[str, Any]:
    volumes = [{"name": "v", "emptyDir": {}}]
    return {"pod.volumes": volumes, "pod.mounts": [{"name": "v", "mountPath": path} for path in paths]}


TAKEN = "is where the component mounts its own files; mount it elsewhere"
REFUSED = [
    (_with({"containerPort": 5000}), "pod.containers[0].ports[0].containerPort: 5000 is the port of server.port; choose another port"),
    (
        {**OIDC, **_with({"containerPort": 8080})},
        "pod.containers[0].ports[0].containerPort: 8080 is the port of the proxy in front of the server; choose another port",
    ),
    (
        {**OIDC, "server.port": 8080, **_with({"containerPort": 8081})},
        "pod.containers[0].ports[0].containerPort: 8081 is the port of the proxy in front of the server; choose another port",
    ),
    (
        _with({"containerPort": 9000}, {"containerPort": 9000}),
        "pod.containers[0].ports[1].containerPort: 9000 is the port of the container 'log'; choose another port",
    ),
    (
        {"pod.initContainers": [{"name": "mesh", "image": "x:1", "restartPolicy": "Always", "ports": [{"containerPort": 5000}]}]},
        "pod.initContainers[0].ports[0].containerPort: 5000 is the port of server.port; choose another port",
    ),
    (
        _with({"name": "http", "containerPort": 9000}),
        "pod.containers[0].ports[0].name: 'http' is the port by which the Service finds the server; choose another name",
    ),
    (
        {**OIDC, "service.extraPorts": [{"name": "direct", "port": 81, "targetPort": 5000}]},
        "service.extraPorts[0].targetPort: 5000 is where the server listens for its proxy alone; leave it out, or give the port of a container of yours",
    ),
    (_mounts("/tmp/"), "pod.mounts[0].mountPath: '/tmp' is mounted already; use a folder below it"),
    (_mounts("/mlflow"), f"pod.mounts[0].mountPath: '/mlflow' {TAKEN}"),
    (_mounts("/etc"), f"pod.mounts[0].mountPath: '/etc' {TAKEN}"),
    (_mounts("/plugins/../etc/mlflow/x"), f"pod.mounts[0].mountPath: '/etc/mlflow/x' {TAKEN}"),
    (_mounts("/tmp/metrics"), f"pod.mounts[0].mountPath: '/tmp/metrics' {TAKEN}"),
    (_mounts("/a", "/a/"), "pod.mounts[1].mountPath: '/a' is mounted already by another of pod.mounts; mount it elsewhere"),
    (_with(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "pod.containers[0].env[1]: repeats the name of entry 0; keep one of them"),
    (
        {"pod.volumes": [{"name": "v", "emptyDir": {}}], **_with(volumeMounts=[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}])},
        "pod.containers[0].volumeMounts[1]: repeats the mountPath of entry 0; keep one of them",
    ),
    (_with(volumeMounts=[{"name": "models", "mountPath": "/a"}]), "pod.containers[0].volumeMounts[0].name: 'models' is not a volume of the pod; add it to pod.volumes"),
    (
        _with({"name": "m", "containerPort": 9000}, {"name": "m", "containerPort": 9001}),
        "pod.containers[0].ports[1]: repeats the name of entry 0; keep one of them",
    ),
    (
        _with({"name": "Metrics", "containerPort": 9000}),
        "pod.containers[0].ports[0].name: 'Metrics' is not the name of a port; use at most 15 lower-case letters, digits and single hyphens, and at least one letter",
    ),
    ({"image.pullSecrets": ["a", "b", "a"]}, "image.pullSecrets[2]: repeats the name of entry 0; keep one of them"),
    (
        {"pod.hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.1", "hostnames": ["b"]}]},
        "pod.hostAliases[1]: repeats the ip of entry 0; keep one of them",
    ),
    (
        {"server.jobExecution": True, "pod.hostAliases": [{"ip": "::", "hostnames": ["a"]}]},
        "pod.hostAliases[0].ip: '::' has a name of the component there with server.jobExecution; remove the entry",
    ),
    ({"spread.across": ["zone", "zone"]}, "spread.across[1]: repeats the label of entry 0; keep one of them"),
    (
        {"spread.constraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]},
        "spread.constraints[0]: 'kubernetes.io/hostname' with ScheduleAnyway is what across already asks for; remove it here, or there",
    ),
    (_mounts("models"), "pod.mounts[0].mountPath: 'models' is not an absolute path without ':'; start it with '/', and use no ':'"),
    (_mounts("/a:b"), "pod.mounts[0].mountPath: '/a:b' is not an absolute path without ':'; start it with '/', and use no ':'"),
    (
        {"pod.volumes": [{"name": "v", "emptyDir": {}}], "pod.mounts": [{"name": "v", "mountPath": "/a", "subPath": "../b"}]},
        "pod.mounts[0].subPath: '../b' leads out of the volume; write a path inside it, without '..'",
    ),
    ({"service.annotations": {"mlflow-deployment/kekPassphrase": "x"}}, 'service.annotations["mlflow-deployment/kekPassphrase"]: is set by this component; choose another key'),
    ({"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}, 'labels["pod-security.kubernetes.io/enforce"]: is set by this component; choose another key'),
    (
        {"server.env": {"MLFLOW_TRACKING_URI": "http://elsewhere"}},
        "server.env.MLFLOW_TRACKING_URI: is set by this component; jobs reach the server by it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), REFUSED)
def test_what_belongs_to_the_component_is_refused_with_its_path(changes: dict[str, Any], told: str) -> None:
    assert messages(with_changes(DEV, {"allowInsecure": True, **changes})) == [told]


ACCEPTED = [
    _with({"containerPort": 8080}, {"name": "dns", "containerPort": 5000, "protocol": "UDP"}),
    {"pod.initContainers": [{"name": "first", "image": "x:1", "ports": [{"containerPort": 5000}]}]},
    {"service.extraPorts": [{"name": "direct", "port": 81, "targetPort": 5000}]},
    _mounts("/tmp/models", "/opt/plugins", "/etc/mlflow-plugins"),
    _with(volumeMounts=[{"name": "tmp", "mountPath": "/scratch"}]),
    {
        "spread.constraints": [
            {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        ]
    },
    {"pod.hostAliases": [{"ip": "::", "hostnames": ["a"]}]},
    {"server.env": {"PYTHONUNBUFFERED": "0", "DO_NOT_TRACK": "0"}},
]


@pytest.mark.parametrize("changes", ACCEPTED)
def test_what_is_free_is_accepted(changes: dict[str, Any]) -> None:
    assert messages(with_changes(DEV, changes)) == []


OF_STORES = [
    ("s3", {"bucket": "models", "region": "eu-west-1"}, {"AWS_CA_BUNDLE": "use artifacts.s3.caCertificate", "AWS_DEFAULT_REGION": "use artifacts.s3.region", "AWS_ENDPOINT_URL_S3": "use artifacts.s3.endpointUrl", "AWS_ENDPOINT_URL": "use artifacts.s3.endpointUrl"}),
    ("gcs", {"bucket": "models"}, {"GOOGLE_APPLICATION_CREDENTIALS": "use artifacts.gcs.keyFile", "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "use artifacts.gcs.transferTimeoutSeconds"}),
    ("oss", {"bucket": "models", "endpoint": "oss-x.aliyuncs.com"}, {"AWS_CONFIG_FILE": "artifacts.oss needs it as it is"}),
    ("uri", {"uri": "b2://models", "env": {"B2_REALM": "a"}}, {"B2_REALM": "artifacts.uri has it as well: keep one of them"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "block", "variables"), OF_STORES, ids=lambda value: str(value)[:20])
def test_variables_of_the_chosen_store_are_refused_and_those_of_others_free(
    kind: str, block: dict[str, Any], variables: dict[str, str]
) -> None:
    own = changed(PRODUCTION, "artifacts", {kind: block})
    for name, fix in variables.items():
        given = changed(own, "server.secretEnv", {name: "/x"})
        assert messages(given) == [f"server.secretEnv.{name}: is set by this component; {fix}"]
        assert messages(changed(DEV, "server.secretEnv", {name: "/x"})) == []
