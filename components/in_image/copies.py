"""A copy of the database beside it, on the same server and by the server itself; and the way back to it, by names.

Not a program of its own: `upgrade.py` imports it. The database keeps its name, so that nobody has to learn another one, and with it all
that hangs on it: grants, settings, replication. Only the way back exchanges names.
One file although it is long: what PostgreSQL does stands beside what MySQL does, since both promise the same.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from typing import Any

from connecting import RefusalError, reason_of
from migrate import behind_pooler, connectable_without_database, say

BEFORE, AFTER = "before", "after"
# How long somebody who is not to be there may hold a database.
ALONE_SECONDS = 60.0
# With what tells copies apart, names stay within PostgreSQL's 63 bytes and MySQL's 64 characters.
_NAME_BYTES = 40
_MAINTENANCE = "postgres"


def named(database: str, what: str, stamp: str) -> str:
    """Name of a database beside another one.

    Args:
        database: The other one.
        what: `BEFORE` an upgrade, or what was written `AFTER` it and went aside.
        stamp: What tells several apart.
    """
    return f"{database}_{what}_{stamp}"


def of(engine: Any) -> Copies:
    """The copies of a database on PostgreSQL or MySQL."""
    return {"postgresql": _PostgreSQL, "mysql": _MySQL}[engine.dialect.name](engine)


def same(one: Any, other: Any) -> bool:
    """Whether two engines reach the same database: users may be in that of experiments, or have one of their own."""
    if one.dialect.name != other.dialect.name or one.dialect.name not in _IDENTITY:
        return False
    return _rows(one, _IDENTITY[one.dialect.name]) == _rows(other, _IDENTITY[one.dialect.name])


_IDENTITY = {
    "postgresql": "SELECT current_database(), pg_postmaster_start_time()",
    "mysql": "SELECT DATABASE(), @@hostname, @@port",
}


def aloof(engine: Any) -> Any:
    """Where a lock can be held that is in the way of no copy: PostgreSQL copies no database that anybody is connected to. The database
    itself, if there is no such place."""
    if engine.dialect.name != "postgresql":
        return engine
    copies = _PostgreSQL(engine)
    return copies.outside if copies.reachable() else engine


def _rows(engine: Any, query: str, **values: Any) -> list[Any]:
    import sqlalchemy

    with engine.connect() as connection:
        return list(connection.execute(sqlalchemy.text(query), values))


class Copies:
    """What both kinds of server have.

    Attributes:
        engine: The database.
        outside: The same server, and none of the deployment's databases: it holds the lock, and no copy waits for it.
        name: Name of the database.
    """

    outside: Any
    _EXISTS = ""

    def __init__(self, engine: Any) -> None:
        self.engine = engine

    @property
    def name(self) -> str:
        return str(self.engine.url.database)

    def at(self, name: str) -> Any:
        """An engine for another database of the server, with the same login."""
        import sqlalchemy
        from sqlalchemy.pool import NullPool

        return sqlalchemy.create_engine(self.engine.url.set(database=name), poolclass=NullPool)

    def exists(self, name: str) -> bool:
        """Whether there is a database of that name, on MySQL one that holds tables: an exchange leaves an empty one for a moment."""
        return bool(_rows(self.outside, self._EXISTS, name=name)[0][0])

    def problems(self) -> list[str]:
        """Why no copy could be made, or be given the database's name."""
        if len(self.name.encode()) > _NAME_BYTES:
            return [f"the name of the database is longer than {_NAME_BYTES} bytes, and a copy's is longer still"]
        return self._problems()

    def _problems(self) -> list[str]:
        raise NotImplementedError

    def make(self, name: str) -> list[str]:
        """Make a copy, in the place of one that was cut off. Nobody may write.

        Returns:
            The statements that make the triggers, which cannot go from one database into another.
        """
        raise NotImplementedError

    def exchange(self, kept: str, aside: str, triggers: list[str]) -> None:
        """Give a copy the name of the database, which gets another one. Again, it changes nothing.

        Args:
            kept: The copy.
            aside: The database's name from then on.
            triggers: What `make` has returned.

        Raises:
            RefusalError: There is no such copy.
        """
        raise NotImplementedError

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {self._quoted(name)}")

    def _quoted(self, name: str) -> str:
        # SQLAlchemy doubles the percent signs of drivers that would take one for a parameter; here, none has parameters.
        return self.engine.dialect.identifier_preparer.quote_identifier(name).replace("%%", "%")

    def _run(self, *statements: str) -> None:
        with self._session() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _session(self) -> Any:
        # Without parameters, what would stand for one is text.
        return self.outside.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True)


