"""The environment of MLflow's containers: what this component sets, and what a user may add."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .base import Problem, looks_secret, plain

OWN_VARIABLES = {
    "POD_IP": "choose another name",
    "HOME": "it is the pod's writable directory",
    "MLFLOW_BACKEND_STORE_URI": "use database",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "use database.poolSize",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "use database.maxOverflow",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "use database.poolRecycleSeconds",
    **dict.fromkeys(
        ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"],
        "use database.postgresql",
    ),
    **dict.fromkeys(["PGAPPNAME", "PGCONNECT_TIMEOUT"], "it is fixed"),
    "MLFLOW_ARTIFACTS_DESTINATION": "use artifacts",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "use artifacts",
    "MLFLOW_SERVE_ARTIFACTS": "use artifacts.proxied",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "use artifacts.s3.presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "use artifacts.s3.presigned",
    "MLFLOW_S3_ENDPOINT_URL": "use artifacts.s3.endpointUrl",
    "MLFLOW_S3_IGNORE_TLS": "use artifacts.s3.ignoreTls",
    "MLFLOW_S3_UPLOAD_EXTRA_ARGS": "use artifacts.s3.uploadExtraArgs",
    "AWS_DEFAULT_REGION": "use artifacts.s3.region",
    "AWS_ACCESS_KEY_ID": "use artifacts.s3.accessKeyId",
    "AWS_SECRET_ACCESS_KEY": "use artifacts.s3.secretAccessKey",
    "MLFLOW_SERVER_ALLOWED_HOSTS": "use server.allowedHosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "use server.corsAllowedOrigins",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "use server.jobExecution",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "use keys.flaskSecretKey",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "use keys.kekPassphrase",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "use keys.webhookSecretEncryptionKey",
}
"""Environment variables that have an argument of their own, and what to use: a pod must not name one twice."""


def variables(env: Mapping[str, Any], secret_env: Mapping[str, Any]) -> Iterator[Problem]:
    """The user's own environment variables: plain ones and secret ones, in fields called `env` and `secret_env`."""
    for where, name in [*(("env", name) for name in env), *(("secret_env", name) for name in secret_env)]:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Problem((where, name), "is not the name of an environment variable", "use letters, digits and '_'")
        elif name in OWN_VARIABLES:
            yield Problem((where, name), "is set by this component", OWN_VARIABLES[name])
    for name, value in env.items():
        known = plain(value)
        if name in secret_env:
            yield Problem(("env", name), "is given in secretEnv as well", "keep one of them")
        elif name not in OWN_VARIABLES and (
            looks_secret(name) or (isinstance(known, str) and re.search(r"://[^/\s]*:[^/\s]*@", known))
        ):
            yield Problem(
                ("env", name),
                "looks like a secret and would be readable in the pod's specification",
                "move it to secretEnv",
            )
