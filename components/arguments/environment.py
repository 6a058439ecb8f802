"""The environment of MLflow's containers: what this component sets, and what a user may add."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .base import Block, Input, Problem, block, looks_secret, plain
from .checks import exactly_one, kubernetes_name, pattern, secret_key

__all__ = ["EnvFromArgs", "KeyRefArgs", "ValueFromArgs"]

OWN_VARIABLES = {
    **dict.fromkeys(["POD_IP", "POD_IPS"], "choose another name"),
    "HOME": "it is the pod's writable directory",
    "MLFLOW_BACKEND_STORE_URI": "use database",
    "MLFLOW_REGISTRY_STORE_URI": "use database.registry",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "use database.poolSize",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "use database.maxOverflow",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "use database.poolRecycleSeconds",
    "DATABASE_TIMEOUT_SECONDS": "use database.silenceTimeoutSeconds",
    **dict.fromkeys(["PGAPPNAME", "PGCONNECT_TIMEOUT"], "it is fixed"),
    "MLFLOW_ARTIFACTS_DESTINATION": "use artifacts",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "use artifacts.defaultRoot",
    "MLFLOW_ARTIFACTS_ONLY": "use server.artifactsOnly",
    "MLFLOW_SERVE_ARTIFACTS": "use artifacts.proxied",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "only clients read it; use artifacts.s3.presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "only clients read it; use artifacts.s3.presigned",
    "ARTIFACTS_PASSWORD": "use artifacts.ftp or artifacts.sftp",
    **dict.fromkeys(
        [
            *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"),
            *("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH"),
        ],
        "jobs reach the server by it",
    ),
    "USER_PYTHONPATH": "use PYTHONPATH",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "use server.allowedHosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "use server.corsAllowedOrigins",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "it would switch host and origin checks off",
    "MLFLOW_HOST": "it is fixed",
    "MLFLOW_PORT": "use server.port",
    "MLFLOW_WORKERS": "use server.workers",
    "MLFLOW_STATIC_PREFIX": "use server.staticPrefix",
    "MLFLOW_UVICORN_OPTS": "use server.uvicorn",
    "FORWARDED_ALLOW_IPS": "use server.trustedProxies",
    **dict.fromkeys(["FRONT_APP", "FRONT_CHECKPOINT_PAGES", "FRONT_HTTPS_HOSTS", "FRONT_SIDECAR"], "it is fixed"),
    "FRONT_PROXIES": "use server.trustedProxies",
    "FRONT_TMP_BYTES": "use pod.tmpSize",
    "MLFLOW_GUNICORN_OPTS": "use server.uvicorn",
    "MLFLOW_EXPOSE_PROMETHEUS": "use monitoring.prometheus",
    "MLFLOW_LOGGING_LEVEL": "use server.logLevel",
    "MLFLOW_ENABLE_WORKSPACES": "use server.workspaces",
    "MLFLOW_WORKSPACE_STORE_URI": "use server.workspaces.storeUri",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "use server.jobExecution",
    **dict.fromkeys(
        ["MLFLOW_AUTH_CONFIG_PATH", "MLFLOW_AUTH_ADMIN_USERNAME", "MLFLOW_AUTH_ADMIN_PASSWORD"], "use auth"
    ),
    **dict.fromkeys(
        [
            *("PROXIED_USER_SECRET", "PROXIED_ADMIN_SECRET", "PROXIED_LOCAL_GROUP"),
            *("PROXIED_NAME_HEADER", "PROXIED_ADMIN_GROUPS"),
        ],
        "use auth",
    ),
    "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "it would let users past the checks of their permissions",
    **dict.fromkeys(
        [
            *("MIGRATION_CONNECT_TIMEOUT_SECONDS", "MIGRATION_LOCK_TIMEOUT_SECONDS", "MIGRATION_SCHEMAS"),
            *("MIGRATION_MODE", "UPGRADE_BACKUP", "UPGRADE_CONTAINER", "UPGRADE_DEPLOYMENT", "UPGRADE_IMAGE"),
            *(
                "UPGRADE_INSTANCE",
                "UPGRADE_KEPT",
                "UPGRADE_RECORD",
                "UPGRADE_SCHEDULES",
                "UPGRADE_START_SECONDS",
                "UPGRADE_STOP_SECONDS",
                "UPGRADE_TRY_OUT",
            ),
            *("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"),
            *(
                "MIGRATION_SQLITE",
                "MIGRATION_USERS_FOLDER",
                "DATABASE_CA",
                "DATABASE_COPIES",
                "DATABASE_ENGINE",
                "DATABASE_HOST",
            ),
            *("DATABASE_NAME", "DATABASE_PASSWORD", "DATABASE_PORT", "DATABASE_TLS_MODE", "DATABASE_USERNAME"),
            *("MASTER_USERNAME", "MASTER_PASSWORD"),
        ],
        "programs of the component read it; use database",
    ),
    **dict.fromkeys(
        [
            *(
                "BACKUP_ARTIFACTS",
                "BACKUP_ARTIFACTS_URI",
                "BACKUP_DEPLOYMENT",
                "BACKUP_NAMESPACE",
                "BACKUP_SERVER",
                "BACKUP_TAG",
            ),
            *("BACKUP_FOLDER", "RESTORED_FOLDER", "LOGIN_FOLDER", "BACKUP_LOCK_SECONDS"),
        ],
        "programs of the component read it; use backup",
    ),
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "use keys.flaskSecretKey",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "use keys.kekPassphrase",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "use keys.webhookSecretEncryptionKey",
}
"""Environment variables that this component sets itself, and what to use instead: a pod must not name one twice. Those of
a particular database or artifact store are declared on its kind; `rules/variables.py` refuses those of the chosen store."""


@block
class KeyRefArgs(Block):
    """A key of an existing Secret or ConfigMap in the deployment's namespace."""

    name: Input[str]
    """Name of the object."""
    key: str
    """Key in the object."""
    optional: bool = False
    """Start even if the object or the key does not exist; the variable is then not set."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a Secret or ConfigMap")
        yield from secret_key(self.key, "key")


@block
class ValueFromArgs(Block):
    """Where the value of one environment variable comes from: exactly one source."""

    one_of = ("secret", "config_map", "field", "resource")

    secret: KeyRefArgs | None = None
    """Key of an existing Secret."""
    config_map: KeyRefArgs | None = None
    """Key of an existing ConfigMap."""
    field: str | None = None
    """Field of the pod, for example `spec.nodeName` or `metadata.labels['team']`."""
    resource: str | None = None
    """Request or limit of the container, for example `limits.memory`."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`{secret: {name: …, key: …}}`")
        fields = r"(metadata|spec|status)\.\w+(\['[^']+'\])?"
        fix = "write for example metadata.name, spec.nodeName, status.hostIP or metadata.labels['team']"
        yield from pattern(self.field, fields, "field", "a field of a pod", fix)
        resources = r"(requests|limits)\.(cpu|memory|ephemeral-storage)"
        yield from pattern(
            self.resource, resources, "resource", "a request or limit", "write for example limits.memory"
        )


