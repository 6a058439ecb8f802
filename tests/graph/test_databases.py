"""What becomes of databases: how pods reach them, their passwords, and URIs that become known late and are wrong."""

import traceback
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components import ConfigurationError
from components.arguments.outputs import UnreadableError
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph import scenarios
from tests.graph.invariants import server_container
from tests.graph.program import Graph, deploy, make, run
from tests.unit.refusals import messages

FRAGMENT = "hunter2"
SERVER = {"inClusterPostgresql": "POSTGRES", "inClusterMysql": "MARIADB"}


def in_cluster(kind: str, **block: Any) -> dict[str, Any]:
    return with_changes(DEV, {"database": {kind: block}})


def uri_of(graph: Graph) -> str:
    variables = {each["name"]: each.get("value") for each in server_container(graph)["env"]}
    return str(variables["MLFLOW_BACKEND_STORE_URI"])


def test_a_host_that_says_nothing_is_given_up() -> None:
    graph = deploy(changed(PRODUCTION, "database.silenceTimeoutSeconds", 20))
    assert uri_of(graph) == (
        "postgresql+psycopg2://?connect_timeout=10&keepalives_idle=10&keepalives_interval=3&keepalives_count=3"
        "&tcp_user_timeout=20000"
    )
    mysql = {"mysql": {"host": "db", "password": "secret"}}
    assert uri_of(deploy(with_changes(PRODUCTION, {"database": mysql}))).endswith(
        "&connect_timeout=10&read_timeout=30&write_timeout=30"
    )


@pytest.mark.parametrize(
    "database",
    [
        {"uri": {"existingSecret": {"name": "database"}}},
        {"uri": {"value": "postgresql+psycopg2://u:secret@db/mlflow"}},
        {"postgresql": {"host": "db", "password": "x"}, "registry": {"existingSecret": {"name": "registry"}}},
    ],
)
def test_uris_of_users_are_completed_in_the_pod(database: dict[str, Any]) -> None:
    command = server_container(deploy(with_changes(PRODUCTION, {"database": database})))["command"]
    assert command[:2] == ["python", "-c"] and command[3:] == server_container(deploy(PRODUCTION))["command"]


@pytest.mark.parametrize("kind", SERVER)
def test_a_claim_that_exists_needs_the_password_of_its_database(kind: str) -> None:
    claim = {"existingClaim": "old"}
    (line,) = messages(in_cluster(kind, volume=claim))
    assert line.startswith(f"database.{kind}.volume.existingClaim: holds a database with a password of its own")
    (line,) = messages(in_cluster(kind, password="a", existingSecret={"name": "old"}))
    assert line.startswith(f"database.{kind}.existingSecret: is given as well as password")

    given = deploy(in_cluster(kind, volume=claim, password=f"{FRAGMENT}-and-more"))
    assert [r.name for r in given if r.type.endswith("RandomPassword") and r.name == "mlflow-database-password"] == []
    passwords = given.named("mlflow-database-passwords", "Secret").inputs["stringData"].value
    assert passwords["password"] == f"{FRAGMENT}-and-more"

    named = deploy(in_cluster(kind, volume=claim, existingSecret={"name": "old", "passwordKey": "word"}))
    assert set(named.named("mlflow-database-passwords", "Secret").inputs["stringData"].value) == {"administrator"}
    (server,) = named.named("mlflow-database", "StatefulSet").pod["spec"]["containers"]
    variables = {each["name"]: each.get("valueFrom") for each in server["env"]}
    own = "MLFLOW_PASSWORD" if kind == "inClusterPostgresql" else "MARIADB_PASSWORD"
    assert variables[own] == {"secretKeyRef": {"name": "old", "key": "word"}}


def test_a_server_in_the_cluster_accepts_what_the_pods_may_open() -> None:
    more = {"artifacts": PRODUCTION["artifacts"], "autoscaling": {}, "auth": {"basic": {}}, "server.replicas": 1}
    graph = deploy(with_changes(in_cluster("inClusterPostgresql"), more))
    (server,) = graph.named("mlflow-database", "StatefulSet").pod["spec"]["containers"]
    assert server["args"] == ["postgres", "-c", "max_connections=185"]
    (server,) = (
        deploy(in_cluster("inClusterPostgresql")).named("mlflow-database", "StatefulSet").pod["spec"]["containers"]
    )
    assert server["args"] == ["postgres", "-c", "max_connections=105"]


