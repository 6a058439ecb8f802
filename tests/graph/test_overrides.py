"""The user's last word on Kubernetes objects."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components import ConfigurationError
from components.cluster.overrides import merge
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.program import Secret, deploy, make, run
from tests.unit.refusals import messages

SERVER = "Deployment/server"


def overridden(patch: Any, configuration: Any = DEV) -> Any:
    return deploy(changed(configuration, "overrides", {SERVER: patch})).one("apps/v1:Deployment")


def test_mappings_are_merged_and_null_removes() -> None:
    server = overridden(
        {"metadata": {"annotations": {"a": "b"}}, "spec": {"revisionHistoryLimit": None, "paused": True}}
    )
    assert server.metadata["annotations"] == {"a": "b"}
    assert server.metadata["labels"]["app.kubernetes.io/component"] == "server"
    assert "revisionHistoryLimit" not in server.spec and server.spec["paused"] is True
    assert server.spec["template"]["spec"]["containers"][0]["name"] == "mlflow"


def test_items_of_lists_are_merged_by_name() -> None:
    container = {
        "name": "mlflow",
        "env": [
            {"name": "DO_NOT_TRACK", "$patch": "delete"},
            {"name": "HOME", "value": "/x"},
            {"name": "N", "value": "1"},
        ],
        "volumeMounts": [{"mountPath": "/tmp", "readOnly": False}],
        "ports": [{"containerPort": 5000, "protocol": "TCP"}],
        "args": ["--host=0.0.0.0"],
        "livenessProbe": None,
    }
    before = deploy(DEV).one("apps/v1:Deployment").pod["spec"]["containers"][0]
    after = overridden({"spec": {"template": {"spec": {"containers": [container]}}}}).pod["spec"]["containers"][0]
    variables = {v["name"]: v.get("value") for v in after["env"]}
    assert "DO_NOT_TRACK" not in variables and variables["HOME"] == "/x" and variables["N"] == "1"
    assert len(after["env"]) == len(before["env"])
    assert {"name": "tmp", "mountPath": "/tmp", "readOnly": False} in after["volumeMounts"]
    assert len(after["volumeMounts"]) == len(before["volumeMounts"])
    assert after["ports"] == [{"name": "http", "containerPort": 5000, "protocol": "TCP"}]
    assert after["args"] == ["--host=0.0.0.0"] and "livenessProbe" not in after
    assert after["readinessProbe"] == before["readinessProbe"]


def test_every_object_can_be_changed_by_the_name_in_the_list() -> None:
    objects = [r for r in deploy(PRODUCTION) if r.type.startswith("kubernetes:")]
    names = [f"{r.type.rpartition(':')[2]}/{r.name.removeprefix('mlflow-')}" for r in objects]
    assert len(names) == len(set(names)) > 9
    patch = {"metadata": {"annotations": {"seen": "yes"}}}
    graph = deploy(changed(PRODUCTION, "overrides", dict.fromkeys(names, patch)))
    changed_objects = [r for r in graph if r.type.startswith("kubernetes:")]
    assert [r.name for r in changed_objects if r.metadata["annotations"].get("seen") != "yes"] == []
    secret = graph.named("mlflow-database")
    assert isinstance(secret.inputs["stringData"], Secret)


def test_unknown_object_is_refused_with_those_that_there_are() -> None:
    def program() -> None:
        with pytest.raises(ConfigurationError) as error:
            make(
                "mlflow",
                changed(DEV, "overrides", {"Deployment/sever": {}, "Service/service": {"spec": {"tipe": "x"}}}),
            )
        first, second = str(error.value).splitlines()[1:]
        assert (
            'overrides["Deployment/sever"]: there is no such object; there are: ConfigMap/front, ConfigMap/migration, '
            in first
        )
        assert 'overrides["Service/service"].spec.tipe: unknown key; did you mean type?' in second

    run(program)


OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("Service/service", {"metadata": {"name": "x"}}, "metadata.name: is what others refer to; use names.service"),
    ("CronJob/backup", {"metadata": {"name": "x"}}, "metadata.name: is what others refer to; remove it"),
    ("ConfigMap/upgrade", {"metadata": {"name": "x"}}, "metadata.name: is what others refer to; remove it"),
    ("Secret/admin", {"metadata": {"namespace": "x"}}, "metadata.namespace: is what others refer to; use namespace"),
    ("Service/service", {"kind": "Pod"}, "kind: cannot be changed; remove it, or use extraObjects"),
    (
        "Deployment/server",
        {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/instance": "x"}}}}},
        'spec.template.metadata.labels["app.kubernetes.io/instance"]: is a label by which objects are found; remove it',
    ),
    (
        "Service/service",
        {"spec": {"selector": {"app.kubernetes.io/component": "x"}}},
        'spec.selector["app.kubernetes.io/component"]: is a label by which objects are found; remove it',
    ),
]


@pytest.mark.parametrize(("name", "patch", "told"), OTHERS, ids=[name for name, *_ in OTHERS])
def test_what_others_know_an_object_by_is_not_patched(name: str, patch: dict[str, Any], told: str) -> None:
    (line,) = messages(changed(DEV, "overrides", {name: patch}))
    assert line.startswith(f'overrides["{name}"].{told}')


SERVER_POD = {"containers": [{"name": "mlflw", "resources": {"limits": {"cpu": "2"}}}]}
MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("Deployment/server", SERVER_POD, "containers[0].name", "there is no container 'mlflw', and to add one it needs an image; there are: mlflow"),
    ("Deployment/server", {"initContainers": [{"name": "migrate", "env": []}]}, "initContainers[0].name", "there is no init container 'migrate', and to add one it needs an image; there are: migration"),
    ("Deployment/server", {"volumes": [{"name": "temp", "emptyDir": {"sizeLimit": "9Gi"}}]}, "volumes[0].name", "there is no volume 'temp', and nothing in this patch mounts it; there are: "),
    ("Deployment/server", {"volumes": [{"name": "temp", "$patch": "delete"}]}, "volumes[0].name", "there is no volume 'temp' to delete; there are: "),
    ("Deployment/server", {"containers": [{"name": "mlflow", "env": [{"name": "DO_NOT_TRAK", "$patch": "delete"}]}]}, "containers[0].env[0].name", "there is no item 'DO_NOT_TRAK' to delete; there are: "),
    ("CronJob/garbage-collection", {"containers": [{"name": "collector", "tty": True}]}, "containers[0].name", "there is no container 'collector', and to add one it needs an image; there are: "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "pod", "path", "message"), MISTAKES, ids=[path for _, _, path, _ in MISTAKES])
def test_patch_of_a_part_that_is_not_there_is_refused_with_those_that_are(
    name: str, pod: dict[str, Any], path: str, message: str
) -> None:
    spec: dict[str, Any] = {"template": {"spec": pod}}
    above = "spec.template.spec"
    if name.startswith("CronJob"):
        spec, above = {"jobTemplate": {"spec": spec}}, "spec.jobTemplate.spec.template.spec"

    def program() -> None:
        with pytest.raises(ConfigurationError) as error:
            make("mlflow", {**DEV, "garbageCollection": {}, "overrides": {name: {"spec": spec}}})
        (line,) = str(error.value).splitlines()[1:]
        assert line.strip().startswith(f'overrides["{name}"].{above}.{path}: {message}'), line

    run(program)


def test_whole_containers_and_volumes_that_are_mounted_may_be_added() -> None:
    pod = {
        "containers": [
            {"name": "mlflow", "volumeMounts": [{"name": "more", "mountPath": "/more"}]},
            {"name": "extra", "image": "registry.example.com/x:1"},
        ],
        "initContainers": [{"name": "first", "image": "registry.example.com/x:1"}],
        "volumes": [{"name": "more", "emptyDir": {}}],
    }
    after = overridden({"spec": {"template": {"spec": pod}}}).pod["spec"]
    assert [container["name"] for container in after["containers"]] == ["mlflow", "extra"]
    assert "first" in [container["name"] for container in after["initContainers"]]
    assert {"name": "more", "emptyDir": {}} in after["volumes"]


def test_outputs_are_merged_when_they_are_known() -> None:
    def program() -> None:
        data = pulumi.Output.from_input({"a": "1", "b": "2"})
        k8s.core.v1.ConfigMap("c", data=merge(data, {"b": None, "c": "3"}))

    assert run(program).named("c").inputs["data"] == {"a": "1", "c": "3"}


@pytest.mark.parametrize(
    ("base", "patch", "field", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, "", {"a": {"b": 1, "c": 2}}),
        ({"a": 1}, {"a": None, "b": None}, "", {}),
        (None, {"a": {"b": None, "c": 1}}, "", {"a": {"c": 1}}),
        ([{"name": "a", "x": 1}], [{"name": "a", "y": 2}, {"name": "b"}], "", [{"name": "a", "x": 1, "y": 2}, {"name": "b"}]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a", "$patch": "delete"}], "", [{"name": "b"}]),
        ([{"key": "a"}], [{"key": "b"}], "tolerations", [{"key": "b"}]),
        ([{"port": 80, "name": "x"}], [{"port": 80, "nodePort": 1}], "ports", [{"port": 80, "name": "x", "nodePort": 1}]),
        (["a"], ["b"], "args", ["b"]),
        ("a", {"b": 1}, "", {"b": 1}),
    ],
)  # fmt: skip
def test_merge(base: Any, patch: Any, field: str, expected: Any) -> None:
    assert merge(base, patch, field) == expected


def test_extra_objects_are_children_in_the_namespace_and_hide_secrets() -> None:
    objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "canary"}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": "other", "labels": {"a": "b"}},
        },
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "p"}, "value": 7},
        {"apiVersion": "a.example/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"x": [1]}, "status": {}},
    ]
    graph = deploy(with_changes(DEV, {"extraObjects": objects, "namespace": "ml"}))
    secret = graph.named("mlflow-extra-secret-s")
    assert isinstance(secret.inputs["stringData"], Secret) and secret.metadata["namespace"] == "ml"
    config_map = graph.named("mlflow-extra-configmap-other-c")
    assert config_map.metadata["namespace"] == "other" and config_map.metadata["labels"]["a"] == "b"
    priority = graph.one("scheduling.k8s.io/v1:PriorityClass")
    assert "namespace" not in priority.metadata and priority.inputs["value"] == 7
    thing = graph.one("a.example/v1:Thing")
    assert thing.inputs["spec"] == {"x": [1]} and thing.parent.endswith("MlflowDeployment::mlflow")
