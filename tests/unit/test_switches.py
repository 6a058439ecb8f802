"""Whatever undoes a protection that is on by default is refused, in every spelling, unless it is accepted in writing."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from mlflow import environment_variables

from components import in_image
from components.arguments import switches
from components.arguments.artifacts import ArtifactsArgs
from components.arguments.database import DatabaseArgs
from components.arguments.environment import OWN_VARIABLES
from components.arguments.kinds import variables_of
from components.azure import database as azure_database
from components.gcp import database as gcp_database
from tests.configurations import AWS, AZURE, CERTIFICATE, DEV, GCP, PRODUCTION, changed, with_changes
from tests.unit.refusals import messages
from tests.unit.test_auth import LDAP, OIDC

HARMLESS = {
    "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": "only narrows what is accepted",
    "MLFLOW_GATEWAY_ALLOWED_PROVIDERS": "only narrows what is accepted",
    "MLFLOW_ICON_URL_ALLOWED_DOMAINS": "only narrows what is accepted",
    "MLFLOW_RBAC_SEED_DEFAULT_ROLES": "makes roles that nobody has",
    "MLFLOW_SANDBOX_DOCKER_IMAGE": "of the assistant, which is a switch",
    "MLFLOW_SANDBOX_EGRESS_PROXY": "of the assistant, which is a switch",
    "MLFLOW_ASSISTANT_SANDBOX_CLI_IMAGE": "of the assistant, which is a switch",
    "MLFLOW_TRACKING_AUTH": "of clients: how they sign their requests",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH": "of clients: who they are",
    "MLFLOW_TRACKING_AWS_SIGV4": "of clients: how they sign their requests",
    "MLFLOW_LOCK_MODEL_DEPENDENCIES": "of clients that log models",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "of clients that log models",
    "MLFLOW_GENAI_EVAL_SKIP_TRACE_VALIDATION": "of clients that evaluate",
    "MLFLOW_SKIP_SIGNATURE_CHECK_FOR_UC_REGISTRY_MIGRATION": "of clients of Databricks",
    "MLFLOW_DISABLE_SCHEMA_DETAILS": "only says less in errors",
}
"""Variables of MLflow that sound as if they had to do with protection, and why they may be set."""
TELLING = re.compile(
    r"ALLOW|INSECURE|IGNORE|AUTH|UNSAFE|SECUR|PRIVATE|TLS|SSL|VERIF|TRUST|SANDBOX|REMOTE|PICKLE|SKIP|FRAME|VALIDATION|RESOLVE_API"
    r"|CUSTOM_SCORERS|SCHEMES|FAIL_CLOSED|RBAC|_CERT|ECHO"
)


def mlflows_variables() -> Iterator[str]:
    """Names of all variables that MLflow declares, with the private ones."""
    for _, value in inspect.getmembers(environment_variables):
        if isinstance(value, environment_variables._EnvironmentVariable):
            yield value.name


def known_elsewhere() -> set[str]:
    """Variables that are refused in any case, since arguments set them."""
    return {*OWN_VARIABLES, *variables_of("database", DatabaseArgs), *variables_of("artifacts", ArtifactsArgs)}


def test_every_variable_of_mlflow_that_sounds_like_protection_is_a_switch_or_explained() -> None:
    names = [name for name in mlflows_variables() if TELLING.search(name)]
    assert len(names) > 30
    known = known_elsewhere()
    unknown = [n for n in names if switches.variable(n) is None and n not in known and n not in HARMLESS]
    assert unknown == [], "add them to components/arguments/switches.py, or say here why they may be set"
    assert [name for name in HARMLESS if switches.variable(name) is not None or name in known] == []


def test_every_variable_of_mlflow_that_is_a_switch_exists() -> None:
    ours = {name for name in switches.VARIABLES if name.startswith("MLFLOW_")}
    assert ours - set(mlflows_variables()) == set()


def test_what_programs_in_the_pods_read_cannot_be_set() -> None:
    read = {
        name
        for program in Path(in_image.__file__).parent.glob("*.py")
        for name in re.findall(r"""environ(?:\.get)?[\[(]f?["']([A-Z_]+)["']""", program.read_text())
    }
    assert len(read) > 10
    read = {name for name in read if switches.variable(name) is None}
    # The last two are for Jobs of `pulumi-mlflow rotate kek`: the version is the user's, and no server reads the other.
    assert read - known_elsewhere() == {"TMPDIR", "MLFLOW_CRYPTO_KEK_VERSION", "ROTATE_KEK_PASSPHRASE"}


UNSAFE = dict.fromkeys(switches.VARIABLES, "true") | {
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "false",
    "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": "false",
    "PYTHONHTTPSVERIFY": "0",
    "PGREQUIRESSL": "0",
    "REQUESTS_CA_BUNDLE": "",
    "CURL_CA_BUNDLE": "",
    "_MLFLOW_IN_JOB_EXECUTOR": "true",
    "AWS_S3_VERIFY_SSL": "false",
    "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION": "1",
    "GIT_SSL_NO_VERIFY": "1",
}


@pytest.mark.parametrize("name", UNSAFE)
def test_variable_that_is_a_switch_is_refused_in_any_case_and_field(name: str) -> None:
    value = UNSAFE[name]
    for written in {value, value.upper(), value.capitalize(), f" {value} "}:
        for field in ("env", "secretEnv"):
            lines = messages(changed(DEV, f"server.{field}", {name: written or " "}))
            assert lines, f"{field}: {name}={written!r}"
            assert all(line.startswith(f"server.{field}.{name}: ") for line in lines)
    configuration = changed(DEV, "server.env", {name: value})
    (line,) = messages(configuration)
    assert line.endswith(", or accept it explicitly with allowInsecure: true")
    assert messages({**configuration, "allowInsecure": True}) == []
    (line,) = messages(changed(DEV, "server.valueFrom", {name: {"secret": {"name": "s", "key": "k"}}}))
    assert "cannot be looked at" in line


def test_secret_values_are_not_shown() -> None:
    (line,) = messages(changed(DEV, "server.secretEnv", {"MLFLOW_SERVER_X_FRAME_OPTIONS": "canary"}))
    assert "canary" not in line and "clickjacking" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_ENABLE_REMOTE_ASSISTANT", "False"),
        ("MLFLOW_ENABLE_REMOTE_ASSISTANT", False),
        ("MLFLOW_ENABLE_REMOTE_ASSISTANT", 0),
        ("MLFLOW_SERVER_X_FRAME_OPTIONS", "deny"),
        ("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "https"),
        ("REQUESTS_CA_BUNDLE", "/etc/ssl/ca.pem"),
    ],
)
def test_variable_with_a_safe_value_is_accepted(name: str, value: Any) -> None:
    assert messages(changed(DEV, "server.env", {name: value})) == []


S3 = changed(DEV, "artifacts", {"s3": {"bucket": "models", "region": "eu-west-1"}})
MYSQL = changed(DEV, "database", {"mysql": {"host": "db", "password": "p"}})


def uri(query: str) -> dict[str, Any]:
    return changed(DEV, "database", {"uri": {"value": f"mysql+pymysql://u:p@h/d?{query}"}})


# What is insecure, and the place that the message names.
INSECURE: list[tuple[Any, str]] = [
    *((changed(DEV, "server.trustedProxies", ["10.0.0.0/8", network]), "server.trustedProxies[1]") for network in ("0.0.0.0/0", "::/0")),
    (changed(DEV, "server.uvicorn", {"ssl-ciphers": "ALL:eNULL"}), 'server.uvicorn["ssl-ciphers"]'),
    (changed(DEV, "server.options", {"x-frame-options": "none"}), 'server.options["x-frame-options"]'),
    (changed(S3, "artifacts.s3.ignoreTls", True), "artifacts.s3.ignoreTls"),
    (changed(DEV, "artifacts", {"uri": {"uri": "s3://b", "env": {"MLFLOW_S3_IGNORE_TLS": "True"}}}), "artifacts.uri.env.MLFLOW_S3_IGNORE_TLS"),
    (changed(DEV, "artifacts", {"uri": {"uri": "s3://b", "secretEnv": {"MLFLOW_S3_IGNORE_TLS": "yes"}}}), "artifacts.uri.secretEnv.MLFLOW_S3_IGNORE_TLS"),
    (changed(PRODUCTION, "database.postgresql.tls.mode", "disable"), "database.postgresql.tls.mode"),
    (changed(MYSQL, "database.mysql.tls.mode", "disable"), "database.mysql.tls.mode"),
    (changed(DEV, "auth", {"basic": {}, "database": {"postgresql": {"host": "h", "password": "p", "tls": {"mode": "disable"}}}}), "auth.database.postgresql.tls.mode"),
    *((uri(query), "database.uri.value") for query in ("ssl_disabled=true", "ssl_disabled=1", "ssl=0", "ssl=false", "sslmode=DISABLE", "ssl_mode=PREFERRED", "SSL_VERIFY_CERT=false", "ssl_check_hostname=no", "charset=utf8&tls=disable")),
    *((changed(DEV, "database", {"uri": {"value": f"postgresql+psycopg2://h/d?sslmode={mode}"}}), "database.uri.value") for mode in ("disable", "allow", "Prefer")),
    (changed(DEV, "database", {"mssql": {"value": "mssql+pymssql://h/d?TrustServerCertificate=yes"}}), "database.mssql.value"),
    (changed(DEV, "database.registry", {"value": "postgresql+psycopg2://h/d?sslmode=disable"}), "database.registry.value"),
    (changed(DEV, "server.secretEnv", {"MLFLOW_READ_REPLICA_BACKEND_STORE_URI": "postgresql://h/d?sslmode=disable"}), "server.secretEnv.MLFLOW_READ_REPLICA_BACKEND_STORE_URI"),
    (changed(DEV, "server.env", {"MLFLOW_READ_REPLICA_BACKEND_STORE_URI": "postgresql://h/d?sslmode=disable"}), "server.env.MLFLOW_READ_REPLICA_BACKEND_STORE_URI"),
    (changed(DEV, "server.workspaces", {"storeUri": "postgresql+psycopg2://u:p@h/d?sslmode=disable"}), "server.workspaces.storeUri"),
    (changed(DEV, "database", {"uri": {"value": "postgresql+psycopg2://h/d?ssl_max_protocol_version=TLSv1.1"}}), "database.uri.value"),
    *(
        ({**DEV, "image": {"repository": "registry.example.com/m"}, "database": {"mssql": {"value": f"mssql+pyodbc://?odbc_connect=Driver%3DX%3B{option}"}}}, "database.mssql.value")
        for option in ("Encrypt%3Dno", "encrypt%3D%7Boptional%7D", "TrustServerCertificate%3Dyes")
    ),
    (changed(DEV, "auth", {"ldap": {**LDAP, "tls": {"mode": "require"}}}), "auth.ldap.tls.mode"),
    (changed(DEV, "auth", {"ldap": {**LDAP, "uri": "ldap://h", "tls": {"mode": "disable"}}}), "auth.ldap.tls.mode"),
    *(
        (changed(AZURE, "database.azureFlexibleServer.parameters", {name: value}), f"database.azureFlexibleServer.parameters.{name}")
        for name, value in {"require_secure_transport": "off", "ssl_min_protocol_version": "TLSv1.1", "password_encryption": "md5", "log_statement": "all"}.items()
    ),
    (changed(AZURE, "database.azureFlexibleServer.parameters", {"require_secure_transport": False}), "database.azureFlexibleServer.parameters.require_secure_transport"),
    (changed(AWS, "database.rds.parameters", {"ssl_min_protocol_version": "TLSv1"}), "database.rds.parameters.ssl_min_protocol_version"),
    (changed(AWS, "database.rds.parameters", {"ssl": 0}), "database.rds.parameters.ssl"),
    *((changed(AWS, "database.rds", {"engine": "mysql", "parameters": {name: value}}), f"database.rds.parameters.{name}") for name, value in {"ssl_cipher": "AES128-SHA:NULL-MD5:aNULL", "old_passwords": 1, "general_log": True}.items()),
    (changed(AWS, "database", {"aurora": {"engine": "mysql", "serverlessV2": {}, "parameters": {"tls_version": "TLSv1.1,TLSv1.2"}}}), "database.aurora.parameters.tls_version"),
    (changed(GCP, "database.cloudSql", {"engine": "mysql", "flags": {"local_infile": "ON"}}), "database.cloudSql.flags.local_infile"),
    (with_changes(DEV, {"monitoring": {"prometheus": True, "serviceMonitor": {"tlsConfig": {"insecureSkipVerify": True}}}}), "monitoring.serviceMonitor.tlsConfig.insecureSkipVerify"),
    ({**DEV, "auth": {"basic": {}}, "ingress": {"hosts": [{"host": "a.example"}], "tls": [{"secretName": "t"}], "annotations": {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}}}, 'ingress.annotations["nginx.ingress.kubernetes.io/ssl-redirect"]'),
]  # fmt: skip
OAUTH2_PROXY = {
    "ssl-insecure-skip-verify": True,
    "ssl-upstream-insecure-skip-verify": "TRUE",
    "cookie-secure": False,
    "cookie-httponly": "False",
    "cookie-samesite": "none",
    "insecure-oidc-allow-unverified-email": True,
    "insecure-oidc-skip-issuer-verification": 1,
    "insecure-oidc-skip-nonce": "t",
    "redis-insecure-skip-tls-verify": True,
    "whitelist-domain": "*",
    "whitelist-domains": "evil.example",
    "extra-jwt-issuers": "https://x=y",
    "code-challenge-method": "plain",
    "gcp-healthchecks": True,
    "tls-min-version": "TLS1.0",
    "cookie-domain": ".example.com",
    "cookie-domains": "example.com",
    "pass-host-header": False,
}
REFUSED_ALWAYS = (
    "skip-auth-route",
    "skip-auth-routes",
    "skip-auth-regex",
    "skip-auth-preflight",
    "trusted-ip",
    "trusted-ips",
)


@pytest.mark.parametrize(("configuration", "path"), INSECURE, ids=[path for _, path in INSECURE])
def test_what_is_insecure_needs_to_be_accepted_in_writing(configuration, path: str) -> None:
    (line,) = messages(configuration)
    assert line.startswith(f"{path}: ") and line.endswith(", or accept it explicitly with allowInsecure: true")
    assert messages({**configuration, "allowInsecure": True}) == []


@pytest.mark.parametrize("option", OAUTH2_PROXY)
def test_option_of_oauth2_proxy_that_is_a_switch_is_refused(option: str) -> None:
    value = OAUTH2_PROXY[option]
    variable = f"OAUTH2_PROXY_{option.replace('-', '_').upper()}"
    for field, name, given in (("extraArgs", option, value), ("extraEnv", variable, str(value))):
        configuration = changed(DEV, "auth", {"oidc": {**OIDC, field: {name: given}}})
        (line,) = messages(configuration)
        assert line.startswith(f"auth.oidc.{field}") and "allowInsecure" in line
        assert messages({**configuration, "allowInsecure": True}) == []


@pytest.mark.parametrize("option", REFUSED_ALWAYS)
def test_option_that_lets_everyone_in_is_refused_in_any_case(option: str) -> None:
    for field, name in (("extraArgs", option), ("extraEnv", f"OAUTH2_PROXY_{option.replace('-', '_').upper()}")):
        configuration = changed(DEV, "auth", {"oidc": {**OIDC, field: {name: "x"}}})
        (line,) = messages({**configuration, "allowInsecure": True})
        assert line.startswith(f"auth.oidc.{field}")


def test_options_that_keep_the_protection_are_accepted() -> None:
    options = {
        "cookie-secure": True,
        "cookie-samesite": "strict",
        "cookie-name": "_mlflow",
        "ssl-insecure-skip-verify": False,
    }
    assert messages(changed(DEV, "auth", {"oidc": {**OIDC, "extraArgs": options}})) == []


@pytest.mark.parametrize(
    "name", ["RDS.FORCE_SSL", "rds.force_ssl", "Require_Secure_Transport", "LOG_BIN_TRUST_FUNCTION_CREATORS"]
)
def test_parameter_of_the_component_is_refused_in_any_spelling(name: str) -> None:
    (line,) = messages(changed(AWS, "database.rds.parameters", {name: "0"}))
    assert "is set by this component" in line


HARMLESS_PARAMETERS = {
    "log_bin_trust_function_creators": "permits MLflow's trigger",
    "slow_query_log": "of what takes long",
    "log_checkpoints": "of what the server does by itself",
    "log_min_messages": "how much is logged of errors",
    "log_min_error_statement": "how much is logged of errors",
    "logfiles.retention_days": "how long logs are kept on the server",
}
"""Parameters that the component sets, and why another value undoes no protection."""


@pytest.mark.parametrize("parameters", [azure_database._PARAMETERS, gcp_database._FLAGS])
def test_every_parameter_that_the_component_sets_is_a_switch_or_explained(parameters: Any) -> None:
    for name, value in {name: value for each in parameters.values() for name, value in each.items()}.items():
        switch = switches.parameter(name)
        assert (switch is None) == (name in HARMLESS_PARAMETERS), name
        assert switch is None or (switch.keeps(value) and not switch.keeps("nonsense")), name


@pytest.mark.usefixtures("loop")
def test_switches_that_are_not_known_yet_pass_until_they_are() -> None:
    later = pulumi.Output.from_input("true")
    assert messages(changed(DEV, "server.env", {"MLFLOW_ENABLE_REMOTE_ASSISTANT": later})) == []


def test_encryption_that_is_asked_for_is_accepted() -> None:
    for query in ("ssl_ca=/etc/ca.pem", "ssl_check_hostname=true", "ssl=true"):
        assert messages(uri(query)) == []
    assert (
        messages(changed(PRODUCTION, "database.postgresql.tls", {"mode": "verify-full", "caCertificate": CERTIFICATE}))
        == []
    )


@pytest.mark.parametrize("value", ["on", "all", "receipt", "receipt,authentication", "receipt, authorization"])
def test_what_is_logged_of_connections_may_be_chosen(value: str) -> None:
    assert messages(changed(AWS, "database.rds.parameters", {"log_connections": value})) == []
