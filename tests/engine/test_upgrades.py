"""Upgrades that are cut off at each step, and the ways back from them, on real servers, with schemas of an older version.

The programs are processes of this machine, the pods are only written down. A process ends itself where a test says so.
"""

import contextlib
import json
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from components.in_image import Program
from tests.support import forks, mariadb, older, postgresql, schemas
from tests.support.backups import FailedError

pytestmark = pytest.mark.extended

BY_ITSELF = """
import json, os, sys
import upgrade, copies, written_down
from written_down import state

ends, fails = os.environ.get("ENDS_AT"), os.environ.get("FAILS_AT")

def reached(step):
    if ends and step == ends:
        print("ends at", step, flush=True)
        os._exit(9)

class Cluster(written_down.Cluster):
    def patch(self, kind, name, body, by_name=False, try_out=False):
        super().patch(kind, name, body, by_name, try_out)
        if try_out:
            return
        if kind == "deployments":
            reached("started" if body["spec"]["replicas"] else "stopped")
        reached(json.loads(body.get("data", {}).get("current") or "{}").get("step"))

def then(work, step):
    def both(*given):
        found = work(*given)
        reached(step)
        return found
    return both

def failing(work):
    def first(*given):
        work(*given)
        raise upgrade.RefusalError("as the test says")
    return first

for of in (copies._PostgreSQL, copies._MySQL):
    of.make = then(of.make, "copied")
    of.exchange = then(of.exchange, "exchanged")
    of.drop = then(of.drop, "dropped") if ends == "dropped" else of.drop
if ends == "renamed":
    import sqlalchemy
    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "after_cursor_execute")
    def executed(connection, cursor, statement, *_):
        if statement.startswith("RENAME TABLE"):
            reached("renamed")
if ends == "half":
    import sqlalchemy
    made = []
    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "after_cursor_execute")
    def executed(connection, cursor, statement, *_):
        if statement.lstrip().startswith("CREATE TABLE") and "migrating" in json.dumps(state["record"]):
            reached("half")
if fails == "smoke":
    upgrade.read_every_table = failing(upgrade.read_every_table)
upgrade.Cluster = Cluster
code = upgrade.main()
print(written_down.served())
sys.exit(code)
"""
COPIES = """
import sys
import sqlalchemy
import copies
from sqlalchemy.pool import NullPool

copies.ALONE_SECONDS = 1
# As it is: the name is not encoded in URLs either.
url = sqlalchemy.make_url(sys.argv[1]).set(database=sys.argv[2])
of = copies.of(sqlalchemy.create_engine(url, poolclass=NullPool))

def run(*statements):
    with of.engine.connect() as connection:
        made = connection.execution_options(isolation_level="AUTOCOMMIT", no_parameters=True)
        found = [made.exec_driver_sql(each) for each in statements][-1]
        return [list(row) for row in found.all()] if found.returns_rows else None

with of.at(sys.argv[3]).connect() as outside:
    made = outside.execution_options(isolation_level="AUTOCOMMIT", no_parameters=True)
    made.exec_driver_sql(f"CREATE DATABASE {of._quoted(of.name)}")
kept, aside = of.name + "_before", of.name + "_after"
run("CREATE TABLE t (id INT)", "INSERT INTO t VALUES (1)")
"""
END = """
print(run("SELECT * FROM t"), of.exists(aside))
of.drop(aside)
print(of.exists(aside))
"""
POSTGRESQL = """
run(f"ALTER DATABASE {of._quoted(of.name)} SET search_path = public, pg_catalog")
triggers = of.make(kept)
run("INSERT INTO t VALUES (2)")
of.exchange(kept, aside, triggers)
print(run("SHOW search_path"))
"""
MYSQL = """
run("CREATE TRIGGER keep BEFORE UPDATE ON t FOR EACH ROW SET NEW.id = OLD.id", "CREATE TABLE z (id INT)")
triggers = of.make(kept)
run("INSERT INTO t VALUES (2)")
with of.engine.connect() as other:
    other.exec_driver_sql("SELECT * FROM z").all()  # its transaction holds the table
    try:
        of.exchange(kept, aside, triggers)
    except sqlalchemy.exc.DBAPIError as error:
        print(error.orig)
print(of._triggers(of.name))
of.exchange(kept, aside, triggers)
print(of._triggers(of.name))
"""
ODD = "An-odd%name\"`'"
"""Name of a database in which each character is quoted in another way."""


REPLACE = {"RESTORE_REPLACE": "true"}
HEAD = "SELECT version_num FROM alembic_version"


