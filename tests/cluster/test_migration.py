"""The migration before the servers: refusals, databases that do not answer, and many starters at once."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from components.in_image import Program
from tests.support import configurations, mariadb, postgresql, processes, s3
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name, unique_name
from tests.support.pulumi import Stack
from toolchain.session import Session

pytestmark = pytest.mark.extended

BUCKET = s3.Bucket("http://s3.example.com", "artifacts")
"""Never asked: these stacks have no servers."""


@pytest.fixture
def database(postgresql_server: postgresql.Server) -> postgresql.Database:
    """An empty database."""
    return postgresql_server.database()


@pytest.fixture
def stack(new_stack: Deploy) -> Iterator[Stack]:
    """A stack that is not up yet."""
    with new_stack() as made:
        yield made


def _values(database: postgresql.Database, **connection: Any) -> dict[str, Any]:
    """A deployment that migrates its database and runs no server."""
    values = configurations.postgresql(unique_name(), database, BUCKET, server={"replicas": 0})
    values["database"]["connectTimeoutSeconds"] = 3
    values["database"]["postgresql"].update(connection)
    return values


def _fixed(values: dict[str, Any], **connection: Any) -> dict[str, Any]:
    known = {**values["database"], "postgresql": {**values["database"]["postgresql"], **connection}}
    return {**values, "database": known}


def test_a_schema_of_a_newer_mlflow_is_refused_and_kept(stack: Stack, database: postgresql.Database) -> None:
    database.query("CREATE TABLE experiments (experiment_id int)")
    database.query("CREATE TABLE alembic_version (version_num varchar(32))")
    database.query("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    stack.configure(_values(database), configurations.postgresql_secrets(database, BUCKET))
    output = stack.up().failed().output
    assert "the schema is at ffffffffffff, which this image" in output
    assert "does not know" in output
    assert database.query("SELECT version_num FROM alembic_version") == [("ffffffffffff",)]
    assert not [each for each in stack.resources() if each["type"].endswith(":Deployment")]


def test_tables_of_another_program_are_refused_and_kept(stack: Stack, database: postgresql.Database) -> None:
    database.query("CREATE TABLE accounts (id int)")
    stack.configure(_values(database), configurations.postgresql_secrets(database, BUCKET))
    assert "give MLflow a database of its own" in stack.up().failed().output
    assert database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("accounts",)]


def test_a_schema_is_not_migrated_while_servers_are_connected(stack: Stack, database: postgresql.Database) -> None:
    database.query("CREATE TABLE experiments (experiment_id int)")
    database.query("CREATE TABLE alembic_version (version_num varchar(32))")
    database.query("INSERT INTO alembic_version VALUES ('451aebb31d03')")  # MLflow 1.0
    stack.configure(_values(database), configurations.postgresql_secrets(database, BUCKET))
    with postgresql.connected(database, "mlflow-server"):
        output = stack.up().failed().output
    assert "1 connection(s) of running MLflow servers are open" in output
    assert database.query("SELECT version_num FROM alembic_version") == [("451aebb31d03",)]


@pytest.mark.feature("db-check", "db-pg")
def test_what_keeps_the_database_from_answering_is_told_and_mended_by_the_next_up(
    stack: Stack, database: postgresql.Database, kubectl: Kubectl
) -> None:
    values, secrets = _values(database), configurations.postgresql_secrets(database, BUCKET)

    # Nobody listens: worth waiting for, but not for ever.
    closed = _fixed(values, port=processes.free_port())
    output = stack.configure(closed, secrets).up().failed().output
    assert "the database did not answer within 3 seconds" in output
    assert "Connection refused" in output

    # These do not mend themselves: told at once. Each `up` replaces the Job that failed.
    wrong = {**secrets, "database.postgresql.password": "wrong"}
    output = stack.configure(values, wrong).up().failed().output
    assert f'password authentication failed for user "{database.name}"' in output
    output = stack.configure(_fixed(values, database="elsewhere"), secrets).up().failed().output
    assert 'database "elsewhere" does not exist' in output

    fine = _fixed(values, driver="psycopg", tls={"caCertificate": database.ca_certificate, "mode": "verify-ca"})
    stack.configure(fine, secrets).up().succeeded()
    assert len(database.query("SELECT version_num FROM alembic_version")) == 1
    jobs = kubectl.items("jobs", values["namespace"])
    assert len(jobs) == 2, "the preflight and the migration; those that failed are gone"
    assert [job["status"]["succeeded"] for job in jobs] == [1, 1]


def test_a_server_whose_certificate_another_authority_signed_is_refused(
    stack: Stack, database: postgresql.Database, postgresql_server: postgresql.Server
) -> None:
    values = _values(database, tls={"caCertificate": postgresql.foreign_authority(postgresql_server.host)})
    stack.configure(values, configurations.postgresql_secrets(database, BUCKET))
    assert "certificate verify failed" in stack.up().failed().output
    assert database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


@pytest.mark.feature("db-existing-secret")
def test_credentials_come_from_an_existing_secret(
    stack: Stack, database: postgresql.Database, kubectl: Kubectl
) -> None:
    with kubectl.namespace("enforce") as namespace:
        kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "credentials", "namespace": namespace},
                "data": {
                    "who": base64.b64encode(database.name.encode()).decode(),
                    "pass": base64.b64encode(database.password.encode()).decode(),
                },
            }
        )
        values = _values(database, existingSecret={"name": "credentials", "usernameKey": "who", "passwordKey": "pass"})
        del values["database"]["postgresql"]["username"]
        secrets = {"artifacts.s3.secretAccessKey": BUCKET.secret_access_key}
        stack.configure({**values, "namespace": namespace, "createNamespace": False}, secrets).up().succeeded()
        assert len(database.query("SELECT version_num FROM alembic_version")) == 1
        assert stack.destroy().succeeded()
        assert kubectl.exists("namespace", namespace)


@pytest.fixture(params=["postgresql", "mariadb"])
def any_database(request: pytest.FixtureRequest) -> tuple[postgresql.Database | mariadb.Database, str]:
    """An empty database of each engine, and its URI."""
    made: postgresql.Database | mariadb.Database = request.getfixturevalue(f"{request.param}_server").database()
    kinds = {
        "postgresql": ("postgresql+psycopg2", "sslmode=require", made.password),
        # PyMySQL sends passwords in Latin-1.
        "mariadb": ("mysql+pymysql", "ssl_check_hostname=false", made.password.encode().decode("latin-1")),
    }
    scheme, options, password = kinds[request.param]
    return made, f"{scheme}://{made.name}:{quote(password, safe='')}@{made.host}:{made.port}/{made.name}?{options}"


@pytest.mark.feature("db-migrate")
def test_ten_migrations_at_once_make_one_schema(
    session: Session, any_database: tuple[postgresql.Database | mariadb.Database, str], kubectl: Kubectl
) -> None:
    """Both schemas in one database: experiments, runs and models, and users and permissions."""
    database, uri = any_database
    environment = {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MIGRATION_SCHEMAS": "mlflow,auth",
        "HOME": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with kubectl.namespace() as namespace:
        container = {
            "name": "mlflow",
            "image": session.image,
            "command": ["python", "/migration/migrate.py"],
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "volumeMounts": [{"name": "migration", "mountPath": "/migration"}],
        }
        template = {
            "restartPolicy": "Never",
            "containers": [container],
            "volumes": [{"name": "migration", "configMap": {"name": "migration"}}],
        }
        job = {"parallelism": 10, "completions": 10, "backoffLimit": 0, "template": {"spec": template}}
        named = {"name": "migration", "namespace": namespace}
        kubectl.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": dict(Program("migrate.py").files)},
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": named, "spec": job},
        )

        def ended() -> bool:
            status = kubectl.json("get", "job", "migration", "--namespace", namespace)["status"]
            return status.get("succeeded") == 10 or bool(status.get("failed"))

        processes.eventually(ended, "ten migrations", 1)
        logs = [
            kubectl.text("logs", "--namespace", namespace, pod_name(pod)) for pod in kubectl.items("pods", namespace)
        ]
        assert len(logs) == 10
        for what in ("migration: ", "migration: auth: "):
            assert sum(f"{what}done (initialise)" in log for log in logs) == 1, logs
        assert sum(log.count("nothing to do") for log in logs) == 18, logs
    for table in ("alembic_version", "alembic_version_auth"):
        assert len(database.query(f"SELECT version_num FROM {table}")) == 1
