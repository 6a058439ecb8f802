"""A database connection in a pod: environment, certificate, option file and volumes."""

import dataclasses
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, TlsMode
from ..arguments.base import plain as known
from ..arguments.database.uri import location
from ..contracts import DatabaseConnection, Engine, NetworkDestination, SecretKey, SecretValue, in_uri
from ..in_image import Program, database_uri
from .containers import mlflow_container
from .environment import plain_environment, secret_environment
from .part import PodPart, join
from .scope import Scope
from .volumes import claims, config_map, config_volume, memory_volume, read_only

_CA_DIRECTORY = "/etc/mlflow/database"
_CA_FILE = f"{_CA_DIRECTORY}/ca.pem"
_FREETDS_FILE = "freetds.conf"
_LOGIN_DIRECTORY = "/etc/mlflow/database-login"
_LOGIN_FILE = f"{_LOGIN_DIRECTORY}/my.cnf"
_LOGIN_SCRIPT = Program("option_file.py")
_PROGRAM = Program("database_uri.py")
_READ_REPLICA = "MLFLOW_READ_REPLICA_BACKEND_STORE_URI"
_TLS_OPTIONS: dict[TlsMode, dict[str, str]] = {
    TlsMode.DISABLE: {"ssl_disabled": "true"},
    TlsMode.REQUIRE: {"ssl_check_hostname": "false"},
    TlsMode.VERIFY_CA: {"ssl_ca": "", "ssl_check_hostname": "false"},
    TlsMode.VERIFY_FULL: {"ssl_ca": ""},
}
"""URI options that make PyMySQL behave like libpq in that mode; `ssl_ca` is the file of the authorities. Not
MLFLOW_MYSQL_SSL_CA, with which MLflow encrypts but verifies neither the certificate nor the host."""


def tls_query(connection: DatabaseConnection, authorities: str, **more: str) -> str:
    """The query of a URI that sets how the connection is encrypted and verified.

    Args:
        connection: A database server.
        authorities: File of the certificate authorities.
        **more: Further options.
    """
    assert connection.tls_mode is not None
    if connection.engine is Engine.MSSQL:
        options = _odbc(connection)
    elif connection.engine is Engine.POSTGRESQL:
        options = {"sslmode": connection.tls_mode.value, "connect_timeout": "10"}
        if connection.ca_certificate is not None:
            options["sslrootcert"] = authorities
    else:
        options = {name: value or authorities for name, value in _TLS_OPTIONS[connection.tls_mode].items()}
    return urlencode({**more, **options}, safe="/")


@dataclass(frozen=True, kw_only=True)
class BackendStore:
    """How a pod reaches the backend store.

    Attributes:
        part: Environment, certificate, option file and claims.
        uri: The value of MLFLOW_BACKEND_STORE_URI if it contains no secret; None if it refers to a Secret, or is completed
            with one in the pod.
        in_pod: Whether the database is a file in the server's pod, so that only that pod can migrate it.
        absent: Whether there is no database.
        data_directories: Directories of the claims that hold the database.
        exclusive: Whether only one pod at a time may hold the database.
    """

    part: PodPart
    uri: Input[str] | None = None
    in_pod: bool = False
    absent: bool = False
    data_directories: tuple[str, ...] = ()
    exclusive: bool = False

    def part_of(self, application: str) -> PodPart:
        """The part, with the name under which PostgreSQL lists the connections: `mlflow-…`. Only servers may use the name
        `mlflow-server`, since migrations wait for these."""
        if self.in_pod or self.absent:
            return self.part
        return join(self.part, PodPart(environment=plain_environment({"PGAPPNAME": application})))


