"""Stack configurations of the two kinds of deployment, as small as the test cluster is.

Their pods end without draining, which each rollout would wait for: tests of requests during a rollout give seconds of their own.
They may take long to start, since the machine is busy with other tests: tests of what is said of pods that never start give less.
"""

from collections.abc import Mapping
from typing import Any

from tests.support import mariadb
from tests.support.postgresql import Database
from tests.support.s3 import Bucket

SERVER: Mapping[str, Any] = {"drainSeconds": 0, "progressDeadlineSeconds": 600}
"""What every server is given."""
SKIP_AWAIT: Mapping[str, Any] = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}
"""An override with which Pulumi does not wait for an object."""
OPENSHIFT: Mapping[str, Any] = {
    "runAsUser": None,
    "securityContext": {"runAsUser": 1_000_680_000, "runAsGroup": 0, "fsGroup": 1_000_680_000},
}
"""Pods with a user as OpenShift chooses it: known to no image, and of the group root. Its admission's choice is written out here."""


def sqlite(namespace: str, **more: Any) -> dict[str, Any]:
    """The development deployment: SQLite and artifacts on claims."""
    values = {
        "namespace": namespace,
        "database": {"sqlite": {"volume": {"sizeGb": 1}}},
        "artifacts": {"volume": {"sizeGb": 1}},
        "deletionProtection": False,
        "server": dict(SERVER),
    }
    return merged(values, more)


def postgresql(namespace: str, database: Database, bucket: Bucket, **more: Any) -> dict[str, Any]:
    """The production deployment but for its secrets, which are in `postgresql_secrets`: two replicas, verified TLS."""
    return merged(_production(namespace, {"postgresql": connection(database)}, bucket), more)


def postgresql_secrets(database: Database, bucket: Bucket) -> dict[str, str]:
    """What the owner sets with `pulumi config set --secret --path`."""
    return {
        "database.postgresql.password": database.password,
        "artifacts.s3.secretAccessKey": bucket.secret_access_key,
    }


def mysql(namespace: str, database: mariadb.Database, bucket: Bucket, **more: Any) -> dict[str, Any]:
    """The same with MySQL."""
    return merged(_production(namespace, {"mysql": connection(database)}, bucket), more)


def mysql_secrets(database: mariadb.Database, bucket: Bucket) -> dict[str, str]:
    """The secrets of `mysql`."""
    return {"database.mysql.password": database.password, "artifacts.s3.secretAccessKey": bucket.secret_access_key}


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with whole blocks changed; but what every server is given stays."""
    result = {**values, **changes}
    if "server" in changes:
        kept = {name: value for name, value in values.get("server", {}).items() if name in SERVER}
        result["server"] = {**kept, **changes["server"]}
    return result


def connection(database: Database | mariadb.Database) -> dict[str, Any]:
    """The block of a server that is reached over verified TLS, without its password."""
    return {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "username": database.name,
        "tls": {"caCertificate": database.ca_certificate},
    }


def _production(namespace: str, database: dict[str, Any], bucket: Bucket) -> dict[str, Any]:
    return {
        "namespace": namespace,
        "database": {**database, "connectTimeoutSeconds": 20},
        "artifacts": {"s3": {**bucket.block, "prefix": "prod", "region": "us-east-1"}},
        "deletionProtection": False,
        "server": {"replicas": 2, **SERVER},
    }