class _PostgreSQL(Copies):
    """One database is the template of another: its files, copied by the server. Neither that nor a new name is possible while anybody is
    connected: https://www.postgresql.org/docs/current/manage-ag-templatedbs.html."""

    _EXISTS = "SELECT count(*) FROM pg_database WHERE datname = :name"

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.outside = self.at(_MAINTENANCE)
        self._name = engine.url.database

    @property
    def name(self) -> str:
        self._name = self._name or str(_rows(self.engine, "SELECT current_database()")[0][0])
        return self._name

    def reachable(self) -> bool:
        """Whether this user can log in to the database from which copies are made."""
        import sqlalchemy

        with contextlib.suppress(sqlalchemy.exc.DBAPIError):
            self.outside.connect().close()
            return True
        return False

    def _problems(self) -> list[str]:
        import sqlalchemy

        if self.name == _MAINTENANCE:
            return ["the database is 'postgres', from which copies of others are made; give MLflow one of its own name"]
        if behind_pooler(self.engine):
            return [
                "the database is behind a connection pooler, which keeps it from being copied; give the server's own address"
            ]
        try:
            self.outside.connect().close()
        except sqlalchemy.exc.DBAPIError as error:
            return [
                f"the user cannot connect to the database 'postgres', from which copies are made: {reason_of(error.orig)}"
            ]
        (user, creates, owns, owner, others), *_ = _rows(self.engine, _RIGHTS)
        quoted = self._quoted(user)
        return [
            *(
                []
                if creates
                else [f"the user {user} may not make a copy of the database: ALTER ROLE {quoted} CREATEDB"]
            ),
            *(
                []
                if owns
                else [
                    f"the database belongs to {owner}, and only its owner may copy it: ALTER DATABASE {self._quoted(self.name)} "
                    f"OWNER TO {quoted}"
                ]
            ),
            *self._collation(),
            *(
                [f"sessions of {others} are in the database, which cannot be copied meanwhile: end them"]
                if others
                else []
            ),
        ]

    def _collation(self) -> list[str]:
        of: tuple[int, ...] = self.engine.dialect.server_version_info or ()
        if of < (15,):  # which do not look
            return []
        (made, now), *_ = _rows(self.engine, _COLLATION)
        if made in (None, now):
            return []
        # https://www.postgresql.org/docs/current/sql-altercollation.html#SQL-ALTERCOLLATION-NOTES
        name = self._quoted(self.name)
        return [
            f"the database has indexes by version {made} of its collation and the server has {now}, and copies none such: REINDEX DATABASE "
            f"{name}, then ALTER DATABASE {name} REFRESH COLLATION VERSION"
        ]

    def make(self, name: str) -> list[str]:
        copy, database = self._quoted(name), self._quoted(self.name)
        (owner,), *_ = _rows(self.outside, _OWNER, database=self.name)
        self.drop(name)
        self._alone(
            lambda: self._run(f"CREATE DATABASE {copy} TEMPLATE {database} OWNER {self._quoted(owner)}"), self.name
        )
        # These belong to the database, and not to what is in it.
        grants = [row[0] for row in _rows(self.outside, _GRANTS, database=self.name, copy=name)]
        self._run(f"REVOKE ALL ON DATABASE {copy} FROM PUBLIC", *grants)
        self._settings(copy)
        return []

    def _settings(self, copy: str) -> None:
        import sqlalchemy

        with self.outside.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            found = connection.execute(sqlalchemy.text(_SETTINGS), {"database": self.name}).all()
            for everybody, setting in found:
                key, _, value = setting.partition("=")
                whose = f"DATABASE {copy}" if everybody else f"ROLE CURRENT_USER IN DATABASE {copy}"
                try:
                    connection.execute(
                        sqlalchemy.text("SELECT set_config(:key, :value, false)"), {"key": key, "value": value}
                    )
                    connection.exec_driver_sql(
                        f"ALTER {whose} SET {key} FROM CURRENT", execution_options={"no_parameters": True}
                    )
                except sqlalchemy.exc.DBAPIError as error:
                    say(f"the copy does not have the setting {key}: {reason_of(error.orig)}")

    def exchange(self, kept: str, aside: str, triggers: list[str]) -> None:
        if not self.exists(kept):
            if self.exists(aside):
                return
            raise RefusalError(f"there is no database {kept} any more")

        def both() -> None:
            with self.outside.connect().execution_options(no_parameters=True) as connection, connection.begin():
                for old, new in ((self.name, aside), (kept, self.name)):
                    connection.exec_driver_sql(f"ALTER DATABASE {self._quoted(old)} RENAME TO {self._quoted(new)}")

        self._alone(both, self.name, kept)

    def drop(self, name: str) -> None:
        self._alone(lambda: super(_PostgreSQL, self).drop(name), name)

    def _alone(self, work: Callable[[], None], *names: str) -> None:
        """Do something for which nobody may be connected; sessions of this user are ended."""
        import sqlalchemy

        deadline = time.monotonic() + ALONE_SECONDS
        while True:
            _rows(self.outside, _END, names=list(names))
            try:
                work()
                return
            except sqlalchemy.exc.DBAPIError as error:
                code = getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)
                if code != "55006":  # object_in_use
                    raise
                if time.monotonic() > deadline:
                    raise RefusalError(f"others are connected to the database: {reason_of(error.orig)}") from error
            time.sleep(0.5)


