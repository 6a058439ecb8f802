"""What callers can rely on: their provider, their options, their outputs, and several deployments in one program."""

from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random
import pytest
from pulumi.output import UNKNOWN

from components import ConfigurationError, MlflowDeploymentArgs, to_arguments, versions
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.graph.invariants import component, kubernetes, server_container, values
from tests.graph.program import Graph, Secret, deploy, make, run
from tests.graph.scenarios import CANARIES, SCENARIOS


def secrets_of(graph: Graph) -> dict[str, Any]:
    """All values in Secrets by their keys."""
    return {key: value for r in graph.of("Secret") for key, value in r.inputs["stringData"].value.items()}


def variables_of(graph: Graph) -> dict[str, Any]:
    """The server's plain environment variables."""
    return {v["name"]: v["value"] for v in server_container(graph)["env"] if "value" in v}


@pytest.mark.parametrize(("scenario", "option"), [("sqlite", "provider"), *((each, "providers") for each in SCENARIOS)])
def test_explicit_provider_reaches_every_kubernetes_object(scenario: str, option: str) -> None:
    def program() -> None:
        cluster = k8s.Provider("cluster", kubeconfig="{}")
        given = {option: cluster if option == "provider" else [cluster]}
        make("mlflow", SCENARIOS[scenario], **given)

    graph = run(program)
    objects = kubernetes(graph)
    assert len(objects) > 4
    cluster = graph.named("cluster").urn
    assert [r.name for r in objects if not r.provider.startswith(f"{cluster}::")] == []


def test_no_resource_needs_a_default_provider() -> None:
    """As with `pulumi:disable-default-providers`."""

    def program() -> None:
        providers = [k8s.Provider("cluster", kubeconfig="{}"), random.Provider("chance")]
        make("mlflow", PRODUCTION, providers=providers)

    graph = run(program)
    own = [r for r in graph if r.type.startswith(("kubernetes:", "random:"))]
    assert len(own) == len(deploy(PRODUCTION)) - 1 and all(r.provider for r in own)


def test_depends_on_of_the_caller_stays_with_the_component() -> None:
    def program() -> None:
        first = random.RandomPassword("first", length=8)
        make("mlflow", PRODUCTION, depends_on=[first])

    graph = run(program)
    first = graph.named("first").urn
    assert first in component(graph).depends_on
    assert [r.name for r in graph if first in r.depends_on] == ["mlflow"]


def test_protect_of_the_caller_does_not_lift_what_the_arguments_allow_to_delete() -> None:
    graph = deploy(DEV, protect=True)
    assert component(graph).protect
    assert not any(r.protect for r in graph.of("core/v1:PersistentVolumeClaim"))


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_unknown_inputs_give_the_same_tree(preview: bool) -> None:
    later = {
        "database.postgresql.host": "db.example.com",
        "database.postgresql.port": 5432,
        "database.postgresql.database": "mlflow",
        "database.postgresql.username": "mlflow",
        "database.postgresql.password": "pw-of-database",
        "artifacts.s3.bucket": "models",
        "artifacts.s3.prefix": "",
        "artifacts.s3.endpointUrl": "https://objects.example.com:9000",
        "image.tag": versions.MLFLOW_TAG,
        "server.env": {"A": "b"},
        "server.allowedHosts": ["a.example"],
    }

    def tree(value_of: Any) -> list[tuple[str, str, bool]]:
        def deferred(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: deferred(item) for key, item in value.items()}
            return [deferred(item) for item in value] if isinstance(value, list) else value_of(value)

        def program() -> None:
            make("mlflow", with_changes(PRODUCTION, {path: deferred(value) for path, value in later.items()}))

        graph = run(program, preview=preview)
        return sorted((r.type, r.name, r.protect) for r in graph)

    known = tree(lambda value: value)
    assert len(known) == len(deploy(PRODUCTION))
    assert tree(pulumi.Output.from_input) == known
    if preview:
        assert tree(lambda value: pulumi.Output.from_input(UNKNOWN)) == known


def test_outputs_of_a_larger_program_arrive_in_the_pods() -> None:
    def program() -> None:
        host = pulumi.Output.from_input("db.internal")
        tag = pulumi.Output.from_input("v9-full")
        make("mlflow", with_changes(PRODUCTION, {"database.postgresql.host": host, "image.tag": tag}))

    graph = run(program)
    assert variables_of(graph)["PGHOST"] == "db.internal"
    assert server_container(graph)["image"] == f"{versions.MLFLOW_REPOSITORY}:v9-full"


