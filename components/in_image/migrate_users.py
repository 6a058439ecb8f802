"""Migrate the backend store as `migrate.py` does, then the store of users, and set the administrator's password.

Runs inside the MLflow image instead of `migrate.py` where users log in. MLflow itself would migrate that store in every
process at once, and would create the administrator but never update the password.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import configparser
import contextlib
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import migrate
from connecting import RefusalError

# Which password was last written for an administrator, to tell a new one in the configuration from one that was changed in MLflow.
WRITTEN = "mlflow_deployment_administrators"
CLAIMS = tuple(filter(None, os.environ.get("MIGRATION_USERS_FOLDER", "").split(":")))


def database_uri(config: Path) -> str:
    """URI of the store of users, from MLflow's `basic_auth.ini`.

    Raises:
        RefusalError: The file does not contain it, or names a file that pods cannot share.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(config.read_text(encoding="utf-8"))
        uri = parser.get("mlflow", "database_uri")
    except (configparser.Error, UnicodeDecodeError) as error:
        # Without the error's text, which may quote a line that holds the password.
        hint = " (a literal % is written %%)" if isinstance(error, configparser.InterpolationError) else ""
        raise RefusalError(f"basic_auth.ini is invalid: {type(error).__name__}{hint}") from None
    if uri.startswith("sqlite") and not uri.startswith(tuple(f"sqlite:///{folder}/" for folder in CLAIMS) or ("none",)):
        where = f"a file in {CLAIMS[0]}" if CLAIMS else "a database server"
        raise RefusalError(f"basic_auth.ini names a SQLite file that pods lose or do not share; use {where}")
    return uri


def store() -> Any:
    """An engine for the store of users."""
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    uri = database_uri(Path(os.environ["MLFLOW_AUTH_CONFIG_PATH"]))
    return (
        sqlalchemy.create_engine(uri, poolclass=NullPool) if uri.startswith("sqlite:///") else migrate.connectable(uri)
    )


def users() -> None:
    """Migrate the store of users, and set the administrator."""
    import sqlalchemy

    engine = store()
    if engine.dialect.name == "sqlite":
        current, _ = migrate.found(engine, migrate.AUTH)
        if current not in (None, migrate.known_revisions(migrate.AUTH)[1]):
            back_up(Path(engine.url.database), current)
    migrate.server(engine, [migrate.AUTH])
    try:
        administrator(engine)
    except sqlalchemy.exc.DBAPIError:  # another migration has just created the same
        administrator(engine)


def back_up(file: Path, revision: str | None) -> None:
    copy = file.with_name(f"{file.name}.at-{revision}")
    migrate.say(f"backing up the users to {copy}")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def administrator(engine: Any) -> None:
    """Create the administrator, or set the configured password if that is a new one, and the rights in any case.

    A password that was changed in MLflow stays until another one is configured: else a migration would bring back one that
    was replaced because somebody else knows it. Hashes passwords with Werkzeug, as MLflow does (https://werkzeug.palletsprojects.com/en/stable/utils/#module-werkzeug.security),
    but without MLflow, whose import takes seconds.
    """
    import sqlalchemy
    from werkzeug.security import check_password_hash, generate_password_hash

    name, password = (os.environ[f"MLFLOW_AUTH_ADMIN_{part}"] for part in ("USERNAME", "PASSWORD"))
    if not name or len(password) < 12 or not (name + password).isascii() or ":" in name:
        raise RefusalError(
            "the administrator needs a name without ':' and a password of at least 12 characters, both in ASCII; "
            "check the Secret that holds them (a trailing line break counts)"
        )
    text = sqlalchemy.String(255)
    written = sqlalchemy.Table(
        WRITTEN,
        sqlalchemy.MetaData(),
        sqlalchemy.Column("username", text, primary_key=True),
        sqlalchemy.Column("password_hash", text, nullable=False),
    )
    written.create(engine, checkfirst=True)
    hashed = generate_password_hash(password)
    with engine.begin() as connection:

        def run(statement: str) -> Any:
            return connection.execute(sqlalchemy.text(statement), {"name": name, "hash": hashed, "admin": True})

        user = run("SELECT is_admin FROM users WHERE username = :name").first()
        ours = written.c.username == name
        last = connection.execute(sqlalchemy.select(written.c.password_hash).where(ours)).scalar()
        if user is not None and last is not None and check_password_hash(last, password):
            if not user[0]:
                run("UPDATE users SET is_admin = :admin WHERE username = :name")
                migrate.say(f"set rights of the administrator {name!r}")
            return
        if user is None:
            run("INSERT INTO users (username, password_hash, is_admin) VALUES (:name, :hash, :admin)")
            migrate.say(f"created the administrator {name!r}")
        else:
            run("UPDATE users SET password_hash = :hash, is_admin = :admin WHERE username = :name")
            migrate.say(f"set password and rights of the administrator {name!r}")
        connection.execute(written.delete().where(ours))
        connection.execute(written.insert().values(username=name, password_hash=hashed))


def run() -> None:
    """Migrate everything, users last."""
    migrate.run()
    users()


if __name__ == "__main__":
    sys.exit(migrate.main(run))
