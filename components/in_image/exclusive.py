"""Locks that keep backups, restores, garbage collection and migrations of one database apart.

Not a program of its own: `migrate.py`, `backup.py` and `collect_garbage.py` import it, and it is mounted next to them. `migration` is
the lock of schemas; `upgrade` is held while servers are stopped, migrated and started; `housekeeping` is for what may run beside servers,
but not beside each other. It also tells whether servers are connected, which no lock does.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import database_uri

# Arbitrary constants, the same in every version.
KEYS = {"migration": 0x6D6C666C6F77, "upgrade": 0x6D6C666C6F78, "housekeeping": 0x6D6C666C6F79}
SERVER_APPLICATION_NAME = "mlflow-server"
SQLITE = "sqlite:///"
# Neither may end the transaction that holds the lock. PostgreSQL before 17 has only the first.
STAY_IN_TRANSACTION = """SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"""


class HeldError(Exception):
    """Somebody else holds the lock."""


@contextlib.contextmanager
def held(uri: str, purpose: str, seconds: float, say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Hold a lock; yields a check that raises once the lock is lost.

    Args:
        uri: The database, as SQLAlchemy takes it.
        purpose: One of `KEYS`. SQLite has only `housekeeping`: a copy of a file is consistent beside everything else.
        seconds: How long to wait for it.
        say: Logs one line.

    Raises:
        HeldError: It is still held by another after that time.
    """
    deadline = time.monotonic() + seconds
    said = False
    with contextlib.ExitStack() as stack:
        take, check = _file(uri, purpose, stack) if uri.startswith(SQLITE) else _server(uri, purpose, stack)
        while not take():
            if not said:
                say(f"waiting for another job on this database (lock {purpose!r})")
                said = True
            if time.monotonic() > deadline:
                raise HeldError(
                    f"another job has worked on this database for {seconds:.0f} seconds (lock {purpose!r}): a migration, a "
                    "backup, a restore or garbage collection, which must not run side by side; see `kubectl get jobs`"
                )
            time.sleep(0.5)
        yield check


@contextlib.contextmanager
def session(engine: Any) -> Iterator[Any]:
    """A connection that holds a lock. If the server has ended it meanwhile, that is no error of its own, and hides no other."""
    import sqlalchemy

    connection = engine.connect()
    try:
        yield connection
    finally:
        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            connection.close()


_Lock = tuple[Callable[[], bool], Callable[[], None]]


def _file(uri: str, purpose: str, stack: contextlib.ExitStack) -> _Lock:
    path = Path(uri.removeprefix(SQLITE))
    file = stack.enter_context(path.with_name(f"{path.name}.{purpose}.lock").open("w"))

    def take() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return take, lambda: None


def _server(uri: str, purpose: str, stack: contextlib.ExitStack) -> _Lock:
    import sqlalchemy

    url = sqlalchemy.engine.make_url(database_uri.patient(uri))
    dialect = url.get_dialect().name
    if dialect not in ("postgresql", "mysql"):  # SQL Server, which nothing here backs up
        return lambda: True, lambda: None
    postgresql = dialect == "postgresql"
    # On MySQL, a session without a database is no server: see `migrate.py`.
    engine = sqlalchemy.create_engine(url if postgresql else url.set(database=""), poolclass=sqlalchemy.pool.NullPool)
    connection = stack.enter_context(session(engine))
    key: Any = {"key": KEYS[purpose] if postgresql else name(url.database or "", purpose)}

    def take() -> bool:
        if postgresql:
            connection.execute(sqlalchemy.text(STAY_IN_TRANSACTION))
            statement = "SELECT pg_try_advisory_xact_lock(:key)"
        else:
            connection.execute(sqlalchemy.text("SET SESSION wait_timeout = 604800"))
            statement = "SELECT GET_LOCK(:key, 0)"
        if connection.execute(sqlalchemy.text(statement), key).scalar():
            return True
        connection.rollback()
        return False

    def check() -> None:
        connection.execute(sqlalchemy.text("SELECT 1"))

    return take, check


def name(database: str, purpose: str) -> str:
    """Name of a lock on MySQL, whose locks belong to the whole server."""
    return f"mlflow-{purpose}-{hashlib.sha256(database.encode()).hexdigest()[:32]}"


def servers(engine: Any) -> int:
    """Number of connections of MLflow servers; 0 on SQL Server.

    PostgreSQL lists connections with the application name that servers set. MySQL lists the user's sessions without one, so
    every session in this database except our own counts as a server: what waits for a lock has no database.
    """
    import sqlalchemy

    dialect = engine.dialect.name
    if dialect not in ("postgresql", "mysql"):
        return 0
    with engine.connect() as connection:
        if dialect == "postgresql":
            query = sqlalchemy.text(_SERVERS)
            return int(connection.execute(query, {"name": SERVER_APPLICATION_NAME}).scalar() or 0)
        own = connection.execute(sqlalchemy.text("SELECT CONNECTION_ID()")).scalar()
        sessions = connection.execute(sqlalchemy.text("SHOW PROCESSLIST")).all()  # Id, User, Host, db, …
    return sum(session[3] == engine.url.database and session[0] != own for session in sessions)


_SERVERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = :name"
