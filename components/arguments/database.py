"""The backend store: where MLflow keeps experiments, runs, models and users."""

import enum
from collections.abc import Iterable

from .base import Block, Input, Problem, block, plain, secret
from .checks import between, exactly_one, host_name, kubernetes_name, secret_key
from .volume import VolumeArgs


class PostgresqlDriver(enum.Enum):
    """SQLAlchemy driver; always named, since SQLAlchemy's own default differs between its versions."""

    PSYCOPG2 = "psycopg2"
    PSYCOPG = "psycopg"


class TlsMode(enum.Enum):
    """libpq's sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html)."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@block
class DatabaseTlsArgs(Block):
    """How the connection to the database is encrypted and verified."""

    mode: TlsMode | None = None
    """`verify-full` where a CA certificate is given, else `require` (encrypted, server not verified). `disable` sends
    the password and all data in clear and must be written out."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form that the server's certificate is verified with."""

    def problems(self) -> Iterable[Problem]:
        verifies = self.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL)
        if verifies and self.ca_certificate is None and self.mode:
            yield Problem(
                ("ca_certificate",),
                f"is required with mode {self.mode.value!r}",
                "give the certificate authority in PEM form (clouds publish theirs as a bundle), or use mode 'require'",
            )
        known = plain(self.ca_certificate)
        if isinstance(known, str) and "-----BEGIN CERTIFICATE-----" not in known:
            yield Problem(
                ("ca_certificate",), "is not a PEM certificate", "paste the text from '-----BEGIN CERTIFICATE-----' on"
            )


@block
class DatabaseSecretArgs(Block):
    """An existing Secret in the deployment's namespace that holds the database password, and the user if wanted."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""
    username_key: str | None = None
    """Key of the user in the Secret; `username` is used if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a Secret")
        yield from secret_key(self.password_key, "password_key")


@block
class SqliteArgs(Block):
    """SQLite on a persistent volume: one replica, for development and small teams."""

    volume: VolumeArgs = VolumeArgs(size_gb=5)
    """The claim that holds the database file."""


@block
class PostgresqlArgs(Block):
    """A PostgreSQL server that exists already."""

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 5432
    """TCP port."""
    database: Input[str] = "mlflow"
    """Name of the database; it must exist."""
    username: Input[str] = "mlflow"
    """User that owns the database."""
    password: Input[str] | None = secret()
    """Password of the user; any characters. Either this or `existingSecret`."""
    existing_secret: DatabaseSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
    driver: PostgresqlDriver = PostgresqlDriver.PSYCOPG2
    """SQLAlchemy driver in the image."""
    tls: DatabaseTlsArgs = DatabaseTlsArgs()
    """Encryption of the connection."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    def problems(self) -> Iterable[Problem]:
        yield from host_name(self.host, "host")
        yield from between(self.port, 1, 65535, "port")
        yield from between(self.connection_limit, 1, 100_000, "connection_limit", "connections")
        if self.password is None and self.existing_secret is None:
            yield Problem(
                ("password",),
                "is required, or existingSecret",
                "pulumi config set --secret --path 'mlflow:database.postgresql.password', or name an existing Secret",
                either=(("existing_secret",),),
            )
        if self.password is not None and self.existing_secret is not None:
            yield Problem(
                ("existing_secret",), "is given as well as password", "keep exactly one of: password, existingSecret"
            )


@block
class DatabaseArgs(Block):
    """Exactly one kind of backend store, and how MLflow connects to it."""

    sqlite: SqliteArgs | None = None
    """SQLite file on a persistent volume."""
    postgresql: PostgresqlArgs | None = None
    """PostgreSQL server that exists already."""
    pool_size: int = 5
    """Connections that each process of a pod keeps open, per store."""
    max_overflow: int = 5
    """Connections that each process may open on top under load, per store. MLflow ignores 0."""
    pool_recycle_seconds: int = 1800
    """Age at which a pooled connection is replaced, in seconds."""
    connect_timeout_seconds: int = 120
    """How long the migration waits for the database to answer before it fails with the reason, in seconds."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, ("sqlite", "postgresql"), "`sqlite: {}` for development")
        yield from between(self.pool_size, 1, 100, "pool_size", "connections")
        yield from between(self.max_overflow, 1, 100, "max_overflow", "connections")
        yield from between(self.pool_recycle_seconds, 10, 86_400, "pool_recycle_seconds", "seconds")
        yield from between(self.connect_timeout_seconds, 1, 3600, "connect_timeout_seconds", "seconds")