def backend_store(
    scope: Scope, connection: DatabaseConnection | None, registry: DatabaseConnection | None = None
) -> BackendStore:
    """Render the connection; creates Secrets for secret values and a ConfigMap for the certificate, as needed.

    Args:
        scope: The deployment.
        connection: The database, if there is one.
        registry: The separate database of the model registry, known by its URI.
    """
    if connection is None:
        return BackendStore(part=PodPart(), absent=True)
    in_pod = connection.engine is Engine.SQLITE
    database = scope.args.database
    plain, secrets = _variables(connection, database.silence_timeout_seconds)
    parts: list[PodPart] = []
    files = _files(connection)
    if files:
        bundle = config_map(scope, "database-ca", "database", files)
        volumes, mounts = [config_volume("database-ca", bundle)], [read_only("database-ca", _CA_DIRECTORY)]
        parts.append(PodPart(volumes=volumes, mounts=mounts))
    if connection.engine is Engine.MYSQL and connection.uri is None:
        parts.append(_option_file(scope, connection))
    if not in_pod:
        plain["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"] = str(database.pool_size)
        plain["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"] = str(database.max_overflow)
        plain["MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE"] = str(database.pool_recycle_seconds)
        plain["DATABASE_TIMEOUT_SECONDS"] = str(database.silence_timeout_seconds)
    if registry is not None:
        assert registry.uri is not None
        secrets["MLFLOW_REGISTRY_STORE_URI"] = registry.uri
    secret = secret_environment(scope, "database", "database", secrets)
    server = scope.args.server
    given = any(each is not None and each.uri is not None for each in (connection, registry))
    given = given or connection.engine is Engine.MSSQL
    read_replica = _READ_REPLICA in {**server.env, **(server.secret_env or {}), **server.value_from}
    variables = PodPart(
        environment=[*plain_environment(plain), *secret],
        # What a user wrote, maybe into a Secret, is completed in the pod; SQL Server's login as well.
        launcher=["python", "-c", _PROGRAM.source] if given or read_replica else (),
        network=destinations(scope, connection, registry),
    )
    return BackendStore(
        part=join(variables, *parts, claims(connection.volumes)),
        uri=None if connection.engine is Engine.MSSQL else plain.get("MLFLOW_BACKEND_STORE_URI"),
        in_pod=in_pod,
        data_directories=tuple(volume.mount_path for volume in connection.volumes),
        exclusive=in_pod or any(not volume.shared for volume in connection.volumes),
    )


def destinations(scope: Scope, *connections: DatabaseConnection | None) -> list[NetworkDestination]:
    """Network destinations of databases, in the networks that the arguments name."""
    policy = scope.args.network_policy
    networks = policy.database_cidrs if policy is not None else ()
    known = [each.network for each in connections if each is not None and each.network is not None]
    return [dataclasses.replace(each, networks=networks) for each in known]


def further_stores(scope: Scope) -> PodPart:
    """The way to stores that users give as variables: of workspaces, and a read replica. Of a URI that is not known yet, or of a
    plugin that tells no port, nothing is known."""
    server = scope.args.server
    given = [server.workspaces and server.workspaces.store_uri, (server.secret_env or {}).get(_READ_REPLICA)]
    uris = [uri for uri in map(known, given) if isinstance(uri, str)]
    places = [place for place in map(_place, uris) if place is not None]
    connections = [DatabaseConnection(engine=None, network=place) for place in places]
    return PodPart(network=destinations(scope, *connections))


def _place(uri: str) -> NetworkDestination | None:
    try:
        _, host, port = location(uri)
    except ValueError:  # no database
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return NetworkDestination(host=host, port=port) if host and port else None


