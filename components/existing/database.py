"""Databases on existing servers."""

from collections.abc import Sequence

import pulumi
import pulumi_random as random

from ..arguments import Input, MysqlArgs, PostgresqlArgs, SqlServerArgs, SqlServerDriver, UriArgs
from ..arguments.base import plain
from ..arguments.database.uri import PORTS, DatabaseUri, location
from ..arguments.outputs import read
from ..contracts import DRIVERS, DatabaseConnection, Engine, NetworkDestination, Place, SecretKey, SecretValue


def postgresql(place: Place, args: PostgresqlArgs, after: Sequence[pulumi.Resource]) -> DatabaseConnection:
    """An existing PostgreSQL server.

    Args:
        place: The deployment.
        args: The server.
        after: Resources that must exist before a password is generated for a user that is yet to be created.
    """
    return _server(place, args, Engine.POSTGRESQL, args.driver.value, after)


def mysql(place: Place, args: MysqlArgs, after: Sequence[pulumi.Resource]) -> DatabaseConnection:
    """An existing MySQL or MariaDB server, likewise."""
    return _server(place, args, Engine.MYSQL, DRIVERS[Engine.MYSQL], after)


def sql_server(args: SqlServerArgs) -> DatabaseConnection:
    """An existing SQL Server."""
    username, password = _login(args)
    assert password is not None, "arguments hold one of the two"
    return DatabaseConnection(
        engine=Engine.MSSQL,
        driver=args.driver.value,
        odbc_driver=args.odbc_driver if args.driver is SqlServerDriver.PYODBC else None,
        host=args.host,
        port=args.port,
        database=args.database,
        username=username,
        password=password,
        tls_mode=args.tls_mode,
        ca_certificate=args.tls.ca_certificate,
        network=NetworkDestination(host=args.host, port=args.port),
        connection_limit=args.connection_limit,
    )


def uri(args: DatabaseUri, path: str) -> DatabaseConnection:
    """An existing server of which only the URI is known.

    Args:
        args: The URI, or where it is.
        path: Where the block is among the arguments, as in a stack file.
    """
    if (stored := existing(args)) is not None:
        network = None if args.port is None else NetworkDestination(host="0.0.0.0", port=args.port)  # noqa: S104
        return DatabaseConnection(engine=None, uri=stored, network=network, connection_limit=args.connection_limit)
    assert args.value is not None, "arguments hold one of them"
    known = plain(args.value)
    where = read(
        args.value,
        location,
        f"{path}.value",
        "is no URI of a database that MLflow has a schema for",
        f"write dialect+driver://user:password@host:port/database with a dialect of: {', '.join(PORTS)}, and percent-encode "
        "special characters of user and password",
    )
    return DatabaseConnection(
        engine=Engine(location(known)[0]) if isinstance(known, str) else None,
        # Only once it was read: one that cannot be read is reported, and not written into a Secret.
        uri=pulumi.Output.secret(pulumi.Output.all(args.value, where).apply(lambda both: both[0])),
        # Neither is secret, and both are needed in network policies.
        network=NetworkDestination(
            host=pulumi.Output.unsecret(where.apply(lambda parts: parts[1])),
            port=pulumi.Output.unsecret(where.apply(lambda parts: parts[2])),
        ),
        connection_limit=args.connection_limit,
    )


def existing(args: DatabaseUri | UriArgs) -> SecretKey | None:
    """Where a URI is, if it is not given."""
    if args.existing_secret is not None:
        return SecretKey(name=args.existing_secret.name, key=args.existing_secret.key)
    if args.existing_config_map is not None:
        return SecretKey(name=args.existing_config_map.name, key=args.existing_config_map.key, config_map=True)
    return None


def _server(
    place: Place, args: PostgresqlArgs | MysqlArgs, engine: Engine, driver: str, after: Sequence[pulumi.Resource]
) -> DatabaseConnection:
    username, password = _login(args)
    if password is None:
        # After a first object in the cluster, so that an `up` that cannot reach it leaves nothing in the state.
        options = place.options(depends_on=list(after), protect=place.args.deletion_protection)
        name = f"{place.name}-database-password"
        password = random.RandomPassword(name, length=40, special=False, opts=options).result
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
        creation=args.create,
    )


def _login(args: PostgresqlArgs | MysqlArgs | SqlServerArgs) -> tuple[Input[str] | SecretKey, SecretValue | None]:
    """User and password, or where they are; the password is None if it is to be generated."""
    secret = args.existing_secret
    if secret is None:
        return args.username, None if args.password is None else pulumi.Output.secret(args.password)
    username = args.username if secret.username_key is None else SecretKey(name=secret.name, key=secret.username_key)
    return username, SecretKey(name=secret.name, key=secret.password_key)