def test_secrets_arrive_in_secrets_under_the_names_that_mlflow_reads() -> None:
    assert secrets_of(deploy(SCENARIOS["own-keys"])) == {
        "PGPASSWORD": CANARIES["database.postgresql.password"],
        "AWS_ACCESS_KEY_ID": CANARIES["artifacts.s3.accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": CANARIES["artifacts.s3.secretAccessKey"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": CANARIES["keys.flaskSecretKey"],
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": CANARIES["keys.kekPassphrase"],
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": CANARIES["keys.webhookSecretEncryptionKey"],
        "X_SECRET": "canary-environment",
    }


def test_given_keys_are_not_generated() -> None:
    assert deploy(SCENARIOS["own-keys"]).of("RandomPassword") == []


def test_generated_webhook_key_is_a_fernet_key() -> None:
    key = secrets_of(deploy(DEV))["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"]
    assert to_arguments(changed(DEV, "keys.webhookSecretEncryptionKey", key)).keys.webhook_secret_encryption_key == key


def test_existing_secrets_are_referred_to_and_not_copied() -> None:
    graph = deploy(SCENARIOS["existing-secrets"])
    references = {
        v["name"]: v["valueFrom"]["secretKeyRef"]
        for v in server_container(graph)["env"]
        if "secretKeyRef" in v.get("valueFrom", {})
    }
    assert references["PGPASSWORD"] == {"name": "db-login", "key": "password"}
    assert references["PGUSER"] == {"name": "db-login", "key": "user"}
    assert references["AWS_ACCESS_KEY_ID"] == {"name": "bucket-keys", "key": "AWS_ACCESS_KEY_ID"}
    assert not {"PGPASSWORD", "PGUSER", "AWS_ACCESS_KEY_ID"} & set(secrets_of(graph))


def test_changed_secret_changes_the_secret_and_nothing_else() -> None:
    before, after = (deploy(changed(PRODUCTION, "database.postgresql.password", word)) for word in ("one", "two"))
    differing = [
        b.name for b, a in zip(sorted(before, key=_key), sorted(after, key=_key), strict=True) if b.inputs != a.inputs
    ]
    assert differing == ["mlflow-database"]


def _key(registration: Any) -> tuple[str, str]:
    return registration.type, registration.name


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({"repository": "registry.example.com:5000/a/b", "tag": "1"}, "registry.example.com:5000/a/b:1"),
        ({"digest": "sha256:" + "0" * 64}, f"{versions.MLFLOW_IMAGE}@sha256:" + "0" * 64),
    ],
)
@pytest.mark.parametrize("configuration", [DEV, PRODUCTION], ids=["sqlite", "postgresql"])
def test_image_reaches_preflight_migration_and_server(configuration, image, reference) -> None:
    graph = deploy({**configuration, "image": image})
    images = [value for r in graph for path, value in values(r.inputs) if path.endswith(".image")]
    assert images == [reference] * 3


SILENCE = "?connect_timeout=10&keepalives_idle=15&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=30000"
"""How libpq notices a server that is gone without a word."""


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("sqlite", {"MLFLOW_BACKEND_STORE_URI": "sqlite:////mlflow/database/mlflow.db", "MLFLOW_ARTIFACTS_DESTINATION": "/mlflow/artifacts"}),
        ("postgresql-s3", {"MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{SILENCE}", "PGSSLMODE": "require", "MLFLOW_ARTIFACTS_DESTINATION": "s3://models"}),
        ("artifacts-only", {"MLFLOW_ARTIFACTS_ONLY": "true", "MLFLOW_ARTIFACTS_DESTINATION": "s3://models"}),
        ("shared-volume", {"MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg://{SILENCE}"}),
        ("verified-database-direct-artifacts", {"PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/etc/mlflow/database/ca.pem", "MLFLOW_SERVE_ARTIFACTS": "false", "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://models"}),
        ("cloud-identity", {"AWS_DEFAULT_REGION": "eu-central-1"}),
        ("own-keys", {"PYTHONPATH": "/etc/mlflow/front:/etc/mlflow/plugins", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}),
    ],
)  # fmt: skip
def test_server_is_told_where_its_stores_are(scenario: str, expected: dict[str, str]) -> None:
    assert expected.items() <= variables_of(deploy(SCENARIOS[scenario])).items()


