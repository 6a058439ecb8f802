"""Configurations of what is drawn too rarely to be among a few hundred: one choice inside another, inside another."""

from typing import Any

from tests.configurations import AWS, AZURE, CERTIFICATE, GCP, changed
from tests.strategies import SECRETS_STORES

_SECRET = "canary-of-a-corner-0123456789-abcdefghijklmnop"
_TLS = {"mode": "verify-full", "caCertificate": CERTIFICATE}
_SHARED = {"volume": {"accessMode": "ReadWriteMany", "storageClass": "shared"}}
_GIVEN = {"host": "db", "username": "mlflow", "password": _SECRET, "tls": _TLS, "connectionLimit": 10_000}
_FROM_SECRET = {
    "host": "db",
    "existingSecret": {"name": "db", "usernameKey": "user", "passwordKey": "word"},
    "tls": _TLS,
}
_CLAIM = {"accessMode": "ReadWriteOnce", "storageClass": "fast"}
_STORES: list[dict[str, Any]] = [
    _SHARED,
    {"s3": {"bucket": "models", "accessKeyId": "id", "secretAccessKey": _SECRET, "region": "eu-west-1", "presigned": True}},
    {"s3": {"bucket": "models", "endpointUrl": "http://s3:9000", "existingSecret": {"name": "s3"}}},
    {"minio": {"volume": {"existingClaim": "minio"}, "password": _SECRET}},
    {"minio": {"volume": _CLAIM}},
    {"minio": {"volume": {"existingClaim": "minio", "subPath": "objects"}}},
    {"azureBlob": {"account": "models", "container": "models", "accessKey": _SECRET}},
    {"azureBlob": {"account": "models", "container": "models", "connectionString": f"AccountKey={_SECRET}"}},
    {"azureBlob": {"account": "models", "container": "models", "existingSecret": {"name": "a", "accessKeyKey": "key"}}},
    {"azureBlob": {"account": "models", "container": "models", "existingSecret": {"name": "a", "connectionStringKey": "c"}}},
    {"oss": {"bucket": "models", "endpoint": "oss.aliyuncs.com", "accessKeyId": "id", "accessKeySecret": _SECRET}},
    {"uri": {"existingConfigMap": {"name": "artifacts", "key": "uri"}}},
    {"sftp": {"host": "sftp", "username": "u", "knownHosts": "sftp ssh-ed25519 AAAA", "existingSecret": {"name": "s", "passwordKey": "p"}}},
]  # fmt: skip
_DATABASES: list[dict[str, Any]] = [
    {"inClusterPostgresql": {"volume": {"existingClaim": "database"}, "password": _SECRET}},
    {
        "inClusterMysql": {
            "volume": {"existingClaim": "database"},
            "existingSecret": {"name": "db", "passwordKey": "word"},
        }
    },
    {"inClusterPostgresql": {"volume": _CLAIM}},
    {"inClusterMysql": {"volume": _CLAIM}},
    {"mssql": {"value": f"mssql+pymssql://u:{_SECRET}@db/mlflow", "connectionLimit": 10_000}},
    {"mssql": {"existingSecret": {"name": "db", "key": "uri"}, "port": 1433}},
    {"mssql": {"existingConfigMap": {"name": "db", "key": "uri"}, "port": 1433}},
    {"uri": {"existingSecret": {"name": "db", "key": "uri"}, "port": 5432, "connectionLimit": 10_000}},
    {
        "uri": {"value": f"postgresql+psycopg2://u:{_SECRET}@db/mlflow"},
        "registry": {"value": f"postgresql+psycopg2://u:{_SECRET}@db/registry", "connectionLimit": 10_000},
    },
    {"postgresql": {**_FROM_SECRET, "create": {"existingSecret": {"name": "master", "usernameKey": "user"}}}},
    {"mysql": {**_FROM_SECRET, "create": {"existingSecret": {"name": "master", "usernameKey": "user"}}}},
    {"postgresql": {**_GIVEN, "create": {"username": "root", "existingSecret": {"name": "master"}}}},
    {"mysql": {**_GIVEN, "create": {"username": "root", "existingSecret": {"name": "master"}}}},
    *(
        {kind: {**_GIVEN, "create": {"secretsStore": store}}}
        for kind in ("postgresql", "mysql")
        for store in SECRETS_STORES
    ),
    {"sqlServer": _GIVEN},
    {"inClusterPostgresql": {"volume": {"existingClaim": "data", "subPath": "database"}, "password": _SECRET}},
    {"inClusterMysql": {"volume": {"existingClaim": "data", "subPath": "database"}, "password": _SECRET}},
    {
        "uri": {"existingConfigMap": {"name": "db", "key": "uri"}, "port": 5432, "connectionLimit": 10_000},
        "registry": {"existingConfigMap": {"name": "db", "key": "registry"}, "connectionLimit": 10_000},
    },
]
_USERS = {"adminGroup": "cn=admins,dc=example,dc=com", "anyUser": True, "uri": "ldap://directory"}
_READER = {"base": "dc=example,dc=com", "bindDn": "cn=reader,dc=example,dc=com"}
_OIDC = {"issuerUrl": "https://id", "redirectUrl": "https://mlflow/oauth2/callback", "emailDomains": ["*"]}
_LOGINS: list[dict[str, Any]] = [
    {"ldap": {**_USERS, "search": {**_READER, "existingSecret": {"name": "reader", "passwordKey": "word"}}}},
    {"ldap": {**_USERS, "search": {**_READER, "bindPassword": _SECRET}, "tls": {"existingSecret": {"name": "ca", "key": "pem"}}}},
    {"ldap": {**_USERS, "userDn": "uid=%s,dc=example,dc=com"}, "database": {"postgresql": _GIVEN}},
    {"basic": {"existingSecret": {"name": "admin", "usernameKey": "user"}}, "database": {"mysql": _GIVEN}},
    {"basic": {"adminPassword": _SECRET}, "database": {"mysql": _FROM_SECRET}},
    {"basic": {}, "database": {"postgresql": _FROM_SECRET}},
    {"basic": {}, "database": {"uri": {"value": f"postgresql+psycopg2://u:{_SECRET}@db/users", "connectionLimit": 10_000}}},
    {"oidc": {**_OIDC, "existingSecret": {"name": "oidc", "clientIdKey": "id", "cookieSecretKey": "cookie"}}},
]  # fmt: skip