@pytest.mark.parametrize(
    ("place", "variable", "more"),
    [
        ("database.uri", "MLFLOW_BACKEND_STORE_URI", {"auth": {"basic": {}}}),
        ("database.mssql", "MLFLOW_BACKEND_STORE_URI", {}),
        ("database.registry", "MLFLOW_REGISTRY_STORE_URI", {}),
        ("artifacts.uri", "MLFLOW_ARTIFACTS_DESTINATION", {}),
        ("auth.database.uri", "USERS_DATABASE_URI", {"auth": {"basic": {}}}),
    ],
)
def test_a_uri_without_a_password_may_be_in_a_config_map(place: str, variable: str, more: Mapping[str, Any]) -> None:
    block, _, rest = place.rpartition(".")
    source = {"existingConfigMap": {"name": "stores", "key": "url"}}
    # Beside the choice that is there already, or instead of it.
    changes = {place: source} if block == "auth.database" or rest == "registry" else {block: {rest: source}}
    graph = deploy(with_changes(PRODUCTION, {**more, **changes, "garbageCollection": {}}))
    found = [
        each["valueFrom"]
        for _, pod in graph.working_pods()
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])
        for each in container["env"]
        if each["name"] in (variable, "USERS_DATABASE_URI") and "valueFrom" in each
    ]
    assert found and all(each == {"configMapKeyRef": {"name": "stores", "key": "url"}} for each in found)
    wrong = {**source, "value" if block != "artifacts" else "uri": "postgresql+psycopg2://db/mlflow"}
    changes = {place: wrong} if block == "auth.database" or rest == "registry" else {block: {rest: wrong}}
    (line, *_) = messages(with_changes(PRODUCTION, {**more, **changes}))
    assert line.startswith(f"{place}.existingConfigMap: is given as well as ")


LATE = {
    "database.uri.value": (PRODUCTION, "database", lambda value: {"uri": {"value": value}}),
    "database.mssql.value": (PRODUCTION, "database", lambda value: {"mssql": {"value": value}}),
    "database.registry.value": (PRODUCTION, "database.registry", lambda value: {"value": value}),
    "auth.database.uri.value": (
        PRODUCTION,
        "auth",
        lambda value: {"basic": {}, "database": {"uri": {"value": value}}},
    ),
    "artifacts.s3.endpointUrl": (PRODUCTION, "artifacts.s3.endpointUrl", lambda value: value),
}
UNREADABLE = f"postgresql+psycopg2://mlflow:{FRAGMENT}/x:{FRAGMENT}@db:{FRAGMENT}/mlflow"


@pytest.mark.parametrize("path", LATE)
@pytest.mark.parametrize("value", [UNREADABLE, f"https://user:{FRAGMENT}:{FRAGMENT}@[{FRAGMENT}/x"])
def test_a_late_value_that_cannot_be_read_is_named_and_not_shown(
    path: str, value: str, capfd: pytest.CaptureFixture[str]
) -> None:
    base, where, block = LATE[path]

    def program() -> None:
        make("mlflow", with_changes(base, {where: block(pulumi.Output.secret(value))}))

    with pytest.raises((UnreadableError, ConfigurationError)) as caught:
        run(program)
    shown = "".join(traceback.format_exception(caught.value)) + "".join(capfd.readouterr())
    assert f"{path}: " in str(caught.value)
    assert FRAGMENT not in shown


@pytest.mark.parametrize("uri", ["mysql+mysqldb://u:secret@db/mlflow", "mssql+pyodbc://u:secret@db/mlflow"])
def test_only_the_drivers_of_known_images_are_judged(uri: str) -> None:
    kind = "mssql" if uri.startswith("mssql") else "uri"
    official = with_changes(PRODUCTION, {"database": {kind: {"value": uri}}})
    (line,) = messages(official)
    assert line.startswith(f"database.{kind}.value: has the driver") and "official image does not hold" in line
    assert messages(with_changes(official, {"image": {"repository": "registry.example.com/mlflow", "tag": "1"}})) == []

    def program() -> None:
        repository = pulumi.Output.from_input("registry.example.com/mlflow")
        make("mlflow", with_changes(official, {"image": {"repository": repository}}))

    assert run(program)


def test_one_claim_holds_database_and_artifacts_as_one_volume_of_each_pod() -> None:
    """Two volumes of one claim would keep a pod waiting for the second."""
    for owner, pod in deploy(scenarios.SCENARIOS["one-claim"]).working_pods():
        claims = [v for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v]
        assert claims == [{"name": "database", "persistentVolumeClaim": {"claimName": "mlflow-pvc"}}], owner.name
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
            mounts = {m["mountPath"]: m.get("subPath") for m in container["volumeMounts"] if m["name"] == "database"}
            both = {"/mlflow/database": "database", "/mlflow/artifacts": "artifacts"}
            assert mounts in (both, {"/mlflow/database": "database"}), (owner.name, container["name"])
