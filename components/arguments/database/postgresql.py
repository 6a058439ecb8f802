"""A PostgreSQL server that exists already."""

import enum
from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..base import Input, Problem, block, secret
from ..kinds import DatabaseBlock
from .connection import DatabaseSecretArgs, DatabaseTlsArgs, address, server
from .creation import DatabaseCreationArgs

__all__ = ["PostgresqlArgs", "PostgresqlDriver"]


class PostgresqlDriver(enum.Enum):
    """SQLAlchemy driver, always set, since SQLAlchemy's default differs between its versions."""

    PSYCOPG2 = "psycopg2"
    PSYCOPG = "psycopg"


@block
class PostgresqlArgs(DatabaseBlock):
    """A PostgreSQL server that exists already."""

    variables: ClassVar[Mapping[str, str]] = {
        "PGHOST": "host",
        "PGPORT": "port",
        "PGDATABASE": "database",
        "PGUSER": "username",
        "PGPASSWORD": "password",
        "PGSSLMODE": "tls",
        "PGSSLROOTCERT": "tls",
    }

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 5432
    """TCP port."""
    database: Input[str] = "mlflow"
    """Name of the database, which must exist unless `create` is given."""
    username: Input[str] = "mlflow"
    """User that owns the database."""
    password: Input[str] | None = secret()
    """Password of the user; any characters except line breaks. Either this or `existingSecret`."""
    existing_secret: DatabaseSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
    driver: PostgresqlDriver = PostgresqlDriver.PSYCOPG2
    """SQLAlchemy driver in the image."""
    tls: DatabaseTlsArgs = DatabaseTlsArgs()
    """Encryption of the connection."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""
    create: DatabaseCreationArgs | None = None
    """Create the database and its user first; the user's password is then generated unless given."""

    @property
    def address(self) -> tuple[str, int] | None:
        return address(self.host, self.port)

    def problems(self) -> Iterable[Problem]:
        yield from server(self, "postgresql")