_RIGHTS = """SELECT r.rolname, r.rolcreatedb OR r.rolsuper, pg_has_role(d.datdba, 'MEMBER'), pg_get_userbyid(d.datdba),
(SELECT string_agg(DISTINCT a.usename, ', ') FROM pg_stat_activity a
 WHERE a.datid = d.oid AND a.usename <> current_user)
FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user"""
_COLLATION = """SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
WHERE datname = current_database()"""
_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :database"
_GRANTS = """SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, CAST(:copy AS text),
CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE d.datname = :database"""
_SETTINGS = """SELECT s.setrole = 0, unnest(s.setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
WHERE d.datname = :database AND s.setrole IN (0, CAST(CAST(current_user AS regrole) AS oid))"""
_END = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = ANY(:names) AND usename = current_user AND pid <> pg_backend_pid()"""


class _MySQL(Copies):
    """Tables are made as the server describes them, and filled by it. A new name of a table may be in another database, and a statement
    with many of these is all or nothing: https://mariadb.com/docs/server/reference/sql-statements/data-definition/rename-table. Only
    tables with triggers may not move."""

    _EXISTS = "SELECT count(*) FROM information_schema.tables WHERE table_schema = :name"

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.outside = connectable_without_database(engine)

    def _problems(self) -> list[str]:
        import sqlalchemy

        for what in (BEFORE, AFTER):
            # A check beside an upgrade must not take its database away.
            probe = self._quoted(named(self.name, what, f"probe{os.urandom(4).hex()}"))
            try:
                self._run(f"CREATE DATABASE {probe}", f"CREATE TABLE {probe}.probe (id INT)")
            except sqlalchemy.exc.DBAPIError as error:
                # Names of databases in grants are patterns.
                patterns = [
                    re.sub(r"([_%])", r"\\\1", self._quoted(named(self.name, each, "")))[:-1]
                    for each in (BEFORE, AFTER)
                ]
                grants = "; ".join(f"GRANT ALL ON {pattern}%`.* TO the user" for pattern in patterns)
                return [f"the user may not make a copy of the database ({reason_of(error.orig)}): {grants}"]
            finally:
                with contextlib.suppress(sqlalchemy.exc.DBAPIError):
                    self._run(f"DROP DATABASE IF EXISTS {probe}")
        return []

    def make(self, name: str) -> list[str]:
        copy, database = self._quoted(name), self._quoted(self.name)
        self.drop(name)
        (like,), *_ = _rows(self.outside, _CHARACTERS, name=self.name)
        with self._session() as connection:
            do = connection.exec_driver_sql
            do(f"CREATE DATABASE {copy} {like}")
            do(f"USE {copy}")
            # As dumps are loaded: the default experiment has the number 0, for which a new one would be drawn.
            do("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0")
            for table in self._tables(self.name):
                do(do(f"SHOW CREATE TABLE {database}.{self._quoted(table)}").all()[0][1])
                written = _rows(self.outside, _COLUMNS, name=self.name, table=table)
                columns, into = ", ".join(self._quoted(column) for (column,) in written), self._quoted(table)
                do(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {database}.{into}")  # noqa: S608 - names are quoted
        triggers = self._statements(self.name)
        self._run(f"USE {copy}", *triggers)
        return triggers

    def exchange(self, kept: str, aside: str, triggers: list[str]) -> None:
        import sqlalchemy

        tables = self._tables(kept)
        if not tables and not self._tables(aside):
            raise RefusalError(f"there is no database {kept} any more")
        if tables:
            self._run(f"CREATE DATABASE IF NOT EXISTS {self._quoted(aside)}")
            ours = self._statements(self.name)
            drops = [
                f"DROP TRIGGER {self._quoted(database)}.{self._quoted(each)}"
                for database in (self.name, kept)
                for each in self._triggers(database)
            ]
            moves = [
                f"{self._quoted(old)}.{self._quoted(table)} TO {self._quoted(new)}.{self._quoted(table)}"
                for old, new in ((self.name, aside), (kept, self.name))
                for table in self._tables(old)
            ]
            # By itself, MySQL waits a year for a transaction that has read a table.
            wait = f"SET SESSION lock_wait_timeout = {ALONE_SECONDS:.0f}"
            try:
                self._run(wait, *drops, f"RENAME TABLE {', '.join(moves)}")
            except sqlalchemy.exc.DBAPIError:
                # Somebody may start the servers as they were.
                self._complete(ours)
                raise
        self._complete(triggers)
        self.drop(kept)

    def _complete(self, triggers: list[str]) -> None:
        """Give the database those of the triggers that it has not."""
        there = self._triggers(self.name)
        missing = [
            text
            for text in triggers
            if not any(re.search(rf"\bTRIGGER\s+`?{re.escape(each)}\b", text) for each in there)
        ]
        self._run(f"USE {self._quoted(self.name)}", *missing)

    def _tables(self, name: str) -> list[str]:
        return [table for (table,) in _rows(self.outside, _TABLES, name=name)]

    def _triggers(self, name: str) -> list[str]:
        return [trigger for (trigger,) in _rows(self.outside, _TRIGGERS, name=name)]

    def _statements(self, name: str) -> list[str]:
        """What makes the triggers of a database, without who made them: nobody may make one for somebody else."""
        with self._session() as connection:
            texts = [
                connection.exec_driver_sql(f"SHOW CREATE TRIGGER {self._quoted(name)}.{self._quoted(each)}").all()[0][2]
                for each in self._triggers(name)
            ]
        return [re.sub(r"\bDEFINER\s*=\s*`[^`]*`@`[^`]*`\s*", "", text) for text in texts]


_TABLES = """SELECT table_name FROM information_schema.tables
WHERE table_schema = :name AND table_type = 'BASE TABLE' ORDER BY table_name"""
_TRIGGERS = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = :name ORDER BY action_order"
_COLUMNS = """SELECT column_name FROM information_schema.columns
WHERE table_schema = :name AND table_name = :table AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position"""
_CHARACTERS = """SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name)
FROM information_schema.schemata WHERE schema_name = :name"""
