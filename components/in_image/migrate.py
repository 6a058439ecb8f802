"""Bring the database schemas to what the MLflow of this image expects, or refuse with the reason.

Runs inside the MLflow image: as a Job before the servers start, or as an init container of a SQLite server. An empty
database is initialised, a current schema is left alone, an older one is migrated only while no server is connected, a newer
one is refused. On PostgreSQL and MySQL this happens under an advisory lock, so any number of migrations may start at once.
MLflow itself is imported only if there is something to do, since that import takes seconds. `upgrade.py` stops and starts the
servers around this where the arguments let it.
One file although it is long: it also runs without `upgrade.py`, as the init container of a SQLite server.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import gc
import importlib
import os
import re
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import database_uri
import exclusive
from connecting import RefusalError, reason_of, wait_for
from schemas import AUTH, MLFLOW, Schema, known_revisions

URIS = {
    name: os.environ[name] for name in ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI") if name in os.environ
}
# `mlflow`: experiments, runs and models; `auth`: users and permissions.
SCHEMAS = os.environ.get("MIGRATION_SCHEMAS", "mlflow").split(",")
# Set only in an init container of the server, which shares the volume with the file.
SQLITE = os.environ.get("MIGRATION_SQLITE") == "true"
LOCK_TIMEOUT = float(os.environ.get("MIGRATION_LOCK_TIMEOUT_SECONDS", "3600"))
# How long connections of servers that were just stopped may linger.
SETTLE_SECONDS = 3.0
DIALECTS = ("postgresql", "mysql", "mssql")


class HalfwayError(RefusalError):
    """A migration that had begun has failed."""


def say(text: str) -> None:
    print(f"migration: {text}", flush=True)


def decide(current: str | None, empty: bool, schema: Schema = MLFLOW) -> str:
    """`"initialise"`, `"nothing"` or `"migrate"`.

    Args:
        current: Version of the schema in the database, None if there is none.
        empty: Whether the database holds no tables, neither the schema's nor another program's.
        schema: The schema.

    Raises:
        RefusalError: The database is newer than this image, or belongs to another program.
    """
    revisions, head = known_revisions(schema)
    if empty:
        return "initialise"
    what = "schema" if schema is MLFLOW else f"{schema.name} schema"
    if current is None:
        raise RefusalError("the database has tables but no schema version; give MLflow a database of its own")
    if current == head:
        say(f"{what} is at {head}, as this image expects; nothing to do")
        return "nothing"
    if current not in revisions:
        raise RefusalError(
            f"the {what} is at {current}, which this image (head {head}) does not know: the database was migrated by a newer "
            "MLflow. Use that version's image, or restore a backup from before the upgrade into a new database"
        )
    say(f"{what} is at {current}, this image expects {head}")
    return "migrate"


def sqlite(path: str) -> None:
    file = Path(path)
    if not file.exists() or file.stat().st_size == 0:
        say("no SQLite file yet; the server will create it")
        return
    with contextlib.closing(sqlite3.connect(file)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        current = None
        if "alembic_version" in tables:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            current = row[0] if row else None
        action = decide(current, empty=not tables - {"alembic_version"})
        if action == "migrate":
            copy = file.with_name(f"{file.name}.before-{known_revisions()[1]}")
            say(f"backing up the database to {copy}")
            with contextlib.closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
    if action != "nothing":
        apply(action)


def connectable(uri: str) -> Any:
    """An engine for a URI, which may come from a Secret and has not been checked yet."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    database_uri.watch()
    allowed = f"expected dialect+driver://user:password@host:port/database, with dialect one of {', '.join(DIALECTS)}"
    try:
        engine = sqlalchemy.create_engine(database_uri.patient(uri), poolclass=NullPool)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:  # its message holds the URI
        raise RefusalError(f"the database URI is invalid; {allowed}") from error
    except (sqlalchemy.exc.NoSuchModuleError, ImportError) as error:
        raise RefusalError(f"this image has no driver for the database URI ({error}); {allowed}") from error
    if engine.dialect.name not in DIALECTS:
        raise RefusalError(f"the dialect {engine.dialect.name!r} of the database URI is not supported here; {allowed}")
    return engine


def server(engine: Any, schemas: list[Schema]) -> None:
    """Migrate schemas in a database of a server, under a lock."""
    with alone(engine, "migration"):
        for schema in schemas:
            upgrade(engine, schema)


@contextlib.contextmanager
def alone(engine: Any, purpose: str) -> Iterator[None]:
    """Wait until the server answers and nobody else does the same in the database."""
    # On MySQL, sessions without a database are migrations and sessions with one are servers: see `exclusive.servers`.
    outside = connectable_without_database(engine) if engine.dialect.name == "mysql" else engine
    wait_until_it_answers(outside)
    with lock(outside, engine.url.database or "", purpose):
        if outside is not engine:
            wait_until_it_answers(engine)
        yield


