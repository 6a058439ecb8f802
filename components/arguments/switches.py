"""Switches that would undo a protection that is on by default: options, variables and parameters, by their names and values.

They are refused unless `allowInsecure` is set: blocks tell of theirs in `insecure()`. `tests/unit/test_switches.py` goes through the
variables of MLflow and the options of the proxies and demands that each one that has to do with protection is here or explained there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .base import Problem, plain

_ON = "1|t|true|y|yes|on"
_OFF = "|0|f|false|n|no|off"
_ACCEPTED = "leave it out"


@dataclass(frozen=True)
class Switch:
    """What a setting would undo.

    Attributes:
        effect: What it does unless its value is a safe one, as the rest of a sentence that begins with the value.
        safe: The values that keep the protection, as a regular expression, in any case.
    """

    effect: str
    safe: str

    def keeps(self, value: str) -> bool:
        """Whether the protection stays."""
        return bool(re.fullmatch(self.safe, value.strip(), re.IGNORECASE))


_NEVER = r"(?!)"
_VERIFIES_NOT = "keeps TLS certificates from being verified"
_TLS_VERSIONS = r"(TLS)?v?1?[._]?[23]|TLSv1[._][23]((\s*,\s*|\s+)TLSv1[._][23])*"
_UNSEEN = "keeps it from being logged who connects"
_LOGGED = "(all|receipt|authentication|authorization|setup_durations)"
_PRIVATE = "lets users send the server to addresses inside the network, those of cloud metadata among them"
_PLAIN_HTTP = "lets the server speak http:// where it insists on https://"

VARIABLES: Mapping[str, Switch] = {
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": Switch("lets clients run an assistant, with its shell, on the server", _OFF),
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": Switch("runs the assistant's commands outside its sandbox", _ON),
    "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS": Switch("runs code of users in the server", _OFF),
    "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": Switch("answers GraphQL queries without looking at permissions", _ON),
    "MLFLOW_SERVER_X_FRAME_OPTIONS": Switch("lets other sites frame the pages of MLflow (clickjacking)", "SAMEORIGIN|DENY"),
    "MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES": Switch("lets clients send the server to hosts of their choice", ""),
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": Switch("lets models bring code that runs when they are loaded", _OFF),
    "MLFLOW_ALLOW_HTTP_REDIRECTS": Switch("lets whoever the server asks send it elsewhere", _OFF),
    "MLFLOW_ALLOW_FILE_STORE": Switch("lets metadata lie in files, which know no permissions", _OFF),
    "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": Switch(_PRIVATE, _OFF),
    "MLFLOW_ICON_URL_ALLOW_PRIVATE_IPS": Switch(_PRIVATE, _OFF),
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": Switch(_PRIVATE, _OFF),
    "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": Switch(_PLAIN_HTTP, "https"),
    "MLFLOW_ICON_URL_ALLOWED_SCHEMES": Switch(_PLAIN_HTTP, "https"),
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": Switch(_PLAIN_HTTP, "https"),
    "MLFLOW_GATEWAY_RESOLVE_API_KEY_FROM_ENV": Switch("lets users read the server's environment", _OFF),
    "MLFLOW_GATEWAY_RESOLVE_API_KEY_FROM_FILE": Switch("lets users read the server's files", _OFF),
    "MLFLOW_SQLALCHEMYSTORE_ECHO": Switch("writes what users store into the log", _OFF),
    "MLFLOW_TRACKING_INSECURE_TLS": Switch(_VERIFIES_NOT, _OFF),
    "MLFLOW_S3_IGNORE_TLS": Switch(_VERIFIES_NOT, _OFF),
    "PYTHONHTTPSVERIFY": Switch(_VERIFIES_NOT, _ON),
    "REQUESTS_CA_BUNDLE": Switch(_VERIFIES_NOT, ".+"),
    "CURL_CA_BUNDLE": Switch(_VERIFIES_NOT, ".+"),
    "PGSSLMINPROTOCOLVERSION": Switch("lets the database be reached by old versions of TLS", _TLS_VERSIONS),
    "PGSSLMAXPROTOCOLVERSION": Switch("lets the database be reached by old versions of TLS alone", _TLS_VERSIONS),
    "PGHOSTADDR": Switch("connects to another server than the one in the configuration", _NEVER),
    "PGSERVICE": Switch("takes the connection to the database, its encryption included, from a file", _NEVER),
    "PGSERVICEFILE": Switch("takes the connection to the database, its encryption included, from a file", _NEVER),
    "PGREQUIRESSL": Switch("lets the database be reached in clear", _ON),
    "FLASK_DEBUG": Switch("shows the inside of the server, and a console, in its error pages", _OFF),
    "ALIBABA_CLOUD_STS_ENDPOINT": Switch("sends the pods' token in clear", "https://.+"),
}  # fmt: skip
"""Environment variables of MLflow and of the libraries that it uses. Those that nobody can want stand in `environment.py`."""

_CIPHERS = Switch(
    "allows weak ciphers", r"(?!.*(?<![!-])\b(NULL|eNULL|aNULL|EXP\w*|LOW|RC4|3?DES|MD5|ADH|ALL|\w*SECLEVEL=[01])\b).*"
)  # fmt: skip

UVICORN: Mapping[str, Switch] = {
    "ssl-version": Switch("chooses the version of TLS, which is negotiated", _NEVER),
    "ssl-ciphers": _CIPHERS,
}  # fmt: skip
"""Options of uvicorn."""

SERVER: Mapping[str, Switch] = {"x-frame-options": VARIABLES["MLFLOW_SERVER_X_FRAME_OPTIONS"]}
"""Options of `mlflow server`. The others that would switch protection off are refused in any case: see `server.py`."""

OAUTH2_PROXY: Mapping[str, Switch] = {
    "cookie-secure": Switch("sends the cookie that logs in over http:// as well", _ON),
    "cookie-httponly": Switch("shows the cookie that logs in to scripts of a page", _ON),
    "cookie-samesite": Switch("sends the cookie that logs in with requests of other sites", "lax|strict"),
    "cookie-csrf-samesite": Switch("sends the cookie of a log-in with requests of other sites", "|lax|strict"),
    "cookie-domain": Switch("sends the cookie that logs in to other hosts as well", _NEVER),
    "pass-host-header": Switch("hides from the server by which name it was asked, which it would check", _ON),
    "code-challenge-method": Switch("lets whoever sees the code of a log-in use it", "S256"),
    "whitelist-domain": Switch("lets links to the log-in page lead to another site", _NEVER),
    "extra-jwt-issuers": Switch("accepts tokens of another issuer, who can name any user and group", _NEVER),
    "oidc-audience-claim": Switch("accepts tokens that were made for others", "aud"),
    "oidc-email-claim": Switch("takes the names of users from another claim", "email"),
    "user-id-claim": Switch("takes the names of users from another claim", "email"),
    "pass-authorization-header": Switch("gives the server a token where it expects the proxy's word", _OFF),
    "set-basic-auth": Switch("shows the password between proxy and server", _OFF),
    "allow-query-semicolons": Switch("lets proxy and server read the same URL differently", _OFF),
    "show-debug-on-error": Switch("shows the inside of the proxy in its error pages", _OFF),
    "gcp-healthchecks": Switch("lets everyone in who calls itself a health check", _OFF),
    "tls-min-version": Switch("allows old versions of TLS", _TLS_VERSIONS),
    "tls-cipher-suite": Switch("allows weak ciphers", r"(?!.*(RC4|3DES|_CBC_|TLS_RSA_)).+"),
    "metrics-address": Switch("shows the proxy's metrics to everyone", ""),
}
"""Options of oauth2-proxy, besides those whose names tell (see `oauth2_proxy`)."""

PARAMETERS: Mapping[str, Switch] = {
    "rds.force_ssl": Switch("lets the database be reached in clear", _ON),
    "require_secure_transport": Switch("lets the database be reached in clear", _ON),
    "ssl": Switch("lets the database be reached in clear", _ON),
    "tls_version": Switch("allows old versions of TLS", _TLS_VERSIONS),
    "ssl_min_protocol_version": Switch("allows old versions of TLS", _TLS_VERSIONS),
    "ssl_max_protocol_version": Switch("allows only old versions of TLS", f"|{_TLS_VERSIONS}"),
    "password_encryption": Switch("stores passwords as weak hashes", "scram-sha-256"),
    "azure.accepted_password_auth_method": Switch("accepts passwords as weak hashes", "scram-sha-256"),
    "rds.accepted_password_auth_method": Switch("accepts passwords as weak hashes", "scram"),
    "ssl_cipher": _CIPHERS,
    "ssl_ciphers": _CIPHERS,
    "tls_ciphersuites": _CIPHERS,
    "secure_auth": Switch("accepts passwords as weak hashes", _ON),
    "old_passwords": Switch("stores passwords as weak hashes", _OFF),
    "cloudsql.allow_passwordless_local_connections": Switch("lets users in without a password", _OFF),
    "connection_throttle.enable": Switch("lets passwords be tried at any rate", _ON),
    "audit_log_enabled": Switch(_UNSEEN, _ON),
    "audit_log_events": Switch(_UNSEEN, r".*\bCONNECTION(_V2)?\b.*"),
    # From PostgreSQL 18 on, what is logged: https://www.postgresql.org/docs/18/runtime-config-logging.html
    "log_connections": Switch(_UNSEEN, rf"{_ON}|{_LOGGED}(\s*,\s*{_LOGGED})*"),
    "log_disconnections": Switch(_UNSEEN, _ON),
    "log_statement": Switch("writes what users store into the log", "none|ddl"),
    "general_log": Switch("writes what users store into the log", _OFF),
    "local_infile": Switch("lets the server read files of its clients", _OFF),
    "skip_show_database": Switch("shows the names of all databases to every user", _ON),
    "mysql_native_password": Switch("accepts passwords as weak hashes", _OFF),
    "default_authentication_plugin": Switch("stores passwords as weak hashes", "caching_sha2_password"),
    "authentication_policy": Switch("stores passwords as weak hashes", r"(?!.*native).+"),
}
"""Parameters of managed databases, on every cloud."""

_CONNECTION: Mapping[str, Switch] = {
    "sslmode": Switch("lets the database be reached in clear", "require|verify-ca|verify-full"),
    "ssl_mode": Switch("lets the database be reached in clear", "REQUIRED|VERIFY_CA|VERIFY_IDENTITY"),
    "ssl": Switch("lets the database be reached in clear", f"{_ON}|[/{{].*"),
    "use_ssl": Switch("lets the database be reached in clear", _ON),
    "ssl_disabled": Switch("lets the database be reached in clear", _OFF),
    "tls": Switch("lets the database be reached in clear", _ON),
    "encrypt": Switch("lets the database be reached in clear", f"{_ON}|mandatory|strict"),
    "encryption": Switch("lets the database be reached in clear", "require"),
    "requiressl": Switch("lets the database be reached in clear", _ON),
    "ssl_verify_cert": Switch(_VERIFIES_NOT, _ON),
    "ssl_verify_identity": Switch(_VERIFIES_NOT, _ON),
    "ssl_check_hostname": Switch(_VERIFIES_NOT, _ON),
    "trustservercertificate": Switch(_VERIFIES_NOT, _OFF),
    "ssl_min_protocol_version": Switch("allows old versions of TLS", _TLS_VERSIONS),
    "ssl_max_protocol_version": Switch("allows only old versions of TLS", _TLS_VERSIONS),
    "local_infile": Switch("lets the server read files of MLflow's pod", _OFF),
}
"""Options of database URIs, in lower case."""


def variable(name: str) -> Switch | None:
    """The switch that an environment variable is, if it is one."""
    if name in VARIABLES:
        return VARIABLES[name]
    if name.startswith("_MLFLOW_"):
        return Switch("is internal to MLflow", _NEVER)
    return _telling(name)


def oauth2_proxy(name: str) -> Switch | None:
    """The switch that an option of oauth2-proxy is, if it is one: by its name, in any spelling and also in the plural."""
    bare = _option(name.removeprefix("OAUTH2_PROXY_"))
    if bare.startswith(("insecure-", "skip-auth-", "trusted-")):
        return Switch("lets people in whom the provider has not vouched for", _OFF)
    return OAUTH2_PROXY.get(bare) or OAUTH2_PROXY.get(bare.rstrip("s")) or _telling(bare.replace("-", "_").upper())


def uvicorn(name: str) -> Switch | None:
    """The switch that an option of uvicorn is, if it is one."""
    return UVICORN.get(_option(name))


def server(name: str) -> Switch | None:
    """The switch that an option of `mlflow server` is, if it is one."""
    return SERVER.get(_option(name))


def parameter(name: str) -> Switch | None:
    """The switch that a parameter of a database is, if it is one."""
    return PARAMETERS.get(name.lower())


def _option(name: str) -> str:
    return name.lstrip("-").replace("_", "-").lower()


def _telling(name: str) -> Switch | None:
    """A switch whose name tells what it does, whoever reads it: `…_INSECURE_…`, `…_VERIFY_SSL`."""
    if re.search(
        r"INSECURE|UNSAFE|(IGNORE|DISABLE|SKIP|NO)_(\w+_)?(TLS|SSL|VERIFY|VERIFICATION|AUTH)\b|TRUST_ALL", name
    ):
        return Switch("switches protection off", _OFF)
    if re.search(r"(^|_)(SSL|TLS|CERT|CONNECTION)_VERIF|VERIFY_(SSL|TLS|CERT)", name):
        return Switch(_VERIFIES_NOT, f"{_ON}|/.+")
    return None


def insecure(field: str, values: Mapping[str, Any], switch_of: Any, *, secret: bool = False) -> Iterator[Problem]:
    """The switches among settings that a user writes; values that are not known yet pass.

    Args:
        field: Name of the field that holds them.
        values: The settings.
        switch_of: Finds the switch that a setting is, by its name.
        secret: Do not show the values.
    """
    for name, value in values.items():
        known, switch = plain(value), switch_of(name)
        if switch is None or known is None:
            continue
        text = str(known).lower() if isinstance(known, bool) else str(known)
        if not switch.keeps(text):
            yield Problem((field, name), switch.effect if secret else f"{text!r} {switch.effect}", _ACCEPTED)


def variables(
    env: Mapping[str, Any], secret_env: Mapping[str, Any], value_from: Mapping[str, Any] = {}
) -> Iterator[Problem]:
    """The switches among the variables that a user adds, in the fields of these names."""
    yield from insecure("env", env, variable)
    yield from insecure("secret_env", secret_env, variable, secret=True)
    yield from unseen("value_from", value_from)
    name = "MLFLOW_READ_REPLICA_BACKEND_STORE_URI"
    for field, given in (("env", env), ("secret_env", secret_env)):
        for problem in connection(given.get(name), name):
            yield problem.under(field)


def parameter_names(values: Mapping[str, str], field: str, own: Sequence[str] = ()) -> Iterator[Problem]:
    """Names of parameters of a managed database. The clouds compare them without case, so only one spelling is let through."""
    for name in values:
        if name.lower() in own:
            yield Problem((field, name), "is set by this component", "remove it")
        elif not re.fullmatch(r"[a-z][a-z0-9_.]*", name):
            fix = "use lower-case letters, digits, '_' and '.'"
            yield Problem((field, name), "is not the name of a parameter", fix)


def unseen(field: str, names: Mapping[str, Any]) -> Iterator[Problem]:
    """The switches among variables whose values are elsewhere, where nobody can look."""
    for name in names:
        if (switch := variable(name)) is not None:
            message = f"cannot be looked at here, and most values of it are dangerous: it {switch.effect}"
            yield Problem((field, name), message, "give its value in env, or leave it out")


def connection(uri: Any, path: str) -> Iterator[Problem]:
    """The switches among the options of a database URI; the URI itself is not shown."""
    known = plain(uri)
    if not isinstance(known, str):
        return
    try:
        options = parse_qsl(urlsplit(known).query, keep_blank_values=True)
    except ValueError:  # which is told elsewhere
        return
    # A whole connection string of ODBC within an option: https://docs.sqlalchemy.org/en/20/dialects/mssql.html#pass-through-exact-pyodbc-string
    inner = [
        part.partition("=") for name, value in options if name.lower() == "odbc_connect" for part in value.split(";")
    ]
    for name, value in (*options, *((name.strip(), value.strip("{} ")) for name, _, value in inner)):
        switch = _CONNECTION.get(name.lower())
        if switch is not None and not switch.keeps(value):
            yield Problem((path,), f"its option {name} {switch.effect}", "remove the option")
