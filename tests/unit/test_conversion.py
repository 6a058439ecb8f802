"""From a mapping to typed arguments and back: spellings, outputs, secrets, and whatever else can be given."""

import copy
import dataclasses
import enum
from typing import Any

import pulumi
import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic.alias_generators import to_snake

from components import (
    ConfigurationError,
    DatabaseArgs,
    MlflowDeploymentArgs,
    SqliteArgs,
    load_arguments,
    to_arguments,
)
from components.reading.messages import fields_of, type_at
from tests.configurations import CERTIFICATE, DEV, PRODUCTION, changed, with_changes
from tests.strategies import ANYTHING, SECRETS, configurations
from tests.unit.refusals import lines_of, messages

SECRET_FIELDS = [
    "database.postgresql.password",
    "artifacts.s3.secretAccessKey",
    "keys.flaskSecretKey",
    "keys.kekPassphrase",
    "keys.webhookSecretEncryptionKey",
    "server.secretEnv.MY_TOKEN",
]


def snake_case(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """The same mapping as a Python caller writes it."""
    if not isinstance(value, dict):
        return value
    names = fields_of(type_at(path))
    return {(name := names.get(key, key)): snake_case(item, (*path, name)) for key, item in value.items()}


def plain_mapping(value: Any) -> Any:
    """Typed arguments as a mapping again."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain_mapping(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value.value if isinstance(value, enum.Enum) else value


@given(configurations())
@settings(max_examples=40)
def test_any_valid_configuration_converts_in_both_spellings(configuration) -> None:
    before = copy.deepcopy(configuration)
    arguments = to_arguments(configuration)
    assert configuration == before, "the caller's mapping was changed"
    assert arguments == to_arguments(snake_case(configuration))


@given(configurations())
@settings(max_examples=25)
def test_arguments_survive_a_round_trip(configuration) -> None:
    arguments = to_arguments(configuration)
    assert to_arguments(plain_mapping(arguments)) == arguments
    assert to_arguments(arguments) is arguments


@given(configurations(), st.data())
@settings(max_examples=40)
def test_anything_at_any_place_is_refused_cleanly_and_shows_no_secret(configuration, data) -> None:
    place, path = configuration, []
    while keys := [key for key in place if "." not in key] if isinstance(place, dict) else []:
        path.append(data.draw(st.sampled_from(sorted(keys))))
        place = place[path[-1]]
        if data.draw(st.booleans()):
            break
    broken = changed(configuration, ".".join(path), data.draw(ANYTHING))
    try:
        to_arguments(broken)
    except ConfigurationError as error:
        assert "canary-" not in str(error)
        assert len(lines_of(error)) == len(error.problems)


@given(st.dictionaries(st.one_of(st.sampled_from([*fields_of(MlflowDeploymentArgs)]), st.text(max_size=5)), ANYTHING))
@example({"database": {1: 2}, "labels": {None: {}, (): []}})
@example({1: 2, None: 3, "create_namespace": True, "createNamespace": False})
@settings(max_examples=80)
def test_any_mapping_is_converted_or_refused(mapping) -> None:
    try:
        to_arguments(mapping)
    except ConfigurationError as error:
        assert error.problems


@given(SECRETS, st.sampled_from(SECRET_FIELDS), st.data())
@settings(max_examples=40)
def test_secret_is_never_shown(secret, field, data) -> None:
    """Whatever else is wrong, and whatever the secret is wrapped into."""
    wrapped = data.draw(st.sampled_from([secret, [secret], {"value": secret}, secret.encode()]))
    configuration = with_changes(PRODUCTION, {field: wrapped, "server.replica": 1})
    for line in messages(configuration):
        assert secret not in line


@pytest.mark.parametrize(
    "block", ["database", "database.postgresql", "artifacts.s3", "keys", "server", "server.secretEnv"]
)
def test_text_instead_of_a_block_that_holds_secrets_is_not_shown(block: str) -> None:
    (line,) = messages(changed(PRODUCTION, block, "canary-1"))
    assert "got [secret]" in line and "canary" not in line


def test_text_instead_of_a_block_without_secrets_is_shown() -> None:
    (line,) = messages(changed(DEV, "pod", "small"))
    assert line.startswith("pod: expected a block of keys, got 'small'; ")


@pytest.mark.parametrize(
    "path",
    [
        "database.postgresql.host",
        "artifacts.s3.endpointUrl",
        "artifacts.s3.bucket",
        "image.repository",
        "server.staticPrefix",
    ],
)
def test_password_in_a_url_is_not_shown(path: str) -> None:
    for url in (
        "postgresql://me:canary-1@h/x",
        f"https://me:canary-{'1' * 90}@h",
        "s3://me:can/ary-@h/",
        "me:canary-1@h",
    ):
        for line in messages(changed(PRODUCTION, path, url)):
            assert "canary" not in line or path == "server.staticPrefix" or "://" not in url, line


def test_password_in_a_url_that_is_too_long_to_show_is_not_shown() -> None:
    (line,) = messages(changed(DEV, "pod", f"https://me:canary-{'1' * 90}@h"))
    assert "canary" not in line and "'https://[secret]@h'" in line


def test_environment_that_tells_of_a_secret_is_not_shown() -> None:
    (line,) = messages(changed(DEV, "server.env", {"A_PASSWORD": 90210}))
    assert "90210" not in line


def test_unknown_key_shows_no_value() -> None:
    (line,) = messages(changed(DEV, "keys.flaskSecretKy", "canary-1"))
    assert line == "keys.flaskSecretKy: unknown key; did you mean flaskSecretKey?"


def test_secrets_are_not_in_the_representation() -> None:
    arguments = to_arguments(with_changes(PRODUCTION, dict.fromkeys(SECRET_FIELDS[:4], "canary-" + "1" * 40)))
    assert "canary" not in repr(arguments) and "db.example.com" in repr(arguments)


HIDDEN = with_changes(
    PRODUCTION,
    {
        "database.postgresql.host": "canary-'1\"/x",
        "database.postgresql.port": 987654,
        "database.postgresql.driver": "canary-2",
        "database.poolSize": "canary-3",
    },
)


def test_values_of_encrypted_configuration_are_not_shown(load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(HIDDEN, secret=("database",))
    lines = lines_of(caught.value)
    assert len(lines) == 4 and all("[secret]" in line for line in lines)
    assert "canary" not in str(caught.value) and "987654" not in str(caught.value)
    assert "allowed: psycopg2, psycopg" in str(caught.value)


def test_values_of_other_configuration_are_shown(load) -> None:
    with pytest.raises(ConfigurationError, match="canary-2") as caught:
        load(HIDDEN, secret=("artifacts",))
    assert "987654" in str(caught.value)


def test_stack_configuration_is_parsed(load) -> None:
    arguments = load({**PRODUCTION, "namespace": "123", "createNamespace": False, "migrationTimeoutSeconds": 500})
    assert (arguments.namespace, arguments.create_namespace, arguments.migration_timeout_seconds) == ("123", False, 500)
    assert arguments.database.postgresql.host == "db.example.com"


def test_stack_configuration_that_is_no_json_is_named(load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({"database": "{sqlite: {}", "artifacts": {"volume": {}}})
    assert lines_of(caught.value)[0].startswith("mlflow:database: expected a block of keys, got ")


def test_configuration_of_other_packages_is_left_alone(load) -> None:
    pulumi.runtime.set_all_config({"kubernetes:context": "x", "mlflow:artifacts": '{"volume": {}}'}, [])
    with pytest.raises(ConfigurationError) as caught:
        load_arguments()
    (line,) = lines_of(caught.value)
    assert line.startswith("mlflow:database: is required; give a block of keys: Backend store for experiments")


@pytest.mark.usefixtures("loop")
def test_outputs_pass_through_untouched() -> None:
    output = pulumi.Output.from_input("later")
    arguments = to_arguments(
        with_changes(
            PRODUCTION, {"database.postgresql.host": output, "artifacts.s3.bucket": output, "server.env": {"A": output}}
        )
    )
    assert arguments.database.postgresql is not None and arguments.artifacts.s3 is not None
    assert arguments.database.postgresql.host is output
    assert arguments.artifacts.s3.bucket is output
    assert arguments.server.env["A"] is output


def test_typed_blocks_and_mappings_mix() -> None:
    arguments = to_arguments({"database": DatabaseArgs(sqlite=SqliteArgs()), "artifacts": {"volume": {"size_gb": 3}}})
    assert arguments.artifacts.volume is not None and arguments.artifacts.volume.size_gb == 3
    assert arguments.database.sqlite is not None and arguments.database.sqlite.volume.size_gb == 5


def test_typed_arguments_are_checked_too() -> None:
    with pytest.raises(ConfigurationError, match="database: no choice was made"):
        to_arguments(to_typed(DatabaseArgs()))


def to_typed(database: DatabaseArgs) -> MlflowDeploymentArgs:
    return dataclasses.replace(to_arguments(DEV), database=database)


def test_typed_blocks_refuse_unknown_keys_without_showing_them() -> None:
    with pytest.raises(pydantic.ValidationError) as caught:
        SqliteArgs(volum="canary-1")  # type: ignore[call-arg]
    assert "canary" not in str(caught.value)


def test_arguments_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        to_arguments(DEV).namespace = "other"  # type: ignore[misc]


def test_paths_are_spelled_as_in_stack_files_for_python_callers_too() -> None:
    with pytest.raises(ConfigurationError, match=r"\n  server\.drainSeconds: 9999 is out of range"):
        to_arguments({"database": {"sqlite": {}}, "artifacts": {"volume": {}}, "server": {"drain_seconds": 9999}})


def test_key_in_both_spellings_is_refused() -> None:
    (line,) = messages({**DEV, "createNamespace": True, "create_namespace": False})
    assert line == "createNamespace: is given twice, as createNamespace and as create_namespace; keep one of them"


@pytest.mark.parametrize("value", [None, [], "x", 1, object()])
def test_anything_but_a_mapping_is_refused(value) -> None:
    (line,) = messages(value)
    assert line.startswith(f"arguments: expected a mapping, got {type(value).__name__}; ")


@pytest.mark.parametrize("choices", [{}, {"sqlite": {}, "postgresql": {"host": "h", "password": "p"}}])
def test_choice_of_none_or_two_is_refused_with_the_choices(choices) -> None:
    (line,) = messages({**DEV, "database": choices})
    assert "exactly one of: sqlite, postgresql" in line


def test_error_stops_the_program_without_a_traceback() -> None:
    assert issubclass(ConfigurationError, pulumi.RunError)


def test_snake_case_of_every_key_is_known() -> None:
    assert {to_snake(name) for name in fields_of(MlflowDeploymentArgs)} == set(fields_of(MlflowDeploymentArgs).values())


def test_certificate_is_taken_as_it_is() -> None:
    arguments = to_arguments(changed(PRODUCTION, "database.postgresql.tls.caCertificate", CERTIFICATE))
    assert arguments.database.postgresql is not None and arguments.database.postgresql.tls.ca_certificate == CERTIFICATE
