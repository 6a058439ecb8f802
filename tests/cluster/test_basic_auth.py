"""MLflow's own users on PostgreSQL, with two replicas and real clients."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.support import canaries, client, configurations, postgresql, s3, users
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, restarts, unique_name

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def deployed(
    new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket
) -> Iterator[Deployed]:
    """A deployment with a generated password."""
    values = configurations.postgresql(unique_name(), database, bucket, auth={"basic": {}}, server={"replicas": 2})
    with deploy(new_stack, kubectl, values, configurations.postgresql_secrets(database, bucket)) as deployed:
        yield deployed


@pytest.fixture
def url(deployed: Deployed, kubectl: Kubectl, tmp_path: Path) -> Iterator[str]:
    """The server."""
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        yield url


def test_users_and_administrator_are_made_before_the_servers(
    deployed: Deployed, kubectl: Kubectl, database: postgresql.Database
) -> None:
    servers, migrations = kubectl.pods(deployed.namespace), kubectl.pods(deployed.namespace, "migration")
    assert len(servers) == 2 and restarts([*servers, *migrations]) == 0
    log = kubectl.text("logs", "--namespace", deployed.namespace, "--selector=app.kubernetes.io/component=migration")
    assert "auth: done (initialise)" in log and "created the administrator 'admin'" in log
    assert database.query("SELECT username, is_admin FROM users") == [("admin", True)]
    server = kubectl.text(
        "get", "pods", "--namespace", deployed.namespace, "-l", "app.kubernetes.io/component=server", "-o", "yaml"
    )
    assert "MLFLOW_AUTH_ADMIN_USERNAME" in server and "MLFLOW_AUTH_ADMIN_PASSWORD" not in server


def test_nobody_gets_in_without_the_right_password(deployed: Deployed, kubectl: Kubectl, url: str) -> None:
    admin = users.administrator(deployed, kubectl)
    assert len(admin.password) == 32
    assert requests.get(f"{url}/health", timeout=120).status_code == 200
    for login, status in (
        (None, 401),
        (("admin", "password1234"), 401),
        (("nobody", admin.password), 401),
        (admin, 200),
    ):
        assert users.status(url, login) == status, login
        artifact = requests.get(f"{url}/api/2.0/mlflow-artifacts/artifacts?path=", auth=login, timeout=120)
        assert artifact.status_code == status, login


def test_the_administrator_and_a_user_with_and_without_permission(
    deployed: Deployed, kubectl: Kubectl, url: str
) -> None:
    admin, ada = users.administrator(deployed, kubectl), users.Login("ada", secrets.token_hex(8))
    with client.login(*admin):
        logged = client.log(url)
        client.read_back(url, logged)
    assert users.create(url, admin, ada) == 200
    assert users.create(url, ada, users.Login("eve", secrets.token_hex(8))) == 403
    with client.login(*ada):
        client.read_back(url, logged)  # the default permission is READ
        own = client.log(url, 1024)
    experiment = users.experiment(url, admin, logged.experiment)
    assert users.log_parameter(url, ada, logged.run_id) == 403
    assert users.grant(url, ada, "ada", experiment, "EDIT") == 403
    assert users.grant(url, admin, "ada", experiment, "EDIT") == 200
    assert users.log_parameter(url, ada, logged.run_id) == 200
    with client.login(*admin):
        client.read_back(url, own)


def test_a_given_password_replaces_the_generated_one(deployed: Deployed, kubectl: Kubectl, url: str) -> None:
    generated = users.administrator(deployed, kubectl)
    before = {pod["metadata"]["uid"] for pod in kubectl.pods(deployed.namespace)}
    given = users.Login("admin", canaries.token() + '%"\\$& ')
    deployed.reconfigure({"auth.basic.adminPassword": given.password}).up().succeeded()
    assert users.administrator(deployed, kubectl) == given
    assert users.status(url, given) == 200 and users.status(url, generated) == 401
    # Only the migration needs the password: nobody's request is interrupted.
    assert {pod["metadata"]["uid"] for pod in kubectl.pods(deployed.namespace)} == before
    canaries.assert_absent({"the password": given.password}, {"the outputs": str(deployed.stack.outputs())})


@pytest.mark.feature("auth-basic")
def test_users_in_a_database_of_their_own_and_settings_from_secrets(
    deployed: Deployed,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    database: postgresql.Database,
    tmp_path: Path,
) -> None:
    """The rest of the row: the tests above have shown a generated and a given password, and the shared database."""
    other = postgresql_server.database()
    root = users.Login("root", secrets.token_hex(8))
    kubectl.secret(deployed.namespace, "administrator", {"name": root.username, "word": root.password})
    kubectl.secret(deployed.namespace, "users-database", {"password": other.password})
    own = {
        "basic": {"existingSecret": {"name": "administrator", "usernameKey": "name", "passwordKey": "word"}},
        "defaultPermission": "NO_PERMISSIONS",
        "database": {
            "postgresql": {
                "host": other.host,
                "port": other.port,
                "database": other.name,
                "username": other.name,
                "existingSecret": {"name": "users-database"},
                "tls": {"caCertificate": other.ca_certificate},
            }
        },
    }
    one = {"replicas": 1}
    deployed.reconfigure(auth=own, server=one).up().succeeded()
    kubectl.settled(deployed.namespace, 1)
    assert users.administrator(deployed, kubectl) == root
    ada = users.Login("ada", secrets.token_hex(8))
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        with client.login(*root):
            logged = client.log(url, 1024)
        assert users.create(url, root, ada) == 200
        assert users.read_run(url, root, logged.run_id) == 200
        assert users.read_run(url, ada, logged.run_id) == 403
    assert {row[0] for row in other.query("SELECT username FROM users")} == {"root", "ada"}
    assert ("root",) not in database.query("SELECT username FROM users")

    # A file as somebody wrote it, whose function lets nobody in.
    uri = f"postgresql+psycopg2://{other.name}:{quote(other.password, safe='')}@{other.host}:{other.port}/{other.name}"
    lines = ["default_permission = READ", f"database_uri = {uri.replace('%', '%%')}", "admin_username = unused"]
    lines.append("authorization_function = mlflow.server.auth:make_basic_auth_response")
    kubectl.secret(deployed.namespace, "settings", {"file": "\n".join(["[mlflow]", *lines])})
    basic = {**own["basic"], "existingConfig": {"name": "settings", "key": "file"}}
    deployed.reconfigure(auth={"basic": basic}, server=one).up().succeeded()
    kubectl.settled(deployed.namespace, 1)
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as url:
        assert requests.get(f"{url}/health", timeout=120).status_code == 200
        assert users.status(url, root) == 401
