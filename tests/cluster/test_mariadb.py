"""The production deployment on MariaDB: two replicas, verified TLS, a password of difficult characters; and its refusals."""

import base64
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from tests.support import canaries, client, configurations, mariadb, postgresql, processes, rotation, s3
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, restarts, unique_name
from tests.support.pulumi import Stack

pytestmark = pytest.mark.extended

BUCKET = s3.Bucket("http://s3.example.com", "artifacts")
"""Never asked: by stacks without servers."""


@pytest.fixture(scope="module")
def database(mariadb_server: mariadb.Server) -> mariadb.Database:
    """The database of the deployment."""
    return mariadb_server.database()


@pytest.fixture(scope="module")
def external(new_stack: Deploy, kubectl: Kubectl, database: mariadb.Database, bucket: s3.Bucket) -> Iterator[Deployed]:
    """The deployment."""
    server = {"replicas": 2, "allowedHosts": ["10.*"]}
    values = configurations.mysql(unique_name(), database, bucket, server=server)
    with deploy(new_stack, kubectl, values, configurations.mysql_secrets(database, bucket)) as deployed:
        yield deployed


@pytest.mark.feature("db-mysql")
def test_client_reads_back_what_it_logged_through_two_replicas(
    external: Deployed, kubectl: Kubectl, database: mariadb.Database, tmp_path: Path
) -> None:
    servers, migrations = kubectl.pods(external.namespace), kubectl.pods(external.namespace, "migration")
    assert (len(servers), len(migrations)) == (2, 1)
    assert restarts([*servers, *migrations]) == 0
    with kubectl.forward(external.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, client.log(url, 5 * client.MIB))
    assert len(database.query("SELECT version_num FROM alembic_version")) == 1
    # The server takes no connection without TLS, so these have it.
    sessions = database.query("SELECT db FROM information_schema.processlist WHERE id <> CONNECTION_ID()")
    assert {row[0] for row in sessions} == {database.name}


def test_the_password_is_in_no_log_no_arguments_and_no_environment(
    external: Deployed, kubectl: Kubectl, database: mariadb.Database
) -> None:
    server = pod_name(kubectl.pods(external.namespace)[0])
    program = "import glob; print([open(path).read() for path in glob.glob('/proc/[0-9]*/%s')])"
    canaries.assert_absent(
        {"the password": database.password},
        {
            "the log": kubectl.text("logs", "--namespace", external.namespace, server, "--all-containers"),
            "the arguments": kubectl.exec(external.namespace, server, "python", "-c", program % "cmdline"),
            "the environment": kubectl.exec(external.namespace, server, "python", "-c", program % "environ"),
            "the pods": kubectl.text("get", "pods", "--namespace", external.namespace, "--output=yaml"),
        },
    )


def test_again_changes_nothing(external: Deployed) -> None:
    external.stack.up("--expect-no-changes").succeeded()


def test_the_password_is_replaced_as_the_command_line_says_and_no_call_meets_a_server_that_cannot_log_in(
    external: Deployed,
    kubectl: Kubectl,
    mariadb_server: mariadb.Server,
    database: mariadb.Database,
    record_property: Callable[[str, object], None],
) -> None:
    printed = rotation.steps(kubectl, external.namespace, "database-password")
    assert rotation.told(kubectl, external.namespace, printed) == database.password
    text = rotation.script(printed, mariadb_server.administrator(), only="MariaDB")
    followed = rotation.follow(external, kubectl, text, record_property)
    # Of answers; the servers of tests end without draining, so that a connection may be refused or cut.
    answers = [each for each in followed.refused if ": OSError(" in each]
    assert answers == [], answers
    assert len(dataclasses.replace(database, password=followed.new).query("SELECT 1")) == 1
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        database.query("SELECT 1")
    external.stack.up("--expect-no-changes").succeeded()


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that is there before the stack."""
    with kubectl.namespace("enforce") as name:
        yield name


@pytest.fixture
def stack(namespace: str, new_stack: Deploy) -> Iterator[Stack]:
    """A stack that is not up yet."""
    with new_stack() as made:
        yield made


def _changed(values: dict[str, Any], **connection: Any) -> dict[str, Any]:
    database = {**values["database"], "mysql": {**values["database"]["mysql"], **connection}}
    return {**values, "database": database}


@pytest.mark.feature("db-check", "db-mysql", "db-migrate")
def test_what_keeps_mariadb_from_being_migrated_is_told_and_mended_by_the_next_up(
    stack: Stack, mariadb_server: mariadb.Server, kubectl: Kubectl, namespace: str
) -> None:
    database = mariadb_server.database()
    values = configurations.mysql(namespace, database, BUCKET, server={"replicas": 0}, createNamespace=False)
    values["database"]["connectTimeoutSeconds"] = 3
    secrets = configurations.mysql_secrets(database, BUCKET)

    def refused(secrets: dict[str, str], **connection: Any) -> str:
        return stack.configure(_changed(values, **connection), secrets).up().failed().output

    output = refused(secrets, port=processes.free_port())
    assert "the database did not answer within 3 seconds" in output
    assert "Connection refused" in output
    output = refused({**secrets, "database.mysql.password": "wrong"})
    assert f"the database refused the connection: Access denied for user '{database.name}'" in output
    foreign = {"caCertificate": postgresql.foreign_authority(mariadb_server.host)}
    assert "certificate verify failed" in refused(secrets, tls=foreign)

    mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
    try:
        assert "set log_bin_trust_function_creators to 1" in refused(secrets)
    finally:
        mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = ON")
    assert database.query("SHOW TABLES") == []

    # An older schema, as of MLflow 1.0, with a server connected.
    database.query("CREATE TABLE experiments (experiment_id int)")
    database.query("CREATE TABLE alembic_version (version_num varchar(32))")
    database.query("INSERT INTO alembic_version VALUES ('451aebb31d03')")
    connected = database.connect()
    assert "1 connection(s) of running MLflow servers are open" in refused(secrets)
    connected.close()
    assert database.query("SELECT version_num FROM alembic_version") == [("451aebb31d03",)]
    database.query("DROP TABLE experiments")
    database.query("DROP TABLE alembic_version")

    # User and password from an existing Secret, and a certificate that is verified for its authority alone.
    login = {"who": database.name, "pass": database.password}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in login.items()}
    named = {"name": "credentials", "namespace": namespace}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": data})
    fine = _changed(
        values,
        existingSecret={"name": "credentials", "usernameKey": "who", "passwordKey": "pass"},
        username="nobody",
        tls={"caCertificate": database.ca_certificate, "mode": "verify-ca"},
    )
    stack.configure(fine, {"artifacts.s3.secretAccessKey": BUCKET.secret_access_key}).up().succeeded()
    assert len(database.query("SELECT version_num FROM alembic_version")) == 1
