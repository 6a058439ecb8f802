"""Parts of a pod: what each adds is there, none hides another's, and a proxy is the only way in."""

import itertools
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components import to_arguments
from components.arguments import reserved
from components.arguments.reserved import PORT_NAME
from components.contracts import NetworkDestination, WorkloadIdentity
from components.pods.containers import drain, mlflow_container
from components.pods.environment import plain_environment
from components.pods.part import PodPart, join
from components.pods.scope import Scope
from components.pods.server import deployment
from tests.configurations import CERTIFICATE, DEV, changed, with_changes
from tests.graph.invariants import (
    environment_names_each_variable_once,
    objects_have_names_of_their_own,
    own_containers,
    ports_of_a_pod_are_those_of_one_container,
    variables_of_the_server_are_in_the_register,
    volumes_and_mounts_fit,
)
from tests.graph.program import deploy, run
from tests.graph.scenarios import SCENARIOS

VOLUME = k8s.core.v1.VolumeArgs(name="extra", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs())
MOUNT = k8s.core.v1.VolumeMountArgs(name="extra", mount_path="/extra")
FIRST = k8s.core.v1.ContainerArgs(name="first", image="first:1")


def scope_of(user: PodPart | None = None) -> Scope:
    return Scope(
        name="mlflow",
        namespace="mlflow",
        args=to_arguments(changed(DEV, "server.port", 5000)),
        identity=WorkloadIdentity(),
        parent=pulumi.ComponentResource("t:t:T", "t"),
        user=user or PodPart(),
    )