def _variables(connection: DatabaseConnection, seconds: int) -> tuple[dict[str, Input[str]], dict[str, SecretValue]]:
    """Plain and secret variables of a connection.

    Args:
        connection: The database.
        seconds: How long its host may say nothing.
    """
    if connection.uri is not None:
        return {}, {"MLFLOW_BACKEND_STORE_URI": connection.uri}
    if connection.engine is Engine.SQLITE:
        return {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{connection.path}"}, {}
    if connection.engine is Engine.POSTGRESQL:
        return _postgresql(connection, seconds)
    if connection.engine is Engine.MSSQL:
        return _mssql(connection)
    # PyMySQL reads user and password from an option file; see `option_file.py`.
    return {"MLFLOW_BACKEND_STORE_URI": _mysql_uri(connection, seconds)}, {}


def _postgresql(connection: DatabaseConnection, seconds: int) -> tuple[dict[str, Input[str]], dict[str, SecretValue]]:
    # libpq reads the connection from its own variables, so the URI contains no password and nothing needs escaping:
    # https://www.postgresql.org/docs/current/libpq-envars.html
    assert connection.host is not None and connection.tls_mode is not None and connection.password is not None
    plain: dict[str, Input[str]] = {
        # For these libpq has no variables.
        "MLFLOW_BACKEND_STORE_URI": database_uri.completed(f"postgresql+{connection.driver}://", seconds),
        "PGHOST": connection.host,
        "PGPORT": pulumi.Output.from_input(connection.port).apply(str),
        "PGDATABASE": connection.database or "",
        "PGSSLMODE": connection.tls_mode.value,
        "PGCONNECT_TIMEOUT": "10",
    }
    secrets: dict[str, SecretValue] = {"PGPASSWORD": connection.password}
    if connection.ca_certificate is not None:
        plain["PGSSLROOTCERT"] = _CA_FILE
    if isinstance(connection.username, SecretKey):
        secrets["PGUSER"] = connection.username
    else:
        plain["PGUSER"] = connection.username or ""
    return plain, secrets


def _files(connection: DatabaseConnection) -> dict[str, Input[str]]:
    """Files that the driver reads."""
    made: dict[str, Input[str]] = {}
    if connection.ca_certificate is not None:
        made["ca.pem"] = connection.ca_certificate
    if connection.engine is Engine.MSSQL and connection.uri is None and connection.odbc_driver is None:
        made[_FREETDS_FILE] = _freetds(connection)
    return made


def _mssql(connection: DatabaseConnection) -> tuple[dict[str, Input[str]], dict[str, SecretValue]]:
    # Neither driver reads the login from anywhere but the URI, which `database_uri.py` completes.
    assert connection.username is not None and connection.password is not None
    query = tls_query(connection, _CA_FILE)

    def uri(parts: list[str]) -> str:
        host, port, database = parts
        where = f"{database_uri.LOGIN}@{in_uri(host)}:{port}/{quote(database, safe='')}"
        return f"mssql+{connection.driver}://{where}" + (f"?{query}" if query else "")

    where = pulumi.Output.all(connection.host, connection.port, connection.database)
    plain: dict[str, Input[str]] = {"MLFLOW_BACKEND_STORE_URI": where.apply(uri)}
    if connection.odbc_driver is None:
        plain["FREETDSCONF"] = f"{_CA_DIRECTORY}/{_FREETDS_FILE}"
    secrets: dict[str, SecretValue] = {"DATABASE_PASSWORD": connection.password}
    if isinstance(connection.username, SecretKey):
        secrets["DATABASE_USERNAME"] = connection.username
    else:
        plain["DATABASE_USERNAME"] = connection.username
    return plain, secrets


def _odbc(connection: DatabaseConnection) -> dict[str, str]:
    """Options of Microsoft's ODBC driver; none for pymssql, whose library has a file of its own.

    https://learn.microsoft.com/sql/connect/odbc/dsn-connection-string-attribute
    """
    if connection.odbc_driver is None:
        return {}
    return {
        "driver": connection.odbc_driver,
        "Encrypt": "no" if connection.tls_mode is TlsMode.DISABLE else "yes",
        "TrustServerCertificate": "no" if connection.tls_mode is TlsMode.VERIFY_FULL else "yes",
    }


def _freetds(connection: DatabaseConnection) -> str:
    """Settings of FreeTDS, which asks for encryption by default but does without, and verifies nothing:
    https://www.freetds.org/userguide/freetdsconf.html."""
    lines = ["[global]", f"encryption = {'off' if connection.tls_mode is TlsMode.DISABLE else 'require'}"]
    if connection.tls_mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL):
        host = "yes" if connection.tls_mode is TlsMode.VERIFY_FULL else "no"
        lines += [f"ca file = {_CA_FILE}", f"check certificate hostname = {host}"]
    return "\n".join([*lines, ""])


def _mysql_uri(connection: DatabaseConnection, seconds: int) -> pulumi.Output[str]:
    """Where and how to connect; the login is in the option file."""
    query = tls_query(connection, _CA_FILE, read_default_file=_LOGIN_FILE)

    def uri(parts: list[str]) -> str:
        host, port, database = parts
        where = f"{in_uri(host)}:{port}/{quote(database, safe='')}"
        return database_uri.completed(f"mysql+{connection.driver}://{where}?{query}", seconds)

    return pulumi.Output.all(connection.host, connection.port, connection.database).apply(uri)


def _option_file(scope: Scope, connection: DatabaseConnection) -> PodPart:
    """User and password of MySQL as a file in memory, written by an init container from variables."""
    script = config_map(scope, "database-login-script", "database", {_LOGIN_SCRIPT.name: _LOGIN_SCRIPT.source})
    return PodPart(
        volumes=[memory_volume("database-login"), config_volume("database-login-script", script)],
        mounts=[read_only("database-login", _LOGIN_DIRECTORY)],
        init_containers=[_login_container(scope, connection)],
    )


def _login_container(scope: Scope, connection: DatabaseConnection) -> k8s.core.v1.ContainerArgs:
    assert connection.username is not None and connection.password is not None
    name, password = connection.username, connection.password
    plain: dict[str, Input[str]] = {} if isinstance(name, SecretKey) else {"DATABASE_USERNAME": name}
    secrets: dict[str, SecretValue] = {"DATABASE_PASSWORD": password}
    if isinstance(name, SecretKey):
        secrets["DATABASE_USERNAME"] = name
    scripts = "/etc/mlflow/database-login-script"
    part = PodPart(
        environment=[
            *plain_environment(plain),
            *secret_environment(scope, "database-login", "database", secrets),
        ],
        mounts=[
            k8s.core.v1.VolumeMountArgs(name="database-login", mount_path=_LOGIN_DIRECTORY),
            read_only("database-login-script", scripts),
        ],
    )
    command = ["python", f"{scripts}/{_LOGIN_SCRIPT.name}", _LOGIN_FILE]
    return mlflow_container(scope, "database-login", part, scope.args.resources.helpers, command=command)