def connectable_without_database(engine: Any) -> Any:
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    return sqlalchemy.create_engine(engine.url.set(database=""), poolclass=NullPool)


def upgrade(engine: Any, schema: Schema) -> None:
    """Bring one schema to what this image expects. The caller holds the lock."""
    action = due(engine, schema)
    if action == "nothing":
        return
    if action == "migrate" and (count := connected_servers(engine)):
        raise RefusalError(
            f"{count} connection(s) of running MLflow servers are open, and two versions must not write at once. Stop "
            "the servers (server.replicas: 0 with the old image; with autoscaling, kubectl scale deployment --replicas=0), then "
            "run `pulumi up` again; or set upgrade.mode: automatic, with which it does all of this itself"
        )
    if action == "migrate" and behind_pooler(engine):
        say(
            "the database is behind a connection pooler, which hides whether MLflow servers are connected: none may be running"
        )
    if schema is MLFLOW and engine.dialect.name == "mysql":
        probe_trigger(engine)
    apply(action, engine, schema)


def due(engine: Any, schema: Schema) -> str:
    """What the schema needs: `"initialise"`, `"nothing"` or `"migrate"`."""
    current, tables = found(engine, schema)
    other, _ = found(engine, AUTH if schema is MLFLOW else MLFLOW)
    if schema is AUTH and current is None and {"users", "experiment_permissions"} <= tables:
        say("auth schema is from an MLflow before 3.6, which did not record its version")
        return "migrate"
    foreign = tables - (AUTH.tables() if schema is MLFLOW and other else set())
    empty = not foreign if schema is MLFLOW or not other else not tables & AUTH.tables()
    return decide(current, empty=current is None and empty, schema=schema)


def found(engine: Any, schema: Schema) -> tuple[str | None, set[str]]:
    """Version of a schema in the database, and the names of all tables except Alembic's own."""
    import sqlalchemy

    with engine.connect() as connection:
        inspector = sqlalchemy.inspect(connection)
        tables = set(inspector.get_table_names())
        current = None
        if schema.table in tables:
            current = connection.execute(
                sqlalchemy.select(sqlalchemy.text("version_num")).select_from(sqlalchemy.table(schema.table))
            ).scalar()
    return current, {name for name in tables if not name.startswith("alembic_")}


def wait_until_it_answers(engine: Any) -> None:
    import sqlalchemy

    errors = (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)
    wait_for(lambda: engine.connect().close(), errors, "the database", say)


@contextlib.contextmanager
def lock(engine: Any, database: str, purpose: str = "migration") -> Iterator[None]:
    """Hold an advisory lock, which the server releases when its transaction ends, on MySQL when its session ends. Not on SQL Server.

    Poolers such as PgBouncer give each transaction another session, and would keep a session's lock for whoever gets that
    session next. Proxies of MySQL keep a session for whoever holds a lock in it: https://proxysql.com/documentation/multiplexing/.
    """
    import sqlalchemy

    prepare, take, verify = {
        "postgresql": (exclusive.STAY_IN_TRANSACTION, "SELECT pg_try_advisory_xact_lock(:key)", ""),
        # Locks are server-wide. The session idles while the migration runs and must not be closed for that.
        "mysql": (
            "SET SESSION wait_timeout = 604800",
            "SELECT GET_LOCK(:key, 0)",
            "SELECT IS_USED_LOCK(:key) = CONNECTION_ID()",
        ),
    }.get(engine.dialect.name, ("", "", ""))
    if not take:
        yield
        return
    key = {"key": exclusive.KEYS[purpose] if engine.dialect.name == "postgresql" else exclusive.name(database, purpose)}
    with exclusive.session(engine) as connection:
        deadline = time.monotonic() + LOCK_TIMEOUT
        said = False
        while True:
            connection.execute(sqlalchemy.text(prepare))
            if connection.execute(sqlalchemy.text(take), key).scalar():
                break
            connection.rollback()
            if not said:
                say("waiting for another migration of this database")
                said = True
            if time.monotonic() > deadline:
                raise RefusalError(f"another migration has held the lock for {LOCK_TIMEOUT:.0f} seconds")
            time.sleep(0.5)
        if verify and not connection.execute(sqlalchemy.text(verify), key).scalar():
            raise RefusalError(
                "a proxy in front of the database gives each statement another session, in which no lock holds; give the address "
                "of the database server itself"
            )
        yield


