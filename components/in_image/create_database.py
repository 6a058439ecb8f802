"""Create MLflow's database and its user on a PostgreSQL or MySQL server, as an administrator of that server.

Runs inside the MLflow image, as a Job before the migration. It may run again: what exists is left alone, except for the
password, which is set. MLflow's user gets its own database and nothing else.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connecting import CONNECT_TIMEOUT, RefusalError, wait_for
from database_uri import SECONDS, options

# Whether upgrades keep copies of the database beside it, and what follows its name in theirs (`copies.py`).
COPIES = ("before", "after") if os.environ.get("DATABASE_COPIES") == "true" else ()
MASTER_FOLDER = Path("/etc/mlflow/master")
PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER"
"""What MLflow's schema with its trigger needs on MySQL."""


def say(text: str) -> None:
    print(f"database: {text}", flush=True)


def master(what: str) -> str:
    """The administrator's `username` or `password`: from the environment, or from the mount of a secrets store."""
    value = os.environ.get(f"MASTER_{what.upper()}")
    return (MASTER_FOLDER / what).read_text(encoding="utf-8") if value is None else value


def connected(connect: Callable[[], Any]) -> Any:
    return wait_for(connect, (Exception,), "the database server", say)  # drivers share no base class


def postgresql(database: str, user: str, password: str) -> None:
    """Host, port and TLS settings are in libpq's own variables."""
    import psycopg2
    from psycopg2 import sql

    name = master("username")
    refuse_administrator(name, user)

    def connect() -> Any:
        return psycopg2.connect(dbname="postgres", user=name, password=master("password"), **options("psycopg2"))

    # In a transaction that stays open: a pooler would keep a session's lock for whoever gets that session next.
    lock = connected(connect)
    lock.cursor().execute("SELECT pg_advisory_xact_lock(hashtext('mlflow database creation'))")
    connection = connected(connect)
    connection.autocommit = True
    with contextlib.closing(lock), connection.cursor() as cursor:

        def run(statement: str, *values: str, **names: str) -> list[Any]:
            identifiers = {key: sql.Identifier(value) for key, value in names.items()}
            cursor.execute(sql.SQL(statement).format(*(sql.Literal(value) for value in values), **identifiers))
            return cursor.fetchall() if cursor.description else []

        # One that may make databases, and nothing else, is what copies of this one take.
        roles = run("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = {}", user)
        if roles and roles[0][0]:
            raise RefusalError(f"the user {user!r} is an administrator of the server; give MLflow a user of its own")
        verb = "ALTER" if roles else "CREATE"
        run(f"{verb} ROLE {{user}} LOGIN{' CREATEDB' if COPIES else ''} PASSWORD {{}}", password, user=user)
        say(f"user {user!r}: {'password set' if roles else 'created'}")
        owners = run("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {}", database)
        if owners:
            if owners[0][0] != user:
                raise RefusalError(
                    f"the database {database!r} belongs to {owners[0][0]!r}, not to {user!r}; choose another name, or change "
                    "the owner"
                )
            say(f"database {database!r}: already exists")
            return
        # Only a member of a role may make it an owner, and administrators of managed servers are not superusers.
        (member,) = run("SELECT pg_has_role(current_user, {}, 'MEMBER')", user)[0]
        if not member:
            run("GRANT {user} TO CURRENT_USER", user=user)
        run("CREATE DATABASE {database} OWNER {user} ENCODING 'UTF8' TEMPLATE template0", database=database, user=user)
        run("REVOKE ALL ON DATABASE {database} FROM PUBLIC", database=database)
        if not member:
            run("REVOKE {user} FROM CURRENT_USER", user=user)
        say(f"database {database!r}: created")


def mysql(database: str, user: str, password: str) -> None:
    import pymysql

    name = master("username")
    refuse_administrator(name, user)
    tls: dict[str, Any] = {
        "disable": {"ssl_disabled": True},
        "require": {"ssl": {"check_hostname": False}},
        "verify-ca": {"ssl": {"ca": os.environ.get("DATABASE_CA"), "check_hostname": False}},
        "verify-full": {"ssl": {"ca": os.environ.get("DATABASE_CA")}},
    }[os.environ["DATABASE_TLS_MODE"]]
    connection = connected(
        lambda: pymysql.connect(
            host=os.environ["DATABASE_HOST"],
            port=int(os.environ["DATABASE_PORT"]),
            user=name,
            # Bytes: PyMySQL encodes text as Latin-1.
            password=master("password").encode(),  # type: ignore[arg-type]
            autocommit=True,
            # The lock below is waited for.
            **{**options("pymysql"), "read_timeout": SECONDS + CONNECT_TIMEOUT},
            **tls,
        )
    )
    schema = f"`{database.replace('`', '``')}`"
    # Database names in grants are patterns.
    granted = re.sub(r"([_%])", r"\\\1", schema)
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('mlflow-database-creation', %s)", (CONNECT_TIMEOUT,))
        cursor.execute("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = %s", (database,))
        exists = cursor.fetchone()[0]
        if not exists:
            cursor.execute(f"CREATE DATABASE {schema.replace('%', '%%')} CHARACTER SET utf8mb4")
        say(f"database {database!r}: {'already exists' if exists else 'created'}")
        cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (user, password))
        cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (user, password))
        # Of copies, and of no other database whose name begins as this one's.
        for pattern in (granted, *(rf"{granted[:-1]}\_{what}\_%`" for what in COPIES)):
            cursor.execute(f"GRANT {PRIVILEGES} ON {pattern.replace('%', '%%')}.* TO %s@'%%'", (user,))
        say(f"user {user!r}: exists, with its password and its rights on this database")


def refuse_administrator(name: str, user: str) -> None:
    if name == user:
        raise RefusalError(
            f"the user {user!r} is the administrator that creates the database; give MLflow a user of its own"
        )


def main() -> int:
    database, user = os.environ["DATABASE_NAME"], os.environ["DATABASE_USERNAME"]
    make = {"postgresql": postgresql, "mysql": mysql}[os.environ["DATABASE_ENGINE"]]
    try:
        make(database, user, os.environ["DATABASE_PASSWORD"])
    except RefusalError as refusal:
        say(f"refused: {refusal}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
