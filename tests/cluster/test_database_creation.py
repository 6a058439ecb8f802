"""A database and its user made on an existing server, with the rights of a user that is no superuser, as clouds have."""

import base64
import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.support import client, configurations, mariadb, postgresql, rotation, s3
from tests.support.deployed import Deployed
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl

pytestmark = pytest.mark.extended

PASSWORD = secrets.token_hex(8) + postgresql.NASTY


@contextlib.contextmanager
def _credentials(kubectl: Kubectl) -> Iterator[str]:
    """A namespace with the Secrets of `master`, and of `mlflow` itself."""
    with kubectl.namespace("enforce") as namespace:
        for name, data in {
            "master": {"login": "master", "word": PASSWORD},
            "own": {"password": PASSWORD[::-1]},
        }.items():
            encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
            named = {"name": name, "namespace": namespace}
            kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": encoded})
        yield namespace


def _values(namespace: str, kind: str, server: postgresql.Server | mariadb.Server, **block: Any) -> dict[str, Any]:
    master = {"name": "master", "usernameKey": "login", "passwordKey": "word"}
    connection = {
        "host": server.host,
        "port": server.port,
        "tls": {"caCertificate": server.ca_certificate},
        "create": {"existingSecret": master},
    }
    return {
        "namespace": namespace,
        "createNamespace": False,
        "database": {kind: {**connection, **block}, "connectTimeoutSeconds": 20},
        "artifacts": {"volume": {"sizeGb": 1}},
        "deletionProtection": False,
        "server": {**configurations.SERVER, "allowedHosts": ["10.*"]},
    }


@pytest.mark.feature("db-create")
def test_postgresql_database_is_made_and_used_and_its_password_replaced(
    new_stack: Deploy,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    bucket: s3.Bucket,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    name = f"made-{secrets.token_hex(4)}"  # must be quoted

    def connect(user: str, password: str, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=postgresql_server.host, port=postgresql_server.port, user=user, password=password, dbname=database
        )

    postgresql_server.role("master", PASSWORD, "CREATEDB CREATEROLE")
    with _credentials(kubectl) as namespace, new_stack() as stack:
        # A generated password first, then one that is given; then one of an existing Secret, and another one in that Secret.
        values = _values(namespace, "postgresql", postgresql_server, database=name, username=name)
        keys = {"artifacts.s3.secretAccessKey": bucket.secret_access_key}
        values["artifacts"] = {"s3": {**bucket.block, "region": "us-east-1"}}
        up = stack.configure(values, keys).up().succeeded()
        with kubectl.forward(namespace, "mlflow", tmp_path) as url:
            client.read_back(url, client.log(url, client.MIB))
        made = Deployed(stack, values, keys, up)
        printed = rotation.steps(kubectl, namespace, "database-password")
        generated = rotation.told(kubectl, namespace, printed)
        given = rotation.follow(made, kubectl, rotation.script(printed), record_property).new
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(name, generated, name)
        connect(name, given, name).close()
        stack.up("--expect-no-changes").succeeded()

        values["database"]["postgresql"]["existingSecret"] = {"name": "own"}
        stack.configure(values, keys).up().succeeded()
        connect(name, PASSWORD[::-1], name).close()
        printed = rotation.steps(kubectl, namespace, "database-password")
        text = rotation.script(printed, postgresql_server.administrator())
        written = rotation.follow(made, kubectl, text, lambda what, value: record_property(f"own {what}", value)).new
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(name, PASSWORD[::-1], name)
        stack.up("--expect-no-changes").succeeded()

        with connect(name, written, name) as connection:
            rights = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = %s"
            assert connection.execute(rights, [name]).fetchone() == (False, False, False, False)
            assert connection.execute("SELECT count(*) FROM experiments").fetchone() == (4,)
        # Nobody else may enter, not even who made it.
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            connect("master", PASSWORD, name)

        # A database of somebody else is not taken over.
        postgresql_server.database()
        values["database"]["postgresql"]["database"], values["server"] = "postgres", {"replicas": 0}
        assert "belongs to 'postgres', not to" in stack.configure(values, keys).up().failed().output


@pytest.mark.feature("db-create")
def test_mariadb_database_is_made_and_used(
    new_stack: Deploy, kubectl: Kubectl, mariadb_server: mariadb.Server, tmp_path: Path
) -> None:
    name = f"made_{secrets.token_hex(4)}"  # holds a wildcard of grants
    mariadb_server.execute("CREATE OR REPLACE USER master@'%%' IDENTIFIED BY %s", PASSWORD)
    mariadb_server.execute("GRANT ALL ON *.* TO master@'%%' WITH GRANT OPTION")
    with _credentials(kubectl) as namespace, new_stack() as stack:
        values = _values(namespace, "mysql", mariadb_server, database=name, username=name)
        values["database"]["mysql"]["existingSecret"] = {"name": "own"}
        stack.configure(values).up().succeeded()
        with kubectl.forward(namespace, "mlflow", tmp_path) as url:
            client.read_back(url, client.log(url, client.MIB))
        own = mariadb.Database(
            mariadb_server.host, mariadb_server.port, name, PASSWORD[::-1], mariadb_server.ca_certificate
        )
        assert own.query("SELECT COUNT(*) FROM experiments") == [(2,)]
        grants = " ".join(row[0] for row in own.query("SHOW GRANTS"))
        assert "ALL PRIVILEGES" not in grants
        assert grants.count(" ON ") == 2  # USAGE on everything, and its own database
        mariadb_server.execute(f"CREATE DATABASE IF NOT EXISTS `{name.replace('_', 'x')}`")
        with pytest.raises(pymysql.OperationalError, match="denied"):
            own.query(f"USE `{name.replace('_', 'x')}`")

        # The one that makes databases is not given to MLflow.
        values["database"]["mysql"]["username"] = "master"
        values["server"] = {"replicas": 0}
        assert "give MLflow a user of its own" in stack.configure(values).up().failed().output