def test_options_become_arguments_of_the_server() -> None:
    graph = deploy(
        changed(DEV, "server.options", {"x-frame-options": "DENY", "flag": True, "debug": False, "depth": 3})
    )
    assert server_container(graph)["args"] == [
        "--port=5000", "--workers=1", "--uvicorn-opts=--timeout-keep-alive=3620 --no-proxy-headers",
        "--x-frame-options=DENY", "--flag", "--depth=3", "--app-name=front",
    ]  # fmt: skip


def test_secret_variable_wins_over_a_plain_one_of_the_component() -> None:
    graph = deploy(changed(DEV, "server.secretEnv", {"DO_NOT_TRACK": "0"}))
    names = [v["name"] for v in server_container(graph)["env"]]
    assert names.count("DO_NOT_TRACK") == 1
    assert secrets_of(graph)["DO_NOT_TRACK"] == "0"


def test_tracking_uri_is_the_service() -> None:
    graph = deploy(SCENARIOS["static-prefix"])
    outputs = next(outputs for urn, outputs in graph.outputs.items() if urn.endswith("MlflowDeployment::mlflow"))
    assert outputs["trackingUri"] == "http://mlflow.mlflow.svc.cluster.local:8080/team/mlflow"
    assert outputs["servicePort"] == 8080


def test_identity_marks_account_and_pods() -> None:
    graph = deploy(SCENARIOS["cloud-identity"])
    assert graph.one("core/v1:ServiceAccount").metadata["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"
    }
    labels = [pod["metadata"]["labels"] for _, pod in graph.pods()]
    assert len(labels) == 3 and all(label["azure.workload.identity/use"] == "true" for label in labels)


