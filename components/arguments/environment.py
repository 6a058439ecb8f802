"""The environment of MLflow's containers: what this component sets, and what a user may add."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .base import Problem, looks_secret, plain

ARTIFACT_VARIABLES = {
    "MLFLOW_S3_ENDPOINT_URL": "use artifacts.s3.endpointUrl",
    "MLFLOW_S3_IGNORE_TLS": "use artifacts.s3.ignoreTls",
    "MLFLOW_S3_UPLOAD_EXTRA_ARGS": "use artifacts.s3.uploadExtraArgs",
    "MLFLOW_S3_EXPECTED_BUCKET_OWNER": "use artifacts.s3.expectedBucketOwner",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "use artifacts.s3.addressingStyle",
    "AWS_DEFAULT_REGION": "use artifacts.s3.region",
    "AWS_ACCESS_KEY_ID": "use artifacts.s3.accessKeyId",
    "AWS_SECRET_ACCESS_KEY": "use artifacts.s3.secretAccessKey",
    "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "use artifacts.gcs.uploadChunkMb",
    "MLFLOW_GCS_DOWNLOAD_CHUNK_SIZE": "use artifacts.gcs.downloadChunkMb",
    "AZURE_STORAGE_ACCESS_KEY": "use artifacts.azureBlob.accessKey",
    "AZURE_STORAGE_CONNECTION_STRING": "use artifacts.azureBlob.connectionString",
    "MLFLOW_KERBEROS_TICKET_CACHE": "use artifacts.hdfs.ticketCache",
    "MLFLOW_KERBEROS_USER": "use artifacts.hdfs.user",
    "MLFLOW_PYARROW_EXTRA_CONF": "use artifacts.hdfs.extraConfiguration",
}
"""Variables of artifact stores that have an argument of their own, but for stores that are given by their URI."""

OWN_VARIABLES = {
    "POD_IP": "choose another name",
    "HOME": "it is the pod's writable directory",
    "MLFLOW_BACKEND_STORE_URI": "use database",
    "MLFLOW_REGISTRY_STORE_URI": "use database.registry",
    # With these MLflow encrypts its connections but verifies nothing.
    **dict.fromkeys(["MLFLOW_MYSQL_SSL_CA", "MLFLOW_MYSQL_SSL_CERT", "MLFLOW_MYSQL_SSL_KEY"], "use database.mysql.tls"),
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "use database.poolSize",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "use database.maxOverflow",
    "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": "use database.poolRecycleSeconds",
    **dict.fromkeys(
        ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT"],
        "use database.postgresql",
    ),
    **dict.fromkeys(["PGAPPNAME", "PGCONNECT_TIMEOUT"], "it is fixed"),
    "MLFLOW_ARTIFACTS_DESTINATION": "use artifacts",
    "MLFLOW_DEFAULT_ARTIFACT_ROOT": "use artifacts.defaultRoot",
    "MLFLOW_SERVE_ARTIFACTS": "use artifacts.proxied",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "only clients read it; use artifacts.s3.presigned",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "only clients read it; use artifacts.s3.presigned",
    "ARTIFACTS_PASSWORD": "use artifacts.ftp or artifacts.sftp",
    **ARTIFACT_VARIABLES,
    "MLFLOW_SERVER_ALLOWED_HOSTS": "use server.allowedHosts",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "use server.corsAllowedOrigins",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "use server.jobExecution",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "use keys.flaskSecretKey",
    "MLFLOW_CRYPTO_KEK_PASSPHRASE": "use keys.kekPassphrase",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "use keys.webhookSecretEncryptionKey",
}
"""Environment variables that have an argument of their own, and what to use: a pod must not name one twice."""


def variables(
    env: Mapping[str, Any], secret_env: Mapping[str, Any], own: Mapping[str, str] = OWN_VARIABLES
) -> Iterator[Problem]:
    """The user's own environment variables: plain ones and secret ones, in fields called `env` and `secret_env`.

    Args:
        env: Plain ones.
        secret_env: Secret ones.
        own: Those that are refused, and what to use.
    """
    for where, name in [*(("env", name) for name in env), *(("secret_env", name) for name in secret_env)]:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Problem((where, name), "is not the name of an environment variable", "use letters, digits and '_'")
        elif name in own:
            yield Problem((where, name), "is set by this component", own[name])
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
