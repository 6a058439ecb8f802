"""An existing MySQL or MariaDB server."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..base import Input, Problem, block, secret
from ..kinds import DatabaseBlock
from .connection import DatabaseSecretArgs, DatabaseTlsArgs, address, server
from .creation import DatabaseCreationArgs

__all__ = ["MysqlArgs"]


@block
class MysqlArgs(DatabaseBlock):
    """An existing MySQL or MariaDB server. With binary logging it needs `log_bin_trust_function_creators=1`, because
    MLflow's schema has a trigger."""

    # With these, MLflow encrypts its connections but does not verify the server.
    variables: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ["MLFLOW_MYSQL_SSL_CA", "MLFLOW_MYSQL_SSL_CERT", "MLFLOW_MYSQL_SSL_KEY"], "tls"
    )

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 3306
    """TCP port."""
    database: Input[str] = "mlflow"
    """Name of the database, which must exist unless `create` is given."""
    username: Input[str] = "mlflow"
    """User with all privileges on the database."""
    password: Input[str] | None = secret()
    """Password of the user; any characters except line breaks. Either this or `existingSecret`."""
    existing_secret: DatabaseSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
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
        yield from server(self, "mysql")