def test_namespace_enforces_restricted_pods() -> None:
    namespace = deploy(DEV).one("core/v1:Namespace")
    assert namespace.metadata["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert deploy(SCENARIOS["own-namespace"]).of("core/v1:Namespace") == []


def test_wrong_arguments_register_nothing() -> None:
    registered: list[Any] = []

    def program() -> None:
        with pytest.raises(ConfigurationError):
            make("mlflow", {**DEV, "databse": {}})
        with pytest.raises(ConfigurationError, match="is not a component name"):
            make("Not_A_Name", to_arguments(DEV))

    registered.extend(run(program))
    assert registered == []


def test_twenty_deployments_in_one_program_do_not_meet() -> None:
    def program() -> None:
        for number in range(20):
            configuration = {**(DEV if number % 2 else PRODUCTION), "namespace": f"team-{number}"}
            make(f"mlflow-{number}", configuration)

    graph = run(program)
    assert len({r.urn for r in graph}) == len(graph) == 10 * (len(deploy(DEV)) + len(deploy(PRODUCTION)))
    objects = {(r.type, r.metadata.get("namespace"), r.metadata["name"]) for r in graph.of("core/v1:Service")}
    assert len(objects) == 20
    for number, server in enumerate(sorted(graph.of("apps/v1:Deployment"), key=lambda r: int(r.name.split("-")[1]))):
        assert server.metadata["namespace"] == f"team-{number}"
        assert all(f"mlflow-{number}-" in urn or urn.endswith(f"mlflow-{number}") for urn in server.depends_on)


def test_two_deployments_share_a_namespace_that_one_makes() -> None:
    def program() -> None:
        first = make("one", to_arguments(DEV))
        second = {**DEV, "createNamespace": False}
        make("two", second, depends_on=[first])

    graph = run(program)
    selectors = [r.spec["selector"]["app.kubernetes.io/instance"] for r in graph.of("core/v1:Service")]
    assert sorted(selectors) == ["one", "two"]


def test_arguments_may_be_typed_or_a_mapping() -> None:
    typed: MlflowDeploymentArgs = to_arguments(PRODUCTION)
    assert sorted(map(_key, deploy(typed))) == sorted(map(_key, deploy(PRODUCTION)))


def test_secret_is_hidden_in_the_recording() -> None:
    assert "s3cret" not in repr(Secret("s3cret"))


def test_variables_of_the_user_reach_the_migration_too() -> None:
    """PGOPTIONS, for one, may name the schema that both work on."""
    configuration = with_changes(
        PRODUCTION, {"server.env": {"PGOPTIONS": "-c search_path=x"}, "server.secretEnv": {"PGX": "b"}}
    )
    graph = deploy(configuration)
    for _, pod in graph.working_pods():
        (container,) = pod["spec"]["containers"]
        names = {variable["name"]: variable for variable in container["env"]}
        assert names["PGOPTIONS"]["value"] == "-c search_path=x"
        assert names["PGX"]["valueFrom"]["secretKeyRef"]["name"] == "mlflow-environment-1a2b3c4d"


@pytest.mark.feature("db-mssql")
def test_sql_server_is_reached_by_its_uri_which_is_in_a_secret() -> None:
    uri = "mssql+pymssql://mlflow:canary@db.example.com:1434/mlflow"
    graph = deploy(with_changes(PRODUCTION, {"database": {"mssql": {"value": uri}}, "networkPolicy": {}}))
    assert secrets_of(graph)["MLFLOW_BACKEND_STORE_URI"] == uri
    by_secret = {"mssql": {"existingSecret": {"name": "db", "key": "url"}}}
    for owner, pod in deploy(changed(PRODUCTION, "database", by_secret)).working_pods():
        for container in pod["spec"]["containers"]:
            (found,) = [v for v in container["env"] if v["name"] == "MLFLOW_BACKEND_STORE_URI"]
            assert found["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "url"}}, owner.name
    ports = {str(path): value for r in graph.of("NetworkPolicy") for path, value in values(r.inputs) if "port" in path}
    assert 1434 in ports.values()


def test_sql_server_by_parts_with_the_driver_of_an_image_of_the_users() -> None:
    parts = {"host": "db.example.com", "password": "canary", "driver": "pyodbc"}
    changes = {
        "database": {"sqlServer": parts},
        "image": {"repository": "registry.example.com/mlflow", "tag": "1"},
        "auth": {"basic": {}},
        "garbageCollection": {},
        "networkPolicy": {},
    }
    graph = deploy(with_changes(PRODUCTION, changes))
    uri = "mssql+pyodbc://{login}@db.example.com:1433/mlflow?driver=ODBC+Driver+18+for+SQL+Server&Encrypt=yes&TrustServerCertificate=no"
    for owner, pod in graph.working_pods():
        for container in pod["spec"]["containers"]:
            given = {v["name"]: v.get("value") for v in container["env"]}
            assert given["MLFLOW_BACKEND_STORE_URI"] == uri and given["DATABASE_USERNAME"] == "mlflow", owner.name
            assert "FREETDSCONF" not in given and "DATABASE_PASSWORD" in given
    (users,) = [
        c for c in graph.named("mlflow-server", "Deployment").pod["spec"]["initContainers"] if c["name"] == "users"
    ]
    assert {"USERS_DATABASE_URI", "DATABASE_USERNAME", "DATABASE_PASSWORD"} <= {v["name"] for v in users["env"]}
    ports = {str(path): value for r in graph.of("NetworkPolicy") for path, value in values(r.inputs) if "port" in path}
    assert 1433 in ports.values()


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        (
            with_changes(PRODUCTION, {"database": {"inClusterPostgresql": {}}, "names.service": "mlflow-database"}),
            "names.service: Service 'mlflow-database' would be made twice, by mlflow-database and by mlflow-service",
        ),
        (
            with_changes(DEV, {"artifacts": {"minio": {}}, "names.service": "mlflow-minio"}),
            "names.service: Service 'mlflow-minio' would be made twice, by mlflow-minio and by mlflow-service",
        ),
        (
            with_changes(
                DEV, {"extraObjects": [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mlflow"}}]}
            ),
            "extraObjects: Service 'mlflow' would be made twice",
        ),
    ],
)
def test_two_objects_of_one_name_are_refused(configuration: Any, told: str) -> None:
    def program() -> None:
        with pytest.raises(ConfigurationError, match=told.replace(".", "[.]")):
            make("mlflow", configuration)

    run(program)


def test_two_deployments_whose_names_meet_are_refused() -> None:
    def program() -> None:
        make("mlflow", with_changes(DEV, {"artifacts": {"minio": {}}}))
        with pytest.raises(ConfigurationError, match="Service 'mlflow-minio' would be made twice"):
            make("mlflow-minio", with_changes(DEV, {"createNamespace": False}))

    run(program)
    run(lambda: make("mlflow", DEV) and None)