class Upgrades:
    """Upgrades of one database.

    Attributes:
        database: It, already filled.
        folder: For the programs.
        before: Version of its schema at first.
    """

    def __init__(self, folder: Path, database: older.Database) -> None:
        schemas.programs(folder)
        self.database, self.folder, self.before = database, folder, database.query(HEAD)
        (folder / "by_itself.py").write_text(BY_ITSELF)

    def run(self, mode: str = "blue-green", *, code: int = 0, **more: str) -> str:
        """Run the migration's program to its end."""
        upgrade = {"DEPLOYMENT": "server", "RECORD": "record", "INSTANCE": "mlflow", "IMAGE": "new"}
        upgrade["BACKUP"] = "" if mode == "automatic" else "copy"
        variables = {f"UPGRADE_{name}": value for name, value in upgrade.items()}
        variables |= {"STATE": str(self.folder / "state.json"), "MIGRATION_MODE": mode, **more}
        return schemas.migrated(self.folder / "by_itself.py", self.database, code, **variables)

    def cut_off(self, mode: str, *steps: str) -> None:
        """Let it end itself at each of these steps, one after the other. No server ever runs on a schema that is not its own."""
        for step in steps:
            assert f"ends at {step}" in self.run(mode, code=9, ENDS_AT=step)
            spec = json.loads((self.folder / "state.json").read_text())["server"]["spec"]
            old = spec["template"]["spec"]["containers"][0]["image"] == "old"
            assert spec["replicas"] == 0 or old == (self.head() == self.before), step

    def record(self, key: str) -> Any:
        state = json.loads((self.folder / "state.json").read_text())
        return json.loads(state["record"].get("data", {}).get(key, "null"))

    def head(self) -> Any:
        return self.database.query(HEAD)

    def tables(self) -> list[str]:
        """Everything in it but rows."""
        postgres = isinstance(self.database, postgresql.Database)
        where = "table_schema = 'public'" if postgres else "table_schema = DATABASE()"
        trigger = "trigger_schema = 'public'" if postgres else "trigger_schema = DATABASE()"
        columns = "table_name, column_name, data_type, column_default, is_nullable"
        found = [
            *self.database.query(f"SELECT {columns} FROM information_schema.columns WHERE {where}"),
            *self.database.query(
                f"SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints WHERE {where}"
            ),
            *self.database.query(
                f"SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE {trigger}"
            ),
        ]
        return sorted(str(row) for row in found if "_not_null" not in str(row))

    def there(self) -> set[str]:
        """Databases beside it."""
        query = (
            "SELECT datname FROM pg_database"
            if isinstance(self.database, postgresql.Database)
            else "SELECT schema_name FROM information_schema.schemata"
        )
        return {name for (name,) in self.database.query(query) if name.startswith(f"{self.database.name}_")}


def _allow(database: older.Database, server: postgresql.Server | mariadb.Server, folder: Path) -> None:
    """Give the user the right to make copies, as the Job does that creates databases."""
    for name, text in Program("create_database.py").files.items():
        (folder / name).write_text(text)
    master, password = f"m{secrets.token_hex(4)}", secrets.token_hex(8)
    if isinstance(server, postgresql.Server):
        engine = "postgresql"
        server.role(master, password, "SUPERUSER")
    else:
        engine = "mysql"
        server.execute(f"CREATE USER {master}@'%%' IDENTIFIED BY '{password}'")
        server.execute(f"GRANT ALL ON *.* TO {master}@'%%' WITH GRANT OPTION")
    of_ours = {"NAME": database.name, "USERNAME": database.name, "PASSWORD": database.password, "COPIES": "true"}
    of_server = {"ENGINE": engine, "HOST": database.host, "PORT": str(database.port), "TLS_MODE": "require"}
    variables = {f"DATABASE_{name}": value for name, value in {**of_ours, **of_server}.items()}
    variables |= {"PGHOST": database.host, "PGPORT": str(database.port), "PGSSLMODE": "require"}
    program = str(folder / "create_database.py")
    schemas.ended(forks.python(program, MASTER_USERNAME=master, MASTER_PASSWORD=password, **variables))


@contextlib.contextmanager
def _in_the_way(server: postgresql.Server | mariadb.Server, database: older.Database) -> Iterator[list[str]]:
    """Have what keeps a server from copying a database; yields what is to be told of it, the missing right included."""
    if not isinstance(server, postgresql.Server):
        yield [rf"GRANT ALL ON `{database.name}\_{what}\_%`.* TO the user" for what in ("before", "after")]
        return
    other = f"o{secrets.token_hex(4)}"
    server.role(other, other, "")
    version = "UPDATE pg_database SET datcollversion = {} WHERE datname = {}"
    server.execute(sql.SQL(version).format("0", database.name))
    with psycopg.connect(host=database.host, port=database.port, dbname=database.name, user=other, password=other):
        yield ["CREATEDB", f"sessions of {other} are in the database", "REFRESH COLLATION VERSION"]
    server.execute(sql.SQL(version).format(None, database.name))


