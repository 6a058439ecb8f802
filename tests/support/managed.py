"""What the API of a managed database makes, made in a real server of this machine."""

from dataclasses import dataclass
from typing import Protocol

from psycopg import sql

from tests.support import mariadb, postgresql


class Managed(Protocol):
    """A server of one engine. Names are the tests' own."""

    @property
    def ca_certificate(self) -> str:
        """Authority of the server's certificate."""
        ...

    def user(self, name: str, password: str) -> None:
        """Make a user, or give it another password."""
        ...

    def database(self, name: str) -> None:
        """Make an empty database."""
        ...

    def allow(self, user: str, database: str) -> None:
        """Let a user do everything in a database."""
        ...

    def runs(self, database: str) -> int:
        """How many runs MLflow keeps in a database."""
        ...

    def drop(self, users: list[str], databases: list[str]) -> None:
        """Delete everything, whoever is connected."""
        ...


@dataclass(frozen=True)
class Postgresql:
    """Of PostgreSQL."""

    server: postgresql.Server

    @property
    def ca_certificate(self) -> str:
        return self.server.ca_certificate

    def user(self, name: str, password: str) -> None:
        there = self.server.query("postgres", f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'")
        verb = sql.SQL("ALTER ROLE {} PASSWORD {}" if there else "CREATE ROLE {} LOGIN PASSWORD {}")
        self.server.execute(verb.format(sql.Identifier(name), sql.Literal(password)))

    def database(self, name: str) -> None:
        self.server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def allow(self, user: str, database: str) -> None:
        statement = sql.SQL("ALTER DATABASE {} OWNER TO {}")
        self.server.execute(statement.format(sql.Identifier(database), sql.Identifier(user)))

    def runs(self, database: str) -> int:
        return self.server.query(database, "SELECT count(*) FROM runs")[0][0]

    def drop(self, users: list[str], databases: list[str]) -> None:
        for name in databases:
            self.server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for name in users:
            self.server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@dataclass(frozen=True)
class Mysql:
    """Of MySQL, played by MariaDB."""

    server: mariadb.Server

    @property
    def ca_certificate(self) -> str:
        return self.server.ca_certificate

    def user(self, name: str, password: str) -> None:
        self.server.execute(f"CREATE USER IF NOT EXISTS {name}@'%%' IDENTIFIED BY %s", password)
        self.server.execute(f"ALTER USER {name}@'%%' IDENTIFIED BY %s", password)

    def database(self, name: str) -> None:
        self.server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")

    def allow(self, user: str, database: str) -> None:
        self.server.execute(f"GRANT ALL ON {database}.* TO {user}@'%%'")

    def runs(self, database: str) -> int:
        return self.server.execute(f"SELECT count(*) FROM {database}.runs")[0][0]

    def drop(self, users: list[str], databases: list[str]) -> None:
        for name in databases:
            self.server.execute(f"DROP DATABASE {name}")
        for name in users:
            self.server.execute(f"DROP USER {name}@'%%'")
