"""Back to the version before an upgrade, on PostgreSQL: the image alone, and with the backup that the upgrade has taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from psycopg import sql

from components import versions
from tests.support import backups, client, older, postgresql, s3, schemas
from tests.support.command_line import Answer, CommandLine
from tests.support.deployed import Deployed, deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl

pytestmark = pytest.mark.extended

BEFORE, SAME_SCHEMA = "3.10.0", "3.10.1"
YES = ("--yes", "--json")


@pytest.fixture(scope="module")
def old(new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket) -> Iterator[Deployed]:
    """A server of an older version with users, whose backups are in its bucket."""
    older.ensure(SAME_SCHEMA)
    values, keys = older.backed_up(BEFORE, database, bucket)
    with deploy(new_stack, kubectl, values, keys) as deployed:
        yield deployed


def _seed(database: postgresql.Database) -> None:
    """Values that are not numbers, traces, tags and all else that the older version keeps, and a user, whose logins do not work with
    the settings of this one."""
    packages = str(older.packages(SAME_SCHEMA))
    schemas.ended(older.python(str(backups.SEEDS), "fill", "users", older.uri(database), PYTHONPATH=packages))


def _version(deployed: Deployed, kubectl: Kubectl) -> str:
    """Tag of the image that serves."""
    kubectl.settled(deployed.namespace, 1)
    (pod,) = kubectl.pods(deployed.namespace)
    return pod["spec"]["containers"][0]["image"].rpartition(":")[2]


def _rolled_back(command: CommandLine) -> Answer:
    answer = command.run("rollback", "--yes", "--json")
    assert answer.code == 0, answer.progress
    return answer


@pytest.mark.feature("rollback")
def test_the_version_and_the_data_of_before_an_upgrade_are_back(
    old: Deployed, kubectl: Kubectl, database: postgresql.Database, tmp_path: Path
) -> None:
    command = CommandLine(kubectl.kubeconfig, old.namespace)
    with kubectl.forward(old.namespace, "mlflow", tmp_path) as url:
        logged = client.log(url)
    _seed(database)

    def upgrade(version: str, mode: str) -> Answer:
        own = CommandLine(kubectl.kubeconfig, None, old.stack.folder)
        return own.run(
            "upgrade", older.tag(version), "--mode", mode, "--stack", old.stack.name, *YES, **old.stack.variables
        )

    # The same schema: the image alone.
    assert upgrade(SAME_SCHEMA, "in-place").json["schema"] is False
    # With the run that the check at its end has logged.
    before = schemas.contents(database)
    assert {name for name, table in before.items() if not table.rows} <= schemas.UNWRITTEN
    assert _version(old, kubectl) == older.tag(SAME_SCHEMA)
    assert _rolled_back(command).json["restored"] is None
    assert _version(old, kubectl) == older.tag(BEFORE) and schemas.contents(database) == before

    refused = upgrade(versions.MLFLOW, "in-place")
    assert refused.code == 1 and "the schema changes, so this is not done in place" in refused.progress
    upgraded = upgrade(versions.MLFLOW, "standard").json
    assert upgraded["freezeSeconds"] > 0 and all(each["ok"] for each in upgraded["checks"])
    assert _version(old, kubectl) == older.tag(versions.MLFLOW)
    assert schemas.contents(database)["alembic_version"] != before["alembic_version"]
    with kubectl.forward(old.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, logged)
        later = MlflowClient(url).create_run("0").info.run_id

    answer = _rolled_back(command)
    done = answer.json
    assert "written since the backup, and replaced with it" in answer.progress and "runs 2" in answer.progress
    assert done["lost"] >= 1
    assert _version(old, kubectl) == older.tag(BEFORE)
    assert schemas.contents(database) == before
    # What was written in between is in a snapshot of its own.
    tags = {each["short_id"]: each["tags"] for each in command.run("list", "--json").json}
    assert tags == {done["restored"]: ["before-upgrade"], done["before"]: ["before-restore"]}
    assert later not in str(database.query("SELECT run_uuid FROM runs"))

    old.stack.configure(old.values, old.secrets).up().succeeded()
    assert _version(old, kubectl) == older.tag(BEFORE)
    assert schemas.contents(database) == before
    old.stack.up("--expect-no-changes", "--refresh").succeeded()
    with kubectl.forward(old.namespace, "mlflow", tmp_path) as url:
        client.read_back(url, logged)
        assert client.log(url)
    assert command.run("status").code == 0


@pytest.mark.feature("blue-green")
def test_the_database_of_before_a_blue_green_upgrade_is_back_under_its_name(
    old: Deployed,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    database: postgresql.Database,
    tmp_path: Path,
) -> None:
    command = CommandLine(kubectl.kubeconfig, old.namespace)
    blue_green = {"upgrade": {"mode": "blue-green"}}
    before = schemas.contents(database)
    pods = {pod["metadata"]["name"] for pod in kubectl.pods(old.namespace)}
    output = old.reconfigure(**blue_green, image={}).up().failed().output
    assert "nothing was stopped" in output and "CREATEDB" in output
    assert {pod["metadata"]["name"] for pod in kubectl.pods(old.namespace)} == pods

    postgresql_server.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(database.name)))
    old.reconfigure(**blue_green, image={}).up().succeeded()
    assert _version(old, kubectl) == older.tag(versions.MLFLOW)
    (kept,) = command.run("status", "--json").json["kept"]
    with kubectl.forward(old.namespace, "mlflow", tmp_path) as url:
        logged = client.log(url)

    answer = _rolled_back(command)
    done = answer.json
    assert done["restored"] == kept and done["lost"] >= 1
    assert f"kept in {done['before']}" in answer.progress
    assert _version(old, kubectl) == older.tag(BEFORE)
    assert schemas.contents(database) == before
    later = f"SELECT count(*) FROM runs WHERE run_uuid = '{logged.run_id}'"
    assert postgresql_server.query(done["before"], later) == [(1,)] and database.query(later) == [(0,)]
    old.reconfigure(**blue_green).up().succeeded()
    old.stack.up("--expect-no-changes", "--refresh").succeeded()
    with kubectl.forward(old.namespace, "mlflow", tmp_path) as url:
        assert client.log(url)
    assert command.run("drop", done["before"], "--yes").code == 0
    names = f"SELECT datname FROM pg_database WHERE datname LIKE '{database.name}%'"
    assert postgresql_server.query("postgres", names) == [(database.name,)]
    assert command.run("status", "--json").json["kept"] == {}
