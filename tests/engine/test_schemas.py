"""Schemas that older versions of MLflow have made in real databases, and what the programs of an upgrade do with them.

The programs are processes of this machine, with the packages of MLflow's image.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.support import disks, forks, mariadb, older, postgresql, schemas
from tests.support.processes import eventually

pytestmark = pytest.mark.extended

Database = older.Database
METRICS = int(os.environ.get("MLFLOW_METRICS", "1000"))
TRACE = {"trace_name": "asked", "session_id": "a session", "input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
SPAN = {"input_cost": "0.25", "output_cost": "0.5", "total_cost": "0.75", "model_name": "some model"}
"""What was elsewhere before an upgrade: see `schemas.changes`."""


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue(f"{request.param}_server").database()


def _checked(output: str) -> dict[str, Any]:
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


@pytest.mark.parametrize("version", schemas.MINORS)
def test_what_an_older_minor_wrote_is_the_same_afterwards(
    version: str,
    postgresql_server: postgresql.Server,
    mariadb_server: mariadb.Server,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    servers = {"postgresql": postgresql_server, "mariadb": mariadb_server}
    databases = {engine: server.database() for engine, server in servers.items()}
    schemas.seed(version, *databases.values())
    users = databases
    if not schemas.with_users(version):
        users = {engine: server.database() for engine, server in servers.items()}
        schemas.seed_users(version, *users.values())
    program = schemas.programs(tmp_path)
    for engine, database in databases.items():
        (run, *_), *_ = database.query("SELECT run_uuid FROM runs")
        schemas.many_metrics(database, run, METRICS)
        before, logins = schemas.contents(database), schemas.contents(users[engine])
        empty = {name for name, table in {**before, **logins}.items() if not table.rows}
        assert empty <= schemas.UNWRITTEN
        (tmp_path / engine).mkdir()
        variables = _logins(users[engine], tmp_path / engine)
        output = schemas.migrated(program, database, MIGRATION_MODE="check", **variables)
        found, of_users = _checked(output)["databases"]
        (schema,), (auth,) = found["schemas"], of_users["schemas"]
        assert [each["action"] for each in (schema, auth)] == ["migrate", "migrate"]
        assert found["problems"] == of_users["problems"] == []
        assert schema["current"] == before["alembic_version"].rows[0][0]
        assert schema["pending"][-1]["revision"] == schema["head"]
        assert found["rows"]["metrics"] > METRICS / 2
        assert (schemas.contents(database), schemas.contents(users[engine])) == (before, logins)

        if version == schemas.MINORS[0]:
            # Two start at once.
            started = [schemas.migrate(program, database, **variables) for _ in range(2)]
            output = "".join(map(schemas.ended, started))
        else:
            output = schemas.migrated(program, database, **variables)
        (seconds,) = re.findall(r"migration: done \(migrate\) in ([0-9.]+) seconds", output)
        record_property(f"{engine}_seconds", seconds)
        assert output.count("migration: auth: done (migrate)") == 1, output
        after = schemas.contents(database)
        assert after["alembic_version"].rows == [(schema["head"],)]
        assert schemas.changes(before, after) == []
        assert schemas.changes(logins, schemas.contents(users[engine])) == []
        assert [tuple(row[each] for each in TRACE) for row in after["trace_info"].named()] == (
            [tuple(TRACE.values())] if "trace_info" in before else []
        )
        if before.get("span_metrics"):
            assert [tuple(row[each] for each in SPAN) for row in after["spans"].named()] == [tuple(SPAN.values())]


def _logins(users: Database, folder: Path) -> dict[str, str]:
    """Variables of a migration where users log in."""
    lines = ["[mlflow]", f"database_uri = {older.uri(users).replace('%', '%%')}", "default_permission = READ"]
    (folder / "basic_auth.ini").write_text("\n".join(lines))
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": schemas.ADMINISTRATOR,
        "MLFLOW_AUTH_ADMIN_PASSWORD": "a password of the tests",
    }


def test_a_half_done_migration_is_found_out(mariadb_server: mariadb.Server, tmp_path: Path) -> None:
    database = mariadb_server.database()
    schemas.seed(schemas.MINORS[-1], database)
    program = schemas.programs(tmp_path)
    found = _checked(schemas.migrated(program, database, MIGRATION_MODE="check"))
    made = next(
        each["revision"]
        for each in found["databases"][0]["schemas"][0]["pending"]
        if "create_table" in each["operations"]
    )
    revisions = "import schemas, sys; print(*schemas.MLFLOW.revisions()[sys.argv[1]].created)"
    table = schemas.ended(forks.python("-c", revisions, made, PYTHONPATH=str(tmp_path))).split()[0]
    mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
    output = schemas.migrated(program, database, 1, MIGRATION_MODE="check")
    mariadb_server.execute("SET GLOBAL log_bin_trust_function_creators = ON")
    assert "set log_bin_trust_function_creators to 1" in output and database.query("SHOW TABLES LIKE '%probe%'") == []
    database.query(f"CREATE TABLE {table} (id INT)")
    output = schemas.migrated(program, database, 1, MIGRATION_MODE="check")
    assert f"revision {made} of the mlflow schema is there by half (its table {table}" in output


@contextlib.contextmanager
def _server(database: Database) -> Iterator[Any]:
    """A session of a server that has come back."""
    if isinstance(database, postgresql.Database):
        made = psycopg.connect(
            host=database.host,
            port=database.port,
            dbname=database.name,
            user=database.name,
            password=database.password,
            application_name="mlflow-server",
        )
    else:
        made = database.connect()
    try:
        yield made.cursor()
    finally:
        with contextlib.suppress(psycopg.Error, pymysql.Error):
            made.close()


GUARDED = """
import sys, time, upgrade, migrate
(engine, _), = migrate.targets()
with upgrade.Guard([engine]), engine.connect() as own:
    print("guarded", flush=True)
    sys.stdin.readline()
    own.exec_driver_sql("SELECT 1")
