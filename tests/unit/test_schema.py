"""The JSON schema of stack files: current, named by them, and as strict as loading."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pulumi
import pytest
import yaml
from hypothesis import given, settings

from components import ConfigurationError, load_arguments
from components.reading.schema import stack_schema
from tests.configurations import DEV, OIDC, PRODUCTION, changed, own_values
from tests.strategies import configurations

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "components" / "stack-config.schema.json"
STACK_FILES = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted(ROOT.glob("examples/Pulumi.*.yaml"))]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(COMMITTED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_file(configuration: Any) -> dict[str, Any]:
    return {"config": {f"mlflow:{key}": value for key, value in configuration.items()}}


def test_committed_schema_is_current() -> None:
    assert json.loads(COMMITTED.read_text()) == stack_schema(), (
        "run `python -m components.reading.schema > components/stack-config.schema.json`"
    )


def test_there_are_stack_files() -> None:
    names = ["existing", "in-cluster", "prod-azure", "prod-gcp", "published"]
    assert [path.name for path in STACK_FILES] == [f"Pulumi.{name}.yaml" for name in ("dev", "prod", *names)]


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_stack_file_names_the_schema_and_fits_it(path: Path, validator) -> None:
    first = path.read_text().splitlines()[0]
    above = "../" * (len(path.relative_to(ROOT).parts) - 1)
    assert first == f"# yaml-language-server: $schema={above}components/stack-config.schema.json"
    validator.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", STACK_FILES, ids=lambda path: path.name)
def test_stack_file_loads_with_the_secrets_that_it_has_the_reader_set(path: Path, load) -> None:
    values = own_values(path)
    for name in re.findall(
        r"^#   pulumi config set --secret --path 'mlflow:([\w.]+)'$", path.read_text(), re.MULTILINE
    ):
        values = changed(values, name, "s")
    load(values)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("databse", {}),
        ("database.postgresql.hots", "db"),
        ("database.postgresql.driver", "psycopg3"),
        ("server.replicas", "two"),
        ("server.options", {"a": {}}),
        ("artifacts.s3", "bucket"),
        ("database.postgresql.password", {"secur": "v1:"}),
    ],
)
def test_planted_mistake_does_not_fit(path: str, value: Any, validator) -> None:
    assert validator.is_valid(as_file(PRODUCTION))
    assert not validator.is_valid(as_file(changed(PRODUCTION, path, value)))


def reader_accepts(configuration: Any, load: Any) -> bool:
    try:
        load(configuration)
    except ConfigurationError:
        return False
    return True


SAME: list[tuple[Any, str, list[Any], list[Any]]] = [
    (DEV, "deletionProtection", ["no", "", 0, 1, "False", [], {}], [True, False, "true", "false"]),
    (DEV, "createNamespace", ["yes", 1], ["false"]),
    (DEV, "server.telemetry", ["on", 0], [False, "true"]),
    (DEV, "migrationTimeoutSeconds", ["1h", 1.5, True, "5_000", ""], [500, "500"]),
    (DEV, "database.sqlite.volume.sizeGb", ["5Gi", True, 1.5, " 5", "5_0", "5.0"], [5, "5"]),
    (DEV, "networkPolicy", [{"egress": [{"ports": [True]}]}], [{"egress": [{"ports": ["443", 80]}]}]),
    (DEV, "monitoring", [{"prometheus": True, "alerts": {"latencySeconds": "fast"}}], [{"prometheus": True, "alerts": {"latencySeconds": "1.5"}}]),
    (DEV, "namespace", ["", " ", [], {}], ["ml"]),
    (DEV, "database", [{}, {"sqlite": {}, "postgresql": {"host": "h", "password": "p"}}, {"sqlite": None}, {"sqllite": {}}, None], [{"sqlite": {}}, {"sqlite": {}, "mysql": None}]),
    (DEV, "artifacts", [{}, {"volume": {}, "minio": {}}, {"uri": {}}, {"uri": {"uri": "s3://b", "existingSecret": {"name": "s"}}}], [{"minio": {}}, {"uri": {"uri": "s3://b"}}]),
    (DEV, "auth", [{}, {"basic": {}, "oidc": OIDC}, {"basic": {}, "database": {}}], [None, {"basic": {}}, {"oidc": OIDC}]),
    (DEV, "identity", [{}, {"existing": {}, "irsa": {}}], [None, {"existing": {}}]),
    (DEV, "server.valueFrom", [{"A": {}}, {"A": {"field": "spec.nodeName", "resource": "limits.cpu"}}], [{"A": {"field": "spec.nodeName"}}]),
    (DEV, "server.envFrom", [[{}], [{"secret": "a", "configMap": "b"}]], [[{"secret": "a"}]]),
    (DEV, "server.env", [{"A": None}, {"A": []}, []], [{"A": 3128, "B": True, "C": 0.5, "D": ""}]),
    (DEV, "server.secretEnv", [{"A": ""}, {"A": None}], [{"A": 1, "B": "x"}]),
    (DEV, "server.options", [{"a": {}}, {"a": None}], [{"a": "b", "c": 1, "d": True}]),
    (DEV, "labels", [{"a": None}, {"a": 1.1}], [{"a": 1, "b": True, "c": "1.10"}]),
    (DEV, "pod.annotations", [{"a": 1.1}], [{"a": 7}]),
    (PRODUCTION, "database.postgresql.host", ["", " ", 5, None], ["db"]),
    (PRODUCTION, "database.postgresql.password", ["", 5, []], ["p"]),
    (PRODUCTION, "database.postgresql.driver", ["psycopg3", 1], ["psycopg"]),
    (PRODUCTION, "server.replica", [1], []),
    (PRODUCTION, "databse", [{}], []),
]  # fmt: skip


@pytest.mark.parametrize(("accepted", "configuration"), [
    pytest.param(accepted, changed(base, path, value), id=f"{path}={value!r}"[:80])
    for base, path, *values in SAME
    for accepted, several in zip((False, True), values, strict=True)
    for value in several
])  # fmt: skip
def test_schema_and_reader_say_the_same(accepted: bool, configuration, validator, load) -> None:
    assert validator.is_valid(as_file(configuration)) is accepted
    assert reader_accepts(configuration, load) is accepted


@pytest.mark.parametrize("namespace", ["mlfow", "MLflow", "ml-flow", "mflow", "lflow"])
def test_misspelt_namespace_is_refused_by_both(namespace: str, validator, load) -> None:
    file = as_file(DEV)
    file["config"][f"{namespace}:auth"] = {"basic": {}}
    assert not validator.is_valid(file)
    load(DEV)
    pulumi.runtime.set_all_config({"mlflow:database": "{}", f"{namespace}:auth": "{}"}, [])
    with pytest.raises(ConfigurationError, match=f"{namespace}:auth: unknown key; did you mean mlflow:auth"):
        load_arguments()


@pytest.mark.parametrize("key", ["confg", "Config", "mlflow:database", "secretsProvider"])
def test_misspelt_key_of_the_file_does_not_fit(key: str, validator) -> None:
    assert not validator.is_valid({**as_file(DEV), key: {}})


def test_missing_block_does_not_fit(validator) -> None:
    assert not validator.is_valid(as_file({"database": {"sqlite": {}}}))


@pytest.mark.parametrize(
    "path", ["database.postgresql.password", "artifacts.s3.secretAccessKey", "keys.kekPassphrase", "server.secretEnv.A"]
)
def test_encrypted_value_fits(path: str, validator) -> None:
    validator.validate(as_file(changed(PRODUCTION, path, {"secure": "v1:abc:def"})))


def test_configuration_of_other_packages_fits(validator) -> None:
    file = as_file(DEV)
    file["config"]["kubernetes:context"] = "dev"
    file["encryptionsalt"] = "v1:abc"
    validator.validate(file)


def test_every_key_is_described() -> None:
    def undescribed(part: Any, path: str) -> list[str]:
        found = []
        for key, value in part.get("properties", {}).items():
            if "description" not in value and "$ref" not in value:
                found.append(f"{path}.{key}")
        return found

    schema = stack_schema()
    blocks = {"config": schema["properties"]["config"], **schema["$defs"]}
    blocks.pop("encrypted")
    assert [name for path, block in blocks.items() for name in undescribed(block, path)] == []


@given(configurations())
@settings(max_examples=15)
def test_any_valid_configuration_fits(configuration) -> None:
    jsonschema.Draft202012Validator(stack_schema()).validate(
        as_file({k: v for k, v in configuration.items() if v is not None})
    )
