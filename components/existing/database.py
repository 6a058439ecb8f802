"""Databases that exist already."""

import pulumi

from ..arguments import Input, PostgresqlArgs, TlsMode
from ..contracts import DatabaseConnection, Engine, NetworkDestination, SecretKey, SecretValue


def postgresql(args: PostgresqlArgs) -> DatabaseConnection:
    """A PostgreSQL server that exists already."""
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
    verified = TlsMode.VERIFY_FULL if args.tls.ca_certificate is not None else TlsMode.REQUIRE
    return DatabaseConnection(
        engine=Engine.POSTGRESQL,
        driver=args.driver.value,
        host=args.host,
        port=args.port,
        database=args.database,
        username=username,
        password=password,
        tls_mode=args.tls.mode or verified,
        ca_certificate=args.tls.ca_certificate,
        network=NetworkDestination(host=args.host, port=args.port),
        connection_limit=args.connection_limit,
    )