print("own session lives")
"""


def test_sessions_of_servers_that_come_back_are_ended(database: Database, tmp_path: Path) -> None:
    schemas.programs(tmp_path)
    variables = {"MLFLOW_BACKEND_STORE_URI": older.uri(database), "PGAPPNAME": "mlflow-migration"}
    guard = forks.python("-c", GUARDED, PYTHONPATH=str(tmp_path), **variables)
    assert guard.stdout is not None
    assert guard.stdout.readline() == "guarded\n"
    with _server(database) as cursor, pytest.raises((psycopg.Error, pymysql.Error)):
        for _ in range(100):
            cursor.execute("SELECT 1")
            cursor.execute(
                "DO $$ BEGIN PERFORM pg_sleep(0.1); END $$"
                if "psycopg" in type(cursor).__module__
                else "SELECT SLEEP(0.1)"
            )
    output, _ = guard.communicate("\n", timeout=60)
    assert guard.returncode == 0, output
    assert "ended 1 session(s) of servers that came back" in output and "own session lives" in output


HOLDING = """
import sys, migrate
(engine, _), = migrate.targets()
with migrate.alone(engine, "migration"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize(("count", "kind"), [(5, "mariadb"), (10, "postgresql")])
def test_many_migrations_at_once_are_one(count: int, kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """They wait for whoever holds the lock, each as long as it may, and go on when the holder ends, however that ends."""
    database = request.getfixturevalue(f"{kind}_server").database()
    schemas.seed(schemas.MINORS[-1], database)
    before, program = schemas.contents(database), schemas.programs(tmp_path)
    head = database.query("SELECT version_num FROM alembic_version")
    variables = {"MLFLOW_BACKEND_STORE_URI": older.uri(database), "PYTHONPATH": str(tmp_path)}
    holder = forks.python("-c", HOLDING, **variables)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    output = schemas.migrated(program, database, 1, MIGRATION_LOCK_TIMEOUT_SECONDS="1")
    assert "another migration has held the lock for 1 seconds" in output
    output = schemas.migrated(program, database, MIGRATION_MODE="check")
    assert _checked(output)["databases"][0]["locked"] is True
    assert database.query("SELECT version_num FROM alembic_version") == head
    waiting = [schemas.migrate(program, database) for _ in range(count)]
    assert waiting[0].stdout is not None
    assert any("waiting for another migration" in line for line in waiting[0].stdout)
    holder.kill()
    holder.communicate()
    outputs = [schemas.ended(each) for each in waiting]
    assert sum("done (migrate)" in output for output in outputs) == 1, outputs
    assert schemas.changes(before, schemas.contents(database)) == []


@pytest.fixture(scope="module")
def own_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[disks.Disk]:
    """A disk for database servers."""
    folder = Path(tempfile.mkdtemp(prefix="mlflow-test-disk-"))
    folder.chmod(0o755)
    with disks.disk(folder, "400m") as disk:
        yield disk
    folder.rmdir()


@pytest.fixture(scope="module")
def own_postgresql(own_disk: disks.Disk) -> Iterator[postgresql.Server]:
    """A PostgreSQL server on it."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(own_disk.folder))
            server = stack.enter_context(postgresql.serve("127.0.0.1"))
        yield server


@pytest.fixture(scope="module")
def own_mariadb(own_disk: disks.Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[mariadb.Server]:
    """A MariaDB server on it that comes back when it is killed. It waits for room for its binary log, which is elsewhere."""
    log = tmp_path_factory.mktemp("binlog")
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(own_disk.folder))
            server = stack.enter_context(mariadb.serve("127.0.0.1", returns=True, log=log))
        yield server


@pytest.fixture
def crashing_postgresql() -> Iterator[postgresql.Server]:
    """A PostgreSQL server that nobody else uses, without a disk of its own, which takes root."""
    with postgresql.serve("127.0.0.1") as server:
        yield server


@pytest.mark.core
def test_postgresql_is_restarted_in_the_middle_of_a_migration(
    crashing_postgresql: postgresql.Server, tmp_path: Path
) -> None:
    """Everything is as before, and the next migration does all of it."""
    database, program = crashing_postgresql.database(), schemas.programs(tmp_path)
    schemas.seed(schemas.MINORS[-1], database)
    before = schemas.contents(database)
    # The migration waits for whoever reads this table, after it has changed others.
    where = {"host": str(crashing_postgresql.folder), "port": crashing_postgresql.port, "user": "postgres"}
    with contextlib.closing(psycopg.connect(dbname=database.name, **where)) as reader:
        reader.execute("SELECT * FROM experiment_tags")
        migration = schemas.migrate(program, database)
        waiting = f"""SELECT pid FROM pg_stat_activity WHERE datname = '{database.name}'
            AND application_name = 'mlflow-migration' AND wait_event_type = 'Lock'"""
        eventually(lambda: crashing_postgresql.query("postgres", waiting), "a migration under way")
        # PostgreSQL ends all sessions, and recovers from its log, when one of its processes crashes.
        os.kill(crashing_postgresql.query("postgres", waiting)[0][0], signal.SIGKILL)
        output = schemas.ended(migration, 1)
    assert "refused: the migration failed" in output and "PostgreSQL has rolled it back" in output
    eventually(lambda: _answers(database), "the database after its recovery")
    assert schemas.contents(database) == before
    assert "done (migrate)" in schemas.migrated(program, database)
    assert schemas.changes(before, schemas.contents(database)) == []


def _answers(database: Database) -> bool:
    with contextlib.suppress(psycopg.Error, pymysql.Error):
        return bool(database.query("SELECT 1"))
    return False


@contextlib.contextmanager
def _under_way(server: mariadb.Server, database: mariadb.Database, program: Path) -> Iterator["subprocess.Popen[str]"]:
    """A migration that has changed tables already, and waits for the reader of another one until the body ends."""
    # A session in the database would be taken for a server's.
    session = pymysql.connect(unix_socket=str(server.socket), user="root")
    with session, session.cursor() as reader:
        reader.execute(f"SELECT * FROM {database.name}.experiment_tags")
        migration = schemas.migrate(program, database)
        waiting = "SELECT id FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
        eventually(lambda: server.execute(waiting), "a migration under way")
        yield migration


def test_mariadb_is_restarted_in_the_middle_of_a_migration(own_mariadb: mariadb.Server, tmp_path: Path) -> None:
    """What was done of it is known, and the next migration does the rest."""
    database, program = own_mariadb.database(), schemas.programs(tmp_path)
    schemas.seed(schemas.MINORS[-1], database)
    before, head = schemas.contents(database), database.query("SELECT version_num FROM alembic_version")
    with _under_way(own_mariadb, database, program) as migration:
        own_mariadb.kill()
        output = schemas.ended(migration, 1)
    assert "refused: the migration failed" in output and "restore the backup from before the migration" in output
    eventually(lambda: _answers(database), "the database after its recovery")
    assert database.query("SELECT version_num FROM alembic_version") != head
    assert "done (migrate)" in schemas.migrated(program, database)
    assert schemas.changes(before, schemas.contents(database)) == []


def test_a_full_disk_of_the_database_rolls_a_migration_back(
    own_postgresql: postgresql.Server, own_disk: disks.Disk, tmp_path: Path
) -> None:
    database, program = own_postgresql.database(), schemas.programs(tmp_path)
    schemas.seed(schemas.MINORS[-1], database)
    before = schemas.contents(database)
    with own_disk.full():
        output = schemas.migrated(program, database, 1)
    assert "refused: the migration failed" in output and "No space left on device" in output
    eventually(lambda: _answers(database), "the database after its recovery")
    assert schemas.contents(database) == before
    assert "done (migrate)" in schemas.migrated(program, database)
    assert schemas.changes(before, schemas.contents(database)) == []


def test_a_full_disk_of_mariadb_leaves_a_migration_that_the_next_one_finishes(
    own_mariadb: mariadb.Server, own_disk: disks.Disk, tmp_path: Path
) -> None:
    """MariaDB takes no change of a schema back, but each statement is done wholly or not at all."""
    database, program = own_mariadb.database(), schemas.programs(tmp_path)
    schemas.seed(schemas.MINORS[-1], database)
    before = schemas.contents(database)
    with contextlib.ExitStack() as stack:
        with _under_way(own_mariadb, database, program) as migration:
            stack.enter_context(own_disk.full())
        output = schemas.ended(migration, 1)
    assert "refused: the migration failed" in output and ("is full" in output or "No space left on device" in output)
    assert "restore the backup from before the migration" in output
    assert schemas.changes(before, schemas.contents(database)) == []
    assert "done (migrate)" in schemas.migrated(program, database)
    assert schemas.changes(before, schemas.contents(database)) == []


BY_ITSELF = """
import sys
import upgrade, written_down

upgrade.Cluster = written_down.Cluster
code = upgrade.main()
print(written_down.served())
sys.exit(code)
"""
_REFUSED = """CREATE FUNCTION refused() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
CREATE EVENT TRIGGER refused ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION refused()"""


def test_a_migration_that_fails_opens_the_old_version(own_postgresql: postgresql.Server, tmp_path: Path) -> None:
    """An upgrade without a person, on a real database, of pods that are only written down."""
    database, program = own_postgresql.database(), schemas.programs(tmp_path)
    schemas.seed(schemas.MINORS[-1], database)
    before = schemas.contents(database)
    (tmp_path / "by_itself.py").write_text(BY_ITSELF)
    settings = {"DEPLOYMENT": "server", "RECORD": "record", "INSTANCE": "mlflow", "IMAGE": "new"}
    variables = {"MIGRATION_MODE": "automatic", **{f"UPGRADE_{name}": value for name, value in settings.items()}}
    where = {"host": str(own_postgresql.folder), "port": own_postgresql.port, "user": "postgres"}
    with contextlib.closing(psycopg.connect(dbname=database.name, autocommit=True, **where)) as owner:
        owner.execute(_REFUSED)
        output = schemas.migrated(program.with_name("by_itself.py"), database, 1, **variables)
        owner.execute("DROP EVENT TRIGGER refused")
    assert "not today" in output and "the old version serves again" in output and "serving: 2 old" in output
    assert schemas.contents(database) == before
    assert "serving: 2 new" in schemas.migrated(program.with_name("by_itself.py"), database, **variables)
    assert schemas.changes(before, schemas.contents(database)) == []