def connected_servers(engine: Any) -> int:
    """Number of connections of MLflow servers, after a grace period for those that are closing; 0 on SQL Server."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := exclusive.servers(engine)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def behind_pooler(engine: Any) -> bool:
    """Whether PostgreSQL is reached through a pooler, which cannot tell its clients the process that will serve them."""
    import sqlalchemy

    if engine.dialect.name != "postgresql":
        return False
    with engine.connect() as connection:
        process = connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar()
        # What the driver knows of it ends with the connection.
        info = getattr(connection.connection.dbapi_connection, "info", None)
        return info is not None and info.backend_pid != process


def probe_trigger(engine: Any) -> None:
    """Create and drop a trigger, as the migration will: if that failed half-way, MySQL could not roll the rest back.

    Raises:
        RefusalError: The server does not allow it.
    """
    import sqlalchemy

    # A check beside a migration must not take its table away.
    probe = f"mlflow_probe_{os.urandom(4).hex()}"
    trigger = f"CREATE TRIGGER {probe} BEFORE UPDATE ON {probe} FOR EACH ROW SET NEW.id = OLD.id"  # noqa: S608
    with engine.connect() as connection:
        try:
            connection.execute(sqlalchemy.text(f"CREATE TABLE {probe} (id INT)"))
            connection.execute(sqlalchemy.text(trigger))
        except sqlalchemy.exc.DBAPIError as error:
            reason = reason_of(error.orig)
            if "Errcode: 28" in reason or "is full" in reason:
                raise RefusalError(f"the database has no room left: {reason}; enlarge its disk or free some") from error
            fix = "grant the user all privileges on the database"
            if "log_bin_trust_function_creators" in reason:
                fix = (
                    "set log_bin_trust_function_creators to 1 on the server (a parameter group in RDS, a database flag in "
                    "Cloud SQL, a server parameter in Azure)"
                )
            raise RefusalError(
                f"MLflow's schema needs a trigger, which the server does not allow: {reason}; {fix}"
            ) from error
        finally:
            with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                connection.execute(sqlalchemy.text(f"DROP TABLE IF EXISTS {probe}"))


def load(schemas: Iterable[Schema]) -> None:
    """Import of MLflow what their migrations need, which takes seconds, before anybody waits for it."""
    gc.disable()
    for schema in schemas:
        importlib.import_module("mlflow.server.auth.db.utils" if schema is AUTH else "mlflow.store.db.utils")


def apply(action: str, engine: Any = None, schema: Schema = MLFLOW) -> None:
    # Garbage collection is a quarter of MLflow's import time, and this process is short-lived.
    gc.disable()
    started = time.monotonic()
    try:
        _steps(schema)(action, engine)
    except Exception as error:
        traceback.print_exc()
        raise HalfwayError(
            f"the migration failed ({reason_of(getattr(error, 'orig', error))}). PostgreSQL has rolled it back; MySQL and SQL "
            "Server cannot: restore the backup from before the migration, or empty the database if it was new"
        ) from error
    what = "" if schema is MLFLOW else f"{schema.name}: "
    say(f"{what}done ({action}) in {time.monotonic() - started:.1f} seconds")


def _steps(schema: Schema) -> Callable[[str, Any], None]:
    return _apply_auth if schema is AUTH else _apply_mlflow


def _apply_auth(action: str, engine: Any) -> None:
    import sqlalchemy
    from mlflow.server.auth.db import utils

    if engine.dialect.name == "mysql":
        # Listen on all engines, since the migration creates its own.
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", _without_names, retval=True)
    utils.migrate(engine, "head")


def _without_names(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> tuple[str, Any]:
    """Drop the names of foreign keys, which MLflow repeats across tables and MySQL refuses:
    https://github.com/mlflow/mlflow/issues/9642. Nothing uses them."""
    if statement.lstrip().startswith("CREATE TABLE"):
        statement = re.sub(r"CONSTRAINT \w+ FOREIGN KEY", "FOREIGN KEY", statement)
    return statement, parameters


def _apply_mlflow(action: str, engine: Any) -> None:
    from mlflow.store.db import utils

    engine = engine or utils.create_sqlalchemy_engine_with_retry(URIS["MLFLOW_BACKEND_STORE_URI"])
    if action == "initialise":
        utils._initialize_tables(engine)
    else:
        utils._upgrade_db(engine)
    utils._verify_schema(engine)


def targets() -> list[tuple[Any, list[Schema]]]:
    """Each database on a server, with its schemas."""
    schemas = [schema for schema in (MLFLOW, AUTH) if schema.name in SCHEMAS]
    return [
        (connectable(uri), [MLFLOW] if name == "MLFLOW_REGISTRY_STORE_URI" else schemas)
        for name, uri in URIS.items()
        if not (SQLITE and uri.startswith("sqlite:///"))
    ]


def run() -> None:
    """Migrate everything.

    Raises:
        RefusalError: Something must not be touched now, or a migration has failed.
    """
    for uri in URIS.values():
        if SQLITE and uri.startswith("sqlite:///"):
            sqlite(uri.removeprefix("sqlite:///"))
    for engine, schemas in targets():
        server(engine, schemas)


def main(program: Callable[[], object] = run) -> int:
    """Run a program to its end, or to its refusal. Returns the exit code."""
    try:
        program()
    except RefusalError as refusal:
        say(f"refused: {refusal}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