@block
class EnvFromArgs(Block):
    """Every key of an existing Secret or ConfigMap as a variable: exactly one of the two."""

    one_of = ("secret", "config_map")

    secret: Input[str] | None = None
    """Name of a Secret."""
    config_map: Input[str] | None = None
    """Name of a ConfigMap."""
    prefix: str = ""
    """Prefix prepended to each key."""
    optional: bool = False
    """Start even if the object does not exist."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, self.one_of, "`- secret: my-secret`")
        yield from kubernetes_name(self.secret, "secret", "the name of a Secret")
        yield from kubernetes_name(self.config_map, "config_map", "the name of a ConfigMap")
        yield from pattern(
            self.prefix, r"([A-Za-z_][A-Za-z0-9_]*)?", "prefix", "a prefix", "use letters, digits and '_'"
        )


def variables(
    env: Mapping[str, Any],
    secret_env: Mapping[str, Any],
    value_from: Mapping[str, Any] | None = None,
    *,
    own: Mapping[str, str],
) -> Iterator[Problem]:
    """The user's environment variables, in fields called `env`, `secret_env` and `value_from`.

    Args:
        env: Plain ones.
        secret_env: Secret ones.
        value_from: Those by reference.
        own: Those that are refused, and what to use instead.
    """
    value_from = value_from or {}
    fields = {"env": env, "secret_env": secret_env, "value_from": value_from}
    for where, name in [(where, name) for where, names in fields.items() for name in names]:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Problem((where, name), "is not the name of an environment variable", "use letters, digits and '_'")
        elif name in own:
            yield Problem((where, name), "is set by this component", own[name])
        elif name.startswith("UVICORN_"):
            yield Problem((where, name), "stands for an option of uvicorn", "use server.uvicorn")
    for name in value_from:
        for where, spelled in (("env", "env"), ("secret_env", "secretEnv")):
            if name in fields[where]:
                yield Problem(("value_from", name), f"is given in {spelled} as well", "keep one of them")
    for where, given in (("env", env), ("secret_env", secret_env)):
        for name, value in given.items():
            if "\0" in str(plain(value)):
                yield Problem((where, name), "contains a NUL, with which no container starts", "remove it")
    for name, value in env.items():
        known = plain(value)
        if name in secret_env:
            yield Problem(("env", name), "is given in secretEnv as well", "keep one of them")
        elif name not in own and (
            looks_secret(name) or (isinstance(known, str) and re.search(r"://[^/\s]*:[^/\s]*@", known))
        ):
            yield Problem(
                ("env", name),
                "looks like a secret and would be readable in the pod's specification",
                "move it to secretEnv",
            )