CORNERS: list[dict[str, Any]] = [
    {
        "database": database,
        "artifacts": _STORES[number % len(_STORES)],
        "auth": _LOGINS[number % len(_LOGINS)],
        "server": {"replicas": 2},
    }
    for number, database in enumerate(_DATABASES)
] + [
    {
        "database": {"postgresql": _GIVEN},
        "artifacts": _SHARED,
        "server": {"replicas": 2},
        "disruptionBudget": {"enabled": False},
    },
    {
        "database": {
            "uri": {"existingSecret": {"name": "db", "key": "uri"}},
            "registry": {"existingSecret": {"name": "db", "key": "registry"}, "port": 5432},
        },
        "artifacts": {"gcs": {"bucket": "models", "project": "team", "keyFile": '{"type": "canary"}'}},
        "auth": {"basic": {}, "database": {"uri": {"existingSecret": {"name": "users", "key": "uri"}}}},
        "server": {"replicas": 2},
    },
    {
        "database": {"postgresql": _GIVEN},
        "artifacts": _STORES[1],
        "auth": {
            "oidc": {
                **_OIDC,
                "existingSecret": {"name": "oidc", "clientIdKey": "id"},
                "redis": {"url": f"rediss://:{_SECRET}@redis:6380/0", "tls": {"caCertificate": CERTIFICATE}},
            }
        },
        "backup": {
            "destination": {
                "sftp": {
                    "host": "vault",
                    "username": "u",
                    "knownHosts": "vault ssh-ed25519 AAAA",
                    "existingSecret": {"name": "s", "privateKeyKey": "k"},
                }
            }
        },
        "server": {"replicas": 2},
    },
    {
        "database": {"postgresql": _GIVEN},
        "artifacts": _STORES[1],
        "auth": {
            "oidc": {
                **_OIDC,
                "existingSecret": {"name": "oidc", "clientIdKey": "id"},
                "tls": {"existingSecret": {"name": "authority", "key": "pem"}},
                "redis": {"existingSecret": {"name": "redis", "key": "url"}, "port": 6380},
            }
        },
        "server": {"replicas": 2},
    },
    changed(AZURE, "database.azureFlexibleServer.version", "16"),
    changed(AWS, "database.rds.restore", {"snapshot": "before"}),
    changed(
        AWS,
        "database",
        {
            "aurora": {
                "engine": "postgresql",
                "serverlessV2": {},
                "restore": {"snapshot": "before"},
                "maintenance": {"window": "sun:05:00-sun:06:00"},
            }
        },
    ),
    changed(AWS, "database", {"aurora": {"engine": "postgresql", "serverlessV2": {}, "snapshotIdentifier": "before"}}),
    changed(
        changed(GCP, "artifacts.gcpBucket.name", "models-of-tests"),
        "database.cloudSql.restore",
        {"source": "former", "pointInTime": "2026-03-14T09:26:53Z"},
    ),
]
