"""Existing database servers, by their full URI."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ..base import Block, Input, Problem, block, plain, secret
from ..checks import ExistingSecret, between
from ..kinds import DatabaseBlock
from .connection import one_of_two

__all__ = ["DatabaseUriArgs", "DatabaseUriSecretArgs", "MssqlArgs", "RegistryArgs"]

DRIVERS = {"postgresql": ("psycopg2", "psycopg"), "mysql": ("pymysql",), "mssql": ("pymssql",)}
"""SQLAlchemy dialects that MLflow has a schema for, with the drivers in its official image."""


@block
class DatabaseUriSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a database URI."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "uri"
    """Key of the URI in the Secret."""


@block
class DatabaseUriArgs(DatabaseBlock):
    """A full SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`). Special characters in the
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
    """SQL Server by a full SQLAlchemy URI (`mssql+pymssql://user:password@host:port/database`). Special characters in the
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
    """A full SQLAlchemy URI (`dialect+driver://user:password@host:port/database?options`) of a separate database for the
    model registry. Special characters in the password must be percent-encoded."""

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
"""Databases given by their URI."""


def _uri_problems(block: DatabaseUri) -> Iterator[Problem]:
    yield from between(block.connection_limit, 1, 100_000, "connection_limit", "connections")
    yield from between(block.port, 1, 65535, "port")
    if block.value is not None and block.port is not None:
        yield Problem(("port",), "is given as well as value, which holds it", "remove port")
    yield from one_of_two(block, "value", "existing_secret", "give the URI as a secret, or name an existing Secret")
    yield from _uri(block.value)


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
    except ValueError:  # what follows the colon is not a number
        return False