@pytest.fixture(scope="module", params=[postgresql.serve, mariadb.serve], ids=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[postgresql.Server | mariadb.Server]:
    """A server of its own, in memory: each of MariaDB's tables is a file, which it would write to the disk at once."""
    memory = Path("/dev/shm")
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        if memory.is_dir():
            patch.setattr(tempfile, "tempdir", str(memory))
        made = stack.enter_context(request.param("127.0.0.1"))
        patch.undo()
        yield made


def test_an_automatic_upgrade_that_is_cut_off_everywhere_and_the_restore_of_its_backup(
    server: postgresql.Server | mariadb.Server, tmp_path: Path
) -> None:
    database = server.database()
    schemas.seed(schemas.MINORS[-1], database)
    upgrades, pod = Upgrades(tmp_path, database), schemas.pod(database, tmp_path / "backups")
    before = schemas.contents(database), upgrades.tables()
    pod.backup()
    upgrades.cut_off("automatic", "closing", "stopped", "closed", "saved", "migrating", "half")
    if isinstance(server, mariadb.Server):
        # Half a migration, which MySQL cannot take back.
        output = upgrades.run("automatic", code=1)
        assert "the migration was cut off" in output and "serving: 0 old" in output
        assert upgrades.tables() != before[1]
        pod.again().restore(**REPLACE, RESTORE_OTHER_SCHEMA="true")
    assert (schemas.contents(database), upgrades.tables()) == before
    upgrades.cut_off("automatic", "migrated", "opening", "started")
    assert "serving: 2 new" in upgrades.run("automatic")
    assert schemas.changes(before[0], schemas.contents(database)) == []
    (done,) = upgrades.record("history")
    assert (done["result"], upgrades.record("current")) == ("upgraded", None)

    database.query("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (77, 'later', 'active')")
    after = schemas.contents(database)
    pod = pod.again()
    with _server(database), pytest.raises(FailedError, match="session\\(s\\) of servers are open in the database"):
        pod.restore(**REPLACE, RESTORE_OTHER_SCHEMA="true")
    with pytest.raises(
        FailedError, match=f"the backup has the mlflow schema {upgrades.before[0][0]}, this image expects"
    ):
        pod.again().restore(**REPLACE)
    assert schemas.contents(database) == after
    output = pod.again().restore(**REPLACE, RESTORE_OTHER_SCHEMA="true")
    assert "experiments 1" in output and "what was there is saved" in output
    assert (schemas.contents(database), upgrades.tables()) == before


@contextlib.contextmanager
def _server(database: older.Database) -> Iterator[None]:
    """A session as servers have it."""
    with contextlib.ExitStack() as stack:
        if isinstance(database, postgresql.Database):
            stack.enter_context(postgresql.connected(database, "mlflow-server"))
        else:
            stack.enter_context(contextlib.closing(database.connect()))
        yield


def test_an_upgrade_that_is_cut_off_everywhere_and_the_way_back(
    server: postgresql.Server | mariadb.Server, tmp_path: Path
) -> None:
    database = server.database()
    schemas.seed(schemas.MINORS[-1], database)
    upgrades = Upgrades(tmp_path, database)
    before, tables = schemas.contents(database), upgrades.tables()

    with _in_the_way(server, database) as told:
        for mode in ("check", "blue-green"):
            output = upgrades.run(mode, code=1)
            assert "may not make a copy of the database" in output
            assert all(each in output for each in told), output
    assert "nothing was stopped" in output
    assert "serving: 2 old" in output and upgrades.there() == set()
    _allow(database, server, tmp_path)
    assert '"problems": []}' in upgrades.run("check") and upgrades.there() == set()
    if isinstance(server, postgresql.Server):
        # What belongs to the database, and not to what is in it.
        database.query(f"REVOKE ALL ON DATABASE {database.name} FROM PUBLIC")
        database.query(f"ALTER DATABASE {database.name} SET search_path = public, pg_catalog")

    upgrades.cut_off("blue-green", "copied", "saved", "migrating", "opening")
    assert "serving: 2 new" in upgrades.run()
    assert schemas.changes(before, schemas.contents(database)) == [] and upgrades.head() != upgrades.before
    (done,) = upgrades.record("history")
    assert (done["result"], upgrades.record("current")) == ("upgraded", None)
    assert set(upgrades.record("kept")) == {done["kept"]} == upgrades.there()

    database.query("INSERT INTO experiments (experiment_id, name, lifecycle_stage) VALUES (77, 'later', 'active')")
    kept = {"UPGRADE_KEPT": done["kept"]}
    output = upgrades.run("put-back", UPGRADE_TRY_OUT="true", **kept)
    aside = done["kept"].replace("_before_", "_after_")
    assert f"written since the upgrade, and kept in {aside}: 1 rows (experiments 1)" in output
    assert upgrades.there() == {done["kept"]} and upgrades.head() != upgrades.before
    application = "mlflow-server"
    if isinstance(database, postgresql.Database):
        with postgresql.connected(database, application):
            assert "connection(s) of running MLflow servers are open" in upgrades.run("put-back", code=1, **kept)

    upgrades.run(
        "put-back", code=9, ENDS_AT="exchanged" if isinstance(server, postgresql.Server) else "renamed", **kept
    )
    for backup in ("copy", ""):  # the second time as after a change of upgrade.mode
        output = upgrades.run("put-back", UPGRADE_BACKUP=backup, **kept)
        assert f"what was there is {aside}" in output and f"kept in {aside}: 1 rows" in output
    assert (schemas.contents(database), upgrades.tables()) == (before, tables)
    assert set(upgrades.record("kept")) == {aside} == upgrades.there()
    if isinstance(server, postgresql.Server):
        assert database.query("SHOW search_path") == [("public, pg_catalog",)]
        public = (
            f"SELECT count(*) FROM pg_database, aclexplode(datacl) WHERE datname = '{database.name}' AND grantee = 0"
        )
        assert database.query(public) == [(0,)]
    else:
        # References are to the tables of the same database.
        parents = (
            "SELECT DISTINCT unique_constraint_schema FROM information_schema.referential_constraints "
            "WHERE constraint_schema = DATABASE()"
        )
        assert database.query(parents) == [(database.name,)]

    assert f"no upgrade has kept a database {database.name}" in upgrades.run("drop", code=1, UPGRADE_KEPT=database.name)
    upgrades.run("drop", UPGRADE_KEPT=aside)
    assert upgrades.there() == set() and upgrades.record("kept") is None


def test_an_upgrade_that_fails_after_the_database_was_changed_opens_the_old_version(
    server: postgresql.Server | mariadb.Server, tmp_path: Path
) -> None:
    database = server.database()
    schemas.seed(schemas.MINORS[-1], database)
    _allow(database, server, tmp_path)
    upgrades = Upgrades(tmp_path, database)
    before = schemas.contents(database), upgrades.tables()
    if isinstance(server, mariadb.Server):
        # Half a migration, which MySQL cannot take back.
        upgrades.run(code=9, ENDS_AT="half")
        assert upgrades.tables() != before[1]
        upgrades.run(code=9, ENDS_AT="renamed")
        output = upgrades.run(code=1)
        assert "the migration was cut off" in output and "the old version serves again" in output
    else:
        upgrades.run(code=9, FAILS_AT="smoke", ENDS_AT="exchanged")
        assert "as the test says" in upgrades.run(code=9, ENDS_AT="dropped")
        # All is written down by then: another `pulumi up` begins anew.
        assert upgrades.record("current") is None and upgrades.there() == set()
        (left,) = upgrades.record("kept")
        output = upgrades.run("drop", UPGRADE_KEPT=left)
    assert "serving: 2 old" in output
    assert (schemas.contents(database), upgrades.tables()) == before
    assert upgrades.there() == set() and upgrades.record("kept") is None
    assert [each["result"] for each in upgrades.record("history")] == ["failed"]
    assert "serving: 2 new" in upgrades.run()
    assert schemas.changes(before[0], schemas.contents(database)) == []


def test_a_database_with_an_odd_name_is_copied_and_put_back(
    server: postgresql.Server | mariadb.Server, tmp_path: Path
) -> None:
    name, password = f"m{secrets.token_hex(4)}", secrets.token_hex(8)
    if isinstance(server, postgresql.Server):
        server.role(name, password, "SUPERUSER")
        scheme, options, first, work = "postgresql+psycopg2", "sslmode=require", "postgres", POSTGRESQL
    else:
        server.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY '{password}'")
        server.execute(f"GRANT ALL ON *.* TO {name}@'%%' WITH GRANT OPTION")
        scheme, options, first, work = "mysql+pymysql", "ssl_check_hostname=false", "", MYSQL
    program = schemas.programs(tmp_path).with_name("of_copies.py")
    program.write_text(COPIES + work + END)
    url = f"{scheme}://{name}:{password}@{server.host}:{server.port}/?{options}"
    output = schemas.ended(forks.python(str(program), url, ODD, first))
    assert "[[1]] True\nFalse\n" in output, output
    if isinstance(server, postgresql.Server):
        assert "public, pg_catalog" in output
    else:
        assert "Lock wait timeout" in output and output.count("['keep']") == 2
