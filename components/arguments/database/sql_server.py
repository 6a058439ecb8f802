"""A Microsoft SQL Server that exists already."""

import enum
from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..base import Block, Input, Problem, block, secret
from ..checks import certificate, pattern
from ..kinds import DatabaseBlock
from .connection import DatabaseSecretArgs, TlsMode, address, in_clear, server

__all__ = ["SqlServerArgs", "SqlServerDriver", "SqlServerTlsArgs"]


class SqlServerDriver(enum.Enum):
    """SQLAlchemy driver. The official image holds `pymssql`; `pyodbc` and Microsoft's ODBC driver need an image of your own."""

    PYMSSQL = "pymssql"
    PYODBC = "pyodbc"


@block
class SqlServerTlsArgs(Block):
    """How the connection to the database is encrypted and verified."""

    mode: TlsMode | None = None
    """Encryption and verification. If not given, `verify-full` where there are authorities to verify the server with (with
    `caCertificate`, and always with `pyodbc`), otherwise `require` (encrypted, server not verified). `disable` sends the
    password and all data in clear text."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form to verify the server's certificate with. `pyodbc` takes those that the image trusts,
    and no others."""

    def problems(self) -> Iterable[Problem]:
        yield from certificate(self.ca_certificate, "ca_certificate")

    def insecure(self) -> Iterable[Problem]:
        yield from in_clear(self.mode)


@block
class SqlServerArgs(DatabaseBlock):
    """A Microsoft SQL Server, or Azure SQL, that exists already."""

    # FreeTDS, the library below pymssql, takes its settings from the file that it names.
    variables: ClassVar[Mapping[str, str]] = {"FREETDSCONF": "tls"}

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 1433
    """TCP port."""
    database: Input[str] = "mlflow"
    """Name of the database, which must exist."""
    username: Input[str] = "mlflow"
    """Login that owns the database."""
    password: Input[str] | None = secret()
    """Password of the login; any characters except line breaks. Either this or `existingSecret`."""
    existing_secret: DatabaseSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
    driver: SqlServerDriver = SqlServerDriver.PYMSSQL
    """SQLAlchemy driver in the image."""
    odbc_driver: str = "ODBC Driver 18 for SQL Server"
    """Name of the ODBC driver in the image, as `odbcinst -q -d` lists it; for `pyodbc`."""
    tls: SqlServerTlsArgs = SqlServerTlsArgs()
    """Encryption of the connection."""
    connection_limit: int | None = None
    """Connections that the server grants to MLflow. If given, a configuration that could exceed it is refused."""

    @property
    def address(self) -> tuple[str, int] | None:
        return address(self.host, self.port)

    @property
    def tls_mode(self) -> TlsMode:
        """The mode, with the default resolved."""
        verifies = self.driver is SqlServerDriver.PYODBC or self.tls.ca_certificate is not None
        return self.tls.mode or (TlsMode.VERIFY_FULL if verifies else TlsMode.REQUIRE)

    def problems(self) -> Iterable[Problem]:
        yield from server(self, "sqlServer")
        # A pair of braces would end the name in a connection string.
        name, fix = "the name of an ODBC driver", "write it as `odbcinst -q -d` lists it, without brackets"
        yield from pattern(self.odbc_driver, r"[^\x00-\x1f\x7f{}\[\];]+", "odbc_driver", name, fix)
        odbc = self.driver is SqlServerDriver.PYODBC
        if not odbc and self.odbc_driver != type(self).odbc_driver:
            yield Problem(("odbc_driver",), "is of no use without pyodbc", "remove it, or set driver: pyodbc")
        authorities = self.tls.ca_certificate is not None
        if odbc and authorities:
            fix = "add it to the authorities of your image (`update-ca-certificates`), and remove caCertificate"
            yield Problem(("tls", "ca_certificate"), "is given with pyodbc, which takes no authorities", fix)
        if odbc and self.tls.mode is TlsMode.VERIFY_CA:
            fix = "use 'verify-full', or driver: pymssql"
            yield Problem(("tls", "mode"), "'verify-ca' is given with pyodbc, which always verifies the host too", fix)
        if not odbc and not authorities and self.tls.mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
            message = f"is required with mode {self.tls.mode.value!r}"
            fix = "give the certificate authority in PEM form, or use mode 'require'"
            yield Problem(("tls", "ca_certificate"), message, fix)
