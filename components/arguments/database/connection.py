"""How a database server is reached: encryption, credentials in existing Secrets, and whole URIs."""

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ..base import Block, Input, Problem, block, plain, secret
from ..checks import ExistingSecret, between, certificate, host_name
from ..kinds import DatabaseBlock

DRIVERS = {"postgresql": ("psycopg2", "psycopg"), "mysql": ("pymysql",), "mssql": ("pymssql",)}
"""SQLAlchemy dialects that MLflow has a schema for, with the drivers in its official image."""


class TlsMode(enum.Enum):
    """libpq's sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html), for MySQL with the same meaning."""

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

    @property
    def effective_mode(self) -> TlsMode:
        """The mode, with the default worked out."""
        return self.mode or (TlsMode.REQUIRE if self.ca_certificate is None else TlsMode.VERIFY_FULL)

    def problems(self) -> Iterable[Problem]:
        verifies = self.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL)
        if verifies and self.ca_certificate is None and self.mode:
            yield Problem(
                ("ca_certificate",),
                f"is required with mode {self.mode.value!r}",
                "give the certificate authority in PEM form (clouds publish theirs as a bundle), or use mode 'require'",
            )
        yield from certificate(self.ca_certificate, "ca_certificate")


@block
class DatabaseSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the database password, and the user if wanted."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""
    username_key: str | None = None
    """Key of the user in the Secret; `username` is used if not given."""


@block
class DatabaseUriSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a database URI."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "uri"
    """Key of the URI in the Secret."""


@block
class DatabaseUriArgs(DatabaseBlock):
    """A whole SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`). Special characters of the
    password must be percent-encoded."""

    value: Input[str] | None = secret()
    """The URI. Either this or `existingSecret`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)


@block
class MssqlArgs(DatabaseBlock):
    """SQL Server by a whole SQLAlchemy URI (`mssql+pymssql://user:password@host:port/database`). Special characters of the
    password must be percent-encoded."""

    value: Input[str] | None = secret()
    """The URI. Either this or `existingSecret`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)
        known = plain(self.value)
        if isinstance(known, str) and not known.startswith("mssql"):
            yield Problem(("value",), "is no URI of an SQL Server", "write mssql+pymssql://…, or use database.uri")


@block
class RegistryArgs(Block):
    """A whole SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`) of a database for the model
    registry alone. Special characters of the password must be percent-encoded."""

    value: Input[str] | None = secret()
    """The URI. Either this or `existingSecret`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)


DatabaseUri = DatabaseUriArgs | MssqlArgs | RegistryArgs
"""Databases that are given by their URI."""


def _uri_problems(block: DatabaseUri) -> Iterator[Problem]:
    yield from between(block.connection_limit, 1, 100_000, "connection_limit", "connections")
    yield from between(block.port, 1, 65535, "port")
    if block.value is not None and block.port is not None:
        yield Problem(("port",), "is given as well as value, which holds it", "remove port")
    yield from one_of_two(block, "value", "existing_secret", "give the URI as a secret, or name an existing Secret")
    yield from _uri(block.value)


def one_of_two(block: Any, first: str, second: str, fix: str) -> Iterator[Problem]:
    """A secret is given in one of two ways: as itself, or as where it is."""
    spelled = re.sub(r"_(\w)", lambda match: match[1].upper(), second)
    given = [getattr(block, name) is not None for name in (first, second)]
    if not any(given):
        yield Problem((first,), f"is required, or {spelled}", fix, either=((second,),))
    if all(given):
        yield Problem((second,), f"is given as well as {first}", f"keep exactly one of: {first}, {spelled}")


def _uri(value: Any) -> Iterator[Problem]:
    """A known URI must name a dialect that MLflow has, and its driver."""
    known = plain(value)
    if not isinstance(known, str):
        return
    allowed = ", ".join(f"{dialect}+{driver}" for dialect, drivers in DRIVERS.items() for driver in drivers)
    scheme, separator, _ = known.partition("://")
    dialect, _, driver = scheme.partition("+")
    if not separator or not re.fullmatch(r"[\w+]+", scheme):
        yield Problem(("value",), "is not a database URI", f"write dialect+driver://…, one of: {allowed}")
    elif dialect == "sqlite":
        yield Problem(("value",), "names a SQLite file, which needs a volume", "use database.sqlite")
    elif dialect not in DRIVERS:
        yield Problem(("value",), f"has the dialect {dialect!r}, which MLflow does not have", f"allowed: {allowed}")
    elif not driver:
        fix = f"write {dialect}+{DRIVERS[dialect][0]}://…"
        yield Problem(("value",), f"names no driver for {dialect!r}, and SQLAlchemy's versions differ in theirs", fix)
    elif driver not in DRIVERS[dialect]:
        yield Problem(("value",), f"has the driver {driver!r}, which the image does not hold", f"allowed: {allowed}")
    elif not _readable(known):
        fix = "percent-encode special characters of user and password (`/` is %2F, `@` is %40, `#` is %23, `?` is %3F)"
        yield Problem(("value",), "has no readable host and port", fix)


def _readable(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.port is None or bool(parts.hostname)
    except ValueError:  # what stands behind the colon is no number
        return False


def server(block: Any, name: str) -> Iterator[Problem]:
    """What PostgreSQL and MySQL servers have in common."""
    yield from host_name(block.host, "host")
    yield from between(block.port, 1, 65535, "port")
    yield from between(block.connection_limit, 1, 100_000, "connection_limit", "connections")
    fix = f"pulumi config set --secret --path 'mlflow:database.{name}.password', or name an existing Secret"
    if block.create is None or block.password is not None:
        yield from one_of_two(block, "password", "existing_secret", fix)
