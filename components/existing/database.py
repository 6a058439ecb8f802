"""Databases that exist already."""

from urllib.parse import urlsplit

import pulumi

from ..arguments import DatabaseUriArgs, Input, MysqlArgs, PostgresqlArgs
from ..arguments.base import plain
from ..contracts import DatabaseConnection, Engine, NetworkDestination, SecretKey, SecretValue

_PORTS = {Engine.POSTGRESQL: 5432, Engine.MYSQL: 3306, Engine.MSSQL: 1433}


def postgresql(args: PostgresqlArgs) -> DatabaseConnection:
    """A PostgreSQL server that exists already."""
    return _server(args, Engine.POSTGRESQL, args.driver.value)


def mysql(args: MysqlArgs) -> DatabaseConnection:
    """A MySQL or MariaDB server that exists already."""
    return _server(args, Engine.MYSQL, "pymysql")


def uri(args: DatabaseUriArgs) -> DatabaseConnection:
    """A server that exists already, of which only the URI is known."""
    if args.existing_secret is not None:
        secret = SecretKey(name=args.existing_secret.name, key=args.existing_secret.key)
        return DatabaseConnection(engine=None, uri=secret, connection_limit=args.connection_limit)
    assert args.value is not None, "arguments hold one of the two"
    known = plain(args.value)
    engine = Engine(known.partition(":")[0].partition("+")[0]) if isinstance(known, str) else None
    return DatabaseConnection(
        engine=engine,
        uri=pulumi.Output.secret(args.value),
        network=_destination(known, engine) if engine else None,
        connection_limit=args.connection_limit,
    )


def _destination(known: str, engine: Engine) -> NetworkDestination | None:
    parts = urlsplit(known)
    return NetworkDestination(host=parts.hostname, port=parts.port or _PORTS[engine]) if parts.hostname else None


def _server(args: PostgresqlArgs | MysqlArgs, engine: Engine, driver: str) -> DatabaseConnection:
    username: Input[str] | SecretKey = args.username
    password: SecretValue
    if args.existing_secret is not None:
        secret = args.existing_secret
        password = SecretKey(name=secret.name, key=secret.password_key)
        if secret.username_key is not None:
            username = SecretKey(name=secret.name, key=secret.username_key)
    else:
        assert args.password is not None
        password = pulumi.Output.secret(args.password)
    return DatabaseConnection(
        engine=engine,
        driver=driver,
        host=args.host,
        port=args.port,
        database=args.database,
        username=username,
        password=password,
        tls_mode=args.tls.effective_mode,
        ca_certificate=args.tls.ca_certificate,
        network=NetworkDestination(host=args.host, port=args.port),
        connection_limit=args.connection_limit,
    )
