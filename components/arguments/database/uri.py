"""Existing database servers, by their full URI."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from .. import switches
from ..base import Block, Input, Problem, block, plain, secret
from ..checks import ExistingConfigMap, ExistingSecret, between
from ..kinds import DatabaseBlock
from .connection import in_one_way

__all__ = ["DatabaseUriArgs", "DatabaseUriConfigMapArgs", "DatabaseUriSecretArgs", "MssqlArgs", "RegistryArgs"]

DRIVERS = {"postgresql": ("psycopg2", "psycopg"), "mysql": ("pymysql",), "mssql": ("pymssql",)}
"""SQLAlchemy dialects that MLflow has a schema for, with the drivers in its official image."""
ALLOWED = ", ".join(f"{dialect}+{driver}" for dialect, drivers in DRIVERS.items() for driver in drivers)
"""The same as messages list them."""
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
"""Where their servers listen unless told otherwise."""


@block
class DatabaseUriSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a database URI."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "uri"
    """Key of the URI in the Secret."""


@block
class DatabaseUriConfigMapArgs(ExistingConfigMap):
    """An existing ConfigMap in the deployment's namespace that holds a database URI without a password."""

    name: Input[str]
    """Name of the ConfigMap."""
    key: str = "uri"
    """Key of the URI in the ConfigMap."""


@block
class DatabaseUriArgs(DatabaseBlock):
    """A full SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`). Special characters in the
    password must be percent-encoded."""

    one_of = ("value", "existing_secret", "existing_config_map")

    value: Input[str] | None = secret()
    """The URI. Either this, `existingSecret` or `existingConfigMap`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    existing_config_map: DatabaseUriConfigMapArgs | None = None
    """ConfigMap that holds it, for a URI without a password: everyone who may look at the namespace can read it."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret or ConfigMap."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    @property
    def address(self) -> tuple[str, int] | None:
        return _address(self.value)

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)

    def insecure(self) -> Iterable[Problem]:
        yield from switches.connection(self.value, "value")


@block
class MssqlArgs(DatabaseBlock):
    """SQL Server by a full SQLAlchemy URI (`mssql+pymssql://user:password@host:port/database`). Special characters in the
    password must be percent-encoded."""

    one_of = ("value", "existing_secret", "existing_config_map")

    value: Input[str] | None = secret()
    """The URI. Either this, `existingSecret` or `existingConfigMap`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    existing_config_map: DatabaseUriConfigMapArgs | None = None
    """ConfigMap that holds it, for a URI without a password: everyone who may look at the namespace can read it."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret or ConfigMap."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    @property
    def address(self) -> tuple[str, int] | None:
        return _address(self.value)

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)
        known = plain(self.value)
        if isinstance(known, str) and not known.startswith("mssql"):
            yield Problem(("value",), "is no URI of an SQL Server", "write mssql+pymssql://…, or use database.uri")

    def insecure(self) -> Iterable[Problem]:
        yield from switches.connection(self.value, "value")


