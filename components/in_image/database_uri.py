"""Complete the URIs of databases: name the driver, and give up on a host that says nothing any more.

Runs inside the MLflow image in front of the server (`python database_uri.py mlflow server …`), since a URI that is in a Secret
is known in the pod only. `users_ini.py`, `migrate.py` and `collect_garbage.py` import it, and the Pulumi program itself, for what
it knows. What somebody wrote into their URI stays as it is.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import importlib.util
import os
import re
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

VARIABLES = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_READ_REPLICA_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI")
SECONDS = int(os.environ.get("DATABASE_TIMEOUT_SECONDS", "30"))
CONNECT_SECONDS = 10
LOGIN = "{login}"
"""Stands in a URI for user and password, which are in variables of their own: they may come from an existing Secret, in which nobody
has percent-encoded them."""
DRIVERS = {
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
    "mssql": {"pyodbc": "pyodbc", "pymssql": "pymssql"},
}
"""Drivers of each dialect and the module that each one is, the one first that SQLAlchemy 2.0 takes where none is named."""


def completed(uri: str, seconds: int = SECONDS) -> str:
    """The URI with a driver, and with options that end a wait for a host that says nothing.

    Args:
        uri: As SQLAlchemy takes it. One of a dialect or driver that is not known here comes back as it is.
        seconds: How long a host may say nothing.
    """
    uri = with_driver(with_login(uri))
    scheme, _, rest = uri.partition("://")
    wanted = options(scheme.partition("+")[2], seconds)
    given = {option.partition("=")[0] for option in _query(rest).split("&")}
    missing = [f"{name}={value}" for name, value in wanted.items() if name not in given]
    if not missing:
        return uri
    joint = "?" if not _has_query(rest) else "&" if _query(rest) else ""
    return uri + joint + "&".join(missing)


def with_login(uri: str) -> str:
    """The URI with user and password from the environment, where it leaves a place for them."""
    if LOGIN not in uri:
        return uri
    # A Secret that was made from a file, or with `echo`, ends with a line break.
    words = (os.environ[name].rstrip("\r\n") for name in ("DATABASE_USERNAME", "DATABASE_PASSWORD"))
    return uri.replace(LOGIN, ":".join(quote(word, safe="") for word in words))


def with_driver(uri: str, holds: Callable[[str], object] = importlib.util.find_spec) -> str:
    """The URI with the driver that the image holds, where it names none.

    SQLAlchemy's own choice differs between its versions: psycopg2 in 2.0, psycopg in 2.1
    (https://docs.sqlalchemy.org/en/21/changelog/migration_21.html). Operators write Secrets without one, some as `postgres://`.
    """
    uri = re.sub("^postgres://", "postgresql://", uri.strip())
    scheme, separator, rest = uri.partition("://")
    drivers = DRIVERS.get(scheme, {})
    return next((f"{scheme}+{name}{separator}{rest}" for name, module in drivers.items() if holds(module)), uri)


def patient(uri: str) -> str:
    """The URI without a limit on how long one statement may take, which on MySQL would cut a long change of the schema in the
    middle, or the deletion of many rows. `watch` notices a lost host instead."""
    uri = with_driver(with_login(uri))
    scheme, separator, rest = uri.partition("://")
    if not scheme.startswith("mysql") or not _has_query(rest):
        return uri
    query = _query(rest)
    kept = [each for each in query.split("&") if each.partition("=")[0] not in ("read_timeout", "write_timeout")]
    return scheme + separator + rest[: len(rest) - len(query)] + "&".join(kept)


def watch(seconds: int = SECONDS) -> None:
    """Have the kernel end connections of PyMySQL whose host says nothing, which no option of its URI does."""
    import sqlalchemy

    def connected(connection: object, _: object) -> None:
        its = getattr(connection, "_sock", None)
        if isinstance(its, socket.socket) and its.family in (socket.AF_INET, socket.AF_INET6):
            for option, value in (
                (socket.TCP_KEEPIDLE, max(1, seconds // 2)),
                (socket.TCP_KEEPINTVL, max(1, seconds // 6)),
                (socket.TCP_KEEPCNT, 3),
                (socket.TCP_USER_TIMEOUT, seconds * 1000),
            ):
                its.setsockopt(socket.IPPROTO_TCP, option, value)

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", connected)


def options(driver: str, seconds: int = SECONDS) -> dict[str, Any]:
    """Options of a driver that end a wait for a host that says nothing."""
    if driver in ("psycopg2", "psycopg"):
        # libpq's, https://www.postgresql.org/docs/current/libpq-connect.html: the first four where an answer is awaited or
        # nothing happens, the last one where something was sent. A statement may take any time while the host is there.
        return {
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": max(1, seconds // 2),
            "keepalives_interval": max(1, seconds // 6),
            "keepalives_count": 3,
            "tcp_user_timeout": seconds * 1000,
        }
    if driver in ("pymysql", "mysqldb"):
        return {"connect_timeout": CONNECT_SECONDS, "read_timeout": seconds, "write_timeout": seconds}
    return {}


def _after_login(rest: str) -> str:
    """What follows user and password, which may hold a question mark."""
    return re.sub("^[^:/@]*(:[^@]*)?@", "", rest)


def _has_query(rest: str) -> bool:
    return "?" in _after_login(rest)


def _query(rest: str) -> str:
    return _after_login(rest).partition("?")[2]


def main() -> None:
    for name in VARIABLES:
        if name in os.environ:
            os.environ[name] = completed(os.environ[name])
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - its arguments are of the pod


if __name__ == "__main__":
    main()
