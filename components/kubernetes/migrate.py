"""Bring the backend store's schema to what the MLflow of this image expects, or refuse with the reason.

Runs inside the MLflow image, not in the Pulumi program: as a Job before the servers, or as an init container in front of
a SQLite server. An empty database is initialised, an equal schema is left alone, an older one is migrated only while no
server is connected, a newer one is refused. On PostgreSQL all of it happens under an advisory lock, so that any number of
these may start at once. MLflow itself is imported only where there is something to do: that import takes seconds.
"""

# What it imports is in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

URI = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
CONNECT_TIMEOUT = float(os.environ.get("MIGRATION_CONNECT_TIMEOUT_SECONDS", "120"))
LOCK_TIMEOUT = float(os.environ.get("MIGRATION_LOCK_TIMEOUT_SECONDS", "3600"))
SERVER_APPLICATION_NAME = "mlflow-server"
# Any constant will do, as long as every migration of MLflow uses the same one.
LOCK_KEY = 0x6D6C666C6F77


class RefusalError(Exception):
    """The schema must not be touched now; the message says why and what to do."""


def say(text: str) -> None:
    print(f"migration: {text}", flush=True)


def known_revisions() -> tuple[set[str], str]:
    """All revisions that the installed MLflow knows, and its head.

    Read from the text of the migration scripts, since importing them imports MLflow.
    """
    package = importlib.util.find_spec("mlflow")
    if package is None or not package.submodule_search_locations:
        raise RefusalError("this image holds no MLflow")
    versions = Path(next(iter(package.submodule_search_locations)), "store", "db_migrations", "versions")
    revisions: set[str] = set()
    parents: set[str] = set()
    for script in versions.glob("*.py"):
        text = script.read_text(encoding="utf-8")
        if match := re.search(r"^revision\s*(?::[^=]+)?=\s*['\"](\w+)['\"]", text, re.MULTILINE):
            revisions.add(match.group(1))
        if match := re.search(r"^down_revision\s*(?::[^=]+)?=\s*(\([^)]*\)|.+)$", text, re.MULTILINE):
            parents.update(re.findall(r"['\"](\w+)['\"]", match.group(1)))
    heads = revisions - parents
    if len(heads) != 1:
        raise RefusalError(f"the MLflow of this image has {len(heads)} schema heads, expected one: {sorted(heads)}")
    return revisions, heads.pop()


def decide(current: str | None, empty: bool) -> str:
    """`"initialise"`, `"nothing"` or `"migrate"`.

    Raises:
        RefusalError: The database is newer than this image, or not MLflow's.
    """
    revisions, head = known_revisions()
    if empty:
        return "initialise"
    if current is None:
        raise RefusalError("the database holds tables but no schema version; give MLflow a database of its own")
    if current == head:
        say(f"schema is at {head}, as this image expects; nothing to do")
        return "nothing"
    if current not in revisions:
        raise RefusalError(
            f"the schema is at {current}, which this image (head {head}) does not know: the database belongs to a newer "
            "MLflow. Use that version's image, or restore a backup taken before the upgrade into a new database"
        )
    say(f"schema is at {current}, this image expects {head}")
    return "migrate"


def sqlite(path: str) -> None:
    file = Path(path)
    if not file.exists() or file.stat().st_size == 0:
        say("no SQLite file yet; the server will make it")
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
            say(f"copying the database to {copy} first")
            with contextlib.closing(sqlite3.connect(copy)) as target:
                connection.backup(target)
    if action != "nothing":
        apply(action)


def server(engine: Any) -> None:
    """Migrate a database server under a lock."""
    import sqlalchemy

    wait_until_it_answers(engine)
    with lock(engine):
        tables = {name for name in sqlalchemy.inspect(engine).get_table_names() if not name.startswith("alembic_")}
        current = None
        if sqlalchemy.inspect(engine).has_table("alembic_version"):
            with engine.connect() as connection:
                current = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
        action = decide(current, empty=not tables)
        if action == "migrate" and (count := connected_servers(engine)):
            raise RefusalError(
                f"{count} connection(s) of running MLflow servers are open, and two versions must not write at once. Stop "
                "the servers first (kubectl scale deployment --replicas=0 in this namespace), then run `pulumi up` again"
            )
        if action != "nothing":
            apply(action, engine)


def wait_until_it_answers(engine: Any) -> None:
    """Bounded wait; the last reason is part of the error."""
    import sqlalchemy

    deadline = time.monotonic() + CONNECT_TIMEOUT
    reason = ""
    while True:
        try:
            with engine.connect():
                return
        except sqlalchemy.exc.OperationalError as error:
            newest = str(error.orig).strip().splitlines()[0]
            # A wrong password or database does not mend itself.
            if re.search(r"authentication failed|does not exist|no pg_hba|certificate verify failed", newest):
                raise RefusalError(f"the database refused the connection: {newest}") from error
            if newest != reason:
                say(f"waiting for the database: {newest}")
            reason = newest
        if time.monotonic() > deadline:
            raise RefusalError(f"the database did not answer within {CONNECT_TIMEOUT:.0f} seconds: {reason}")
        time.sleep(1)


@contextlib.contextmanager
def lock(engine: Any) -> Iterator[None]:
    """Hold a session lock of the database: gone with its session, however that ends."""
    import sqlalchemy

    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + LOCK_TIMEOUT
        told = False
        query = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
        while not connection.execute(query, {"key": LOCK_KEY}).scalar():
            if not told:
                say("another migration of this database is running; waiting for it")
                told = True
            if time.monotonic() > deadline:
                raise RefusalError(f"another migration has held the lock for {LOCK_TIMEOUT:.0f} seconds")
            time.sleep(0.5)
        yield


def connected_servers(engine: Any) -> int:
    import sqlalchemy

    if engine.dialect.name != "postgresql":
        return 0
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
    with engine.connect() as connection:
        return int(connection.execute(sqlalchemy.text(query), {"name": SERVER_APPLICATION_NAME}).scalar() or 0)


def apply(action: str, engine: Any = None) -> None:
    # A quarter of the import is garbage collection that finds no garbage, and this process is short.
    gc.disable()
    from mlflow.store.db import utils

    started = time.monotonic()
    engine = engine or utils.create_sqlalchemy_engine_with_retry(URI)
    if action == "initialise":
        utils._initialize_tables(engine)
    else:
        utils._upgrade_db(engine)
    utils._verify_schema(engine)
    say(f"done ({action}) in {time.monotonic() - started:.1f} seconds")


def main() -> int:
    try:
        if URI.startswith("sqlite:///"):
            sqlite(URI.removeprefix("sqlite:///"))
        else:
            import sqlalchemy
            from sqlalchemy.pool import NullPool

            server(sqlalchemy.create_engine(URI, poolclass=NullPool))
    except RefusalError as refusal:
        say(f"refused: {refusal}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