@block
class RegistryArgs(Block):
    """A full SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`) of a separate database for the
    model registry. Special characters in the password must be percent-encoded."""

    one_of = ("value", "existing_secret", "existing_config_map")

    value: Input[str] | None = secret()
    """The URI. Either this, `existingSecret` or `existingConfigMap`."""
    existing_secret: DatabaseUriSecretArgs | None = None
    """Secret that holds the URI, instead of `value`."""
    existing_config_map: DatabaseUriConfigMapArgs | None = None
    """ConfigMap that holds it, for a URI without a password: everyone who may look at the namespace can read it."""
    port: int | None = None
    """TCP port of the server; needed for a network policy where the URI is in an existing Secret or ConfigMap."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    @property
    def address(self) -> tuple[str, int] | None:
        return _address(self.value)

    def problems(self) -> Iterable[Problem]:
        yield from _uri_problems(self)

    def insecure(self) -> Iterable[Problem]:
        yield from switches.connection(self.value, "value")


_FILES = ("names files in the container, which MLflow no longer keeps metadata in", "use database.sqlite")
_SERVER = ("is the address of a tracking server, not of its database", "give the URI of a database server")
_NOT_DATABASES = {
    "file": _FILES,
    **dict.fromkeys(["http", "https", "databricks", "databricks-uc", "uc"], _SERVER),
    **dict.fromkeys(["s3", "gs", "wasbs", "abfss"], ("is the address of an artifact store", "use artifacts")),
    "jdbc": ("is for Java", "write it for SQLAlchemy: dialect+driver://user:password@host:port/database"),
}
"""What is given for a database URI and is none, and what to use."""
_RENAMED = {"postgres": "postgresql", "pgsql": "postgresql", "mariadb": "mysql", "sqlserver": "mssql"}

DatabaseUri = DatabaseUriArgs | MssqlArgs | RegistryArgs
"""Databases given by their URI."""


def _uri_problems(block: DatabaseUri) -> Iterator[Problem]:
    yield from between(block.connection_limit, 1, 100_000, "connection_limit", "connections")
    yield from between(block.port, 1, 65535, "port")
    if block.value is not None and block.port is not None:
        yield Problem(("port",), "is given as well as value, which holds it", "remove port")
    yield from in_one_way(block, "give the URI as a secret, or name an existing Secret", *block.one_of)
    yield from _uri(block.value)


def _uri(value: Any) -> Iterator[Problem]:
    """A known URI must name a dialect that MLflow has, and its driver."""
    known = plain(value)
    if not isinstance(known, str):
        return
    scheme, separator, _ = known.partition("://")
    dialect, _, driver = scheme.partition("+")
    if re.match(r"(\.{0,2}/|~)", known):
        yield Problem(("value",), *_FILES)
    elif known.startswith("jdbc:"):
        yield Problem(("value",), *_NOT_DATABASES["jdbc"])
    elif not separator or not re.fullmatch(r"[\w+-]+", scheme):
        yield Problem(("value",), "is not a database URI", f"write dialect+driver://…, one of: {ALLOWED}")
    elif dialect == "sqlite":
        yield Problem(("value",), "names a SQLite file, which needs a volume", "use database.sqlite")
    elif dialect in _NOT_DATABASES:
        yield Problem(("value",), *_NOT_DATABASES[dialect])
    elif dialect in _RENAMED:
        fix = f"write {_RENAMED[dialect]}+{DRIVERS[_RENAMED[dialect]][0]}://…"
        yield Problem(("value",), f"has the dialect {dialect!r}, which MLflow does not know by this name", fix)
    elif dialect not in DRIVERS:
        yield Problem(("value",), f"has the dialect {dialect!r}, which MLflow does not have", f"allowed: {ALLOWED}")
    elif not driver:
        fix = f"write {dialect}+{DRIVERS[dialect][0]}://…"
        yield Problem(("value",), f"names no driver for {dialect!r}, and SQLAlchemy's versions differ in theirs", fix)
    elif re.search(r"\s", known):
        yield Problem(("value",), "contains white space", "percent-encode it (a space is %20), or remove it")
    elif port := re.search(r":(\d{5,})$", re.split(r"[/?]", known.split("://", 1)[1].rpartition("@")[2])[0]):
        yield from between(int(port[1]), 1, 65_535, "value")
    elif not _readable(known):
        fix = "percent-encode special characters of user and password (`/` is %2F, `@` is %40, `#` is %23, `?` is %3F)"
        yield Problem(("value",), "has no readable host and port", fix)


def unknown_driver(uri: DatabaseUri) -> str | None:
    """The driver that a known URI names, if MLflow's official image does not hold it."""
    scheme, separator, _ = str(plain(uri.value) or "").partition("://")
    dialect, _, driver = scheme.partition("+")
    return driver if separator and driver not in ("", *DRIVERS.get(dialect, (driver,))) else None


def location(uri: str) -> tuple[str, str, int]:
    """Dialect, host and port of a URI; `0.0.0.0` where it names no host.

    Raises:
        ValueError: It is no URI of a database that MLflow has a schema for, or has no readable host and port.
    """
    scheme, separator, _ = uri.strip().partition("://")
    dialect = "postgresql" if scheme == "postgres" else scheme.partition("+")[0]
    if not separator or dialect not in PORTS:
        raise ValueError("not a URI of a database")
    parts = urlsplit(uri.strip())
    if parts.port is not None and not parts.hostname:
        raise ValueError("a port without a host")
    return dialect, parts.hostname or "0.0.0.0", parts.port or PORTS[dialect]  # noqa: S104 - stands for any address


def _readable(uri: str) -> bool:
    try:
        location(uri)
    except ValueError:  # most often, what follows the colon is not a number
        return False
    return True


def _address(uri: Any) -> tuple[str, int] | None:
    known = plain(uri)
    if not isinstance(known, str) or not _readable(known):
        return None
    _, host, port = location(known)
    return (host, port)