def test_parts_reach_the_pod_and_a_proxy_is_the_only_way_in() -> None:
    def program() -> None:
        scope = scope_of(PodPart(environment=plain_environment({"OF_USER": "user"})))
        proxy = k8s.core.v1.ContainerArgs(
            name="proxy",
            image="proxy:1",
            ports=[k8s.core.v1.ContainerPortArgs(name=PORT_NAME, container_port=4180)],
            lifecycle=drain(scope),
        )
        part = join(
            PodPart(
                arguments=["--app-name=basic-auth"],
                environment=plain_environment({"OF_PART": "part", "OF_USER": "part"}),
                mounts=[MOUNT],
                volumes=[VOLUME],
                init_containers=[FIRST],
            ),
            PodPart(containers=[proxy], proxy_port=4180),
        )
        deployment(scope, part, exclusive=True, first=[], after=[])

    pod = run(program).one("apps/v1:Deployment").pod["spec"]
    server, proxy = pod["containers"]
    options = "--uvicorn-opts=--timeout-keep-alive=3620 --no-proxy-headers"
    assert server["args"] == ["--host=127.0.0.1", "--port=5000", "--workers=1", options, "--app-name=basic-auth"]
    assert "ports" not in server and proxy["ports"] == [{"name": "http", "containerPort": 4180}]
    assert {server[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")} == {4180}
    environment = {variable["name"]: variable.get("value") for variable in server["env"]}
    assert environment["OF_PART"] == "part" and environment["OF_USER"] == "user"
    assert "$(POD_IP):4180" in str(environment["MLFLOW_SERVER_ALLOWED_HOSTS"])
    assert {"name": "extra", "mountPath": "/extra"} in server["volumeMounts"]
    assert {"name": "extra", "emptyDir": {}} in pod["volumes"]
    assert [container["name"] for container in pod["initContainers"]] == ["first"]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (
            PodPart(environment=plain_environment({"A": "1"})),
            PodPart(environment=plain_environment({"A": "2"})),
            "variable A",
        ),
        (PodPart(mounts=[MOUNT]), PodPart(mounts=[MOUNT]), "mount /extra"),
        (PodPart(mounts=[MOUNT]), PodPart(mounts=[{"name": "x", "mountPath": "/extra"}]), "mount /extra"),  # type: ignore[list-item]
        (PodPart(volumes=[VOLUME]), PodPart(volumes=[VOLUME]), "volume extra"),
        (PodPart(init_containers=[FIRST]), PodPart(containers=[FIRST]), "container first"),
        (PodPart(proxy_port=1), PodPart(proxy_port=2), "proxy"),
    ],
)
def test_no_part_hides_what_another_brings(one: PodPart, other: PodPart, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        join(one, other)


def test_lists_are_joined_in_order() -> None:
    near, far = (NetworkDestination(host=host, port=1) for host in ("near", "far"))
    joined = join(
        PodPart(python_path=["/a"], network=[near], arguments=["--x"]), PodPart(python_path=["/b"], network=[far])
    )
    assert (joined.python_path, joined.network, joined.arguments) == (["/a", "/b"], [near, far], ["--x"])


@pytest.mark.parametrize(("given", "value"), [({}, "/a:/b"), ({"PYTHONPATH": "/theirs"}, "/a:/b:$(USER_PYTHONPATH)")])
def test_directories_of_modules_are_searched_ours_first_and_the_users_too(given: dict[str, str], value: str) -> None:
    def program() -> None:
        scope = scope_of(PodPart(environment=plain_environment({"LATER": "1", **given})))
        part = PodPart(python_path=["/a", "/b"])
        made = mlflow_container(scope, "x", part, scope.args.pod.resources, command=["x"], user=scope.user)
        names = [str(variable.name) for variable in made.env]  # type: ignore[union-attr]
        values = {str(variable.name): variable.value for variable in made.env}  # type: ignore[union-attr]
        assert values["PYTHONPATH"] == value
        assert values.get("USER_PYTHONPATH") == given.get("PYTHONPATH")
        assert names[-1] == "LATER" and names.index("PYTHONPATH") > names.index("HOME")
        if given:
            assert names.index("USER_PYTHONPATH") < names.index("PYTHONPATH"), (
                "Kubernetes expands what came before only"
            )

    run(program)


DATABASES = {
    name: SCENARIOS[scenario]["database"]
    for name, scenario in {
        "sqlite": "sqlite",
        "postgresql": "verified-database-direct-artifacts",
        "mysql": "mysql",
        "created": "created-database",
        "in-cluster": "in-cluster-postgresql",
    }.items()
} | {"uri": {"uri": {"value": "postgresql+psycopg2://u:canary@db/mlflow"}}}
STORES: dict[str, Any] = {
    "volume": {"volume": {}},
    "s3": {"s3": {"bucket": "models", "caCertificate": CERTIFICATE, "region": "eu-central-1"}},
    "minio": {"minio": {}},
    "gcs": {"gcs": {"bucket": "models", "existingSecret": {"name": "key"}, "transferTimeoutSeconds": 9}},
    "azure": {"azureBlob": {"account": "models", "container": "mlflow", "presigned": False}},
    "oss": {"oss": {"bucket": "models", "endpoint": "oss-x.aliyuncs.com"}},
    "ftp": {"ftp": {"host": "files", "username": "mlflow", "existingSecret": {"name": "login"}}},
    "sftp": SCENARIOS["keys-in-files"]["artifacts"],
    "nfs": SCENARIOS["nfs"]["artifacts"],
    "uri": {"uri": {"uri": "b2://models", "env": {"B2_REALM": "a"}}},
}
LOGINS: dict[str, Any] = {
    "nobody": None,
    "basic": SCENARIOS["basic-auth-own-database"]["auth"],
    "ldap": SCENARIOS["ldap"]["auth"],
    "oidc": SCENARIOS["oidc"]["auth"],
    "app": SCENARIOS["own-application"]["auth"],
}
ADDITIONS: dict[str, Any] = {
    "server.replicas": 1,
    "server.workspaces": {},
    "server.tls": {"existingSecret": {"name": "tls", "caKey": "ca.crt"}},
    "monitoring": {"prometheus": True, "serviceMonitor": {}},
    "networkPolicy": {},
    "pod.containers": [{"name": "extra-log", "image": "x:1", "ports": [{"containerPort": 9000}]}],
}
"""What meets every database, store and way to log in."""
PAIRS = [
    (database, store, [*LOGINS][(row + column) % len(LOGINS)])
    for row, database in enumerate(DATABASES)
    for column, store in enumerate(STORES)
]
"""Any two meet: each database with each store, and each way to log in with each of both."""


@pytest.mark.parametrize(("database", "store", "login"), PAIRS)
def test_any_two_parts_meet_without_taking_each_others_names(database: str, store: str, login: str) -> None:
    changes = {"database": DATABASES[database], "artifacts": STORES[store], **ADDITIONS}
    if store != "ftp":
        changes["garbageCollection"] = {}
    if LOGINS[login] is not None:
        changes |= {"auth": LOGINS[login], "image.repository": "registry.example.com/mlflow-ours"}
    configuration = with_changes(DEV, changes)
    graph = deploy(configuration)
    for check in (
        environment_names_each_variable_once,
        variables_of_the_server_are_in_the_register,
        volumes_and_mounts_fit,
        objects_have_names_of_their_own,
        ports_of_a_pod_are_those_of_one_container,
    ):
        check(graph, configuration)
    assert {c["name"] for c in own_containers(graph.one("apps/v1:Deployment").pod["spec"])} <= reserved.CONTAINERS


def test_pairs_are_all_pairs() -> None:
    for first, second in itertools.combinations(range(3), 2):
        wanted = itertools.product(*(list((DATABASES, STORES, LOGINS)[each]) for each in (first, second)))
        assert {(pair[first], pair[second]) for pair in PAIRS} == set(wanted)
