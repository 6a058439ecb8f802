"""A database connection as the pods see it: environment, certificate, option file and volumes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input, TlsMode
from ..contracts import DatabaseConnection, Engine, SecretKey, SecretValue, Volume
from ..in_image import Program
from .objects import (
    CONTAINER_SECURITY,
    HOME,
    Scope,
    config_volume,
    image_reference,
    plain_environment,
    scratch_mount,
    secret_environment,
)

_CA_DIRECTORY = "/etc/mlflow/database"
_CA_FILE = f"{_CA_DIRECTORY}/ca.pem"
_LOGIN_DIRECTORY = "/etc/mlflow/database-login"
_LOGIN_FILE = f"{_LOGIN_DIRECTORY}/my.cnf"
_LOGIN_SCRIPT = Program("option_file.py")
_TLS_OPTIONS: dict[TlsMode, dict[str, str]] = {
    TlsMode.DISABLE: {"ssl_disabled": "true"},
    TlsMode.REQUIRE: {"ssl_check_hostname": "false"},
    TlsMode.VERIFY_CA: {"ssl_ca": "", "ssl_check_hostname": "false"},
    TlsMode.VERIFY_FULL: {"ssl_ca": ""},
}
"""Options of a URI that give PyMySQL what libpq does by that mode; `ssl_ca` is the file of the authorities. Not
MLFLOW_MYSQL_SSL_CA, with which MLflow encrypts but verifies nothing, neither the certificate nor the host."""


def tls_query(connection: DatabaseConnection, authorities: str, **more: str) -> str:
    """The part of a URI that says how the connection is encrypted and verified.

    Args:
        connection: PostgreSQL or MySQL.
        authorities: File of the certificate authorities.
        **more: Further options.
    """
    assert connection.tls_mode is not None
    if connection.engine is Engine.POSTGRESQL:
        options = {"sslmode": connection.tls_mode.value, "connect_timeout": "10"}
        if connection.ca_certificate is not None:
            options["sslrootcert"] = authorities
    else:
        options = {name: value or authorities for name, value in _TLS_OPTIONS[connection.tls_mode].items()}
    return urlencode({**more, **options}, safe="/")


@dataclass(frozen=True, kw_only=True)
class BackendStore:
    """What a container needs to reach the backend store.

    Attributes:
        environment: Variables, secret ones by reference.
        uri: The value of MLFLOW_BACKEND_STORE_URI where it holds no secret; None where the variable refers to a Secret.
        pod_volumes, mounts: The CA certificate and the option file, where there are such.
        init_containers: What must have run in a pod before a container of it can connect.
        volumes: Claims of the database itself.
        in_pod: The database is a file of the server pod, so nothing outside that pod can migrate it.
        absent: There is no database.
    """

    environment: Sequence[k8s.core.v1.EnvVarArgs]
    uri: Input[str] | None = None
    pod_volumes: Sequence[k8s.core.v1.VolumeArgs] = ()
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()
    init_containers: Sequence[k8s.core.v1.ContainerArgs] = ()
    volumes: Sequence[Volume] = ()
    in_pod: bool = False
    absent: bool = False

    def environment_of(self, application: str) -> list[k8s.core.v1.EnvVarArgs]:
        """The variables, with the name under which PostgreSQL lists the connection."""
        return [
            *self.environment,
            *([] if self.in_pod or self.absent else plain_environment({"PGAPPNAME": application})),
        ]


@dataclass(frozen=True)
class _Parts:
    """What has been gathered for a `BackendStore`."""

    plain: dict[str, Input[str]] = field(default_factory=dict)
    secrets: dict[str, SecretValue] = field(default_factory=dict)
    pod_volumes: list[k8s.core.v1.VolumeArgs] = field(default_factory=list)
    mounts: list[k8s.core.v1.VolumeMountArgs] = field(default_factory=list)
    init_containers: list[k8s.core.v1.ContainerArgs] = field(default_factory=list)


def backend_store(
    scope: Scope, connection: DatabaseConnection | None, registry: DatabaseConnection | None = None
) -> BackendStore:
    """Render the connection; makes Secrets for what is secret and a ConfigMap for the certificate where needed.

    Args:
        scope: What the parts have in common.
        connection: The database, if there is one.
        registry: Another database for the model registry, known by its URI.
    """
    if connection is None:
        return BackendStore(environment=[], absent=True)
    parts = _Parts()
    in_pod = connection.engine is Engine.SQLITE
    if connection.uri is not None:
        parts.secrets["MLFLOW_BACKEND_STORE_URI"] = connection.uri
    elif in_pod:
        parts.plain["MLFLOW_BACKEND_STORE_URI"] = f"sqlite:///{connection.path}"
    elif connection.engine is Engine.POSTGRESQL:
        _postgresql(parts, connection)
    else:
        assert connection.engine is Engine.MYSQL, f"{connection.engine} comes as a URI"
        _mysql(parts, scope, connection)
    if not in_pod:
        database = scope.args.database
        parts.plain["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"] = str(database.pool_size)
        parts.plain["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"] = str(database.max_overflow)
        parts.plain["MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE"] = str(database.pool_recycle_seconds)
    if connection.ca_certificate is not None:
        bundle = _file(scope, f"{scope.name}-database-ca", "ca.pem", connection.ca_certificate)
        parts.pod_volumes.append(config_volume("database-ca", bundle))
        parts.mounts.append(k8s.core.v1.VolumeMountArgs(name="database-ca", mount_path=_CA_DIRECTORY, read_only=True))
    if registry is not None:
        assert registry.uri is not None
        parts.secrets["MLFLOW_REGISTRY_STORE_URI"] = registry.uri
    secret = secret_environment(scope, f"{scope.name}-database", "database", parts.secrets)
    return BackendStore(
        environment=[*plain_environment(parts.plain), *secret],
        uri=parts.plain.get("MLFLOW_BACKEND_STORE_URI"),
        pod_volumes=parts.pod_volumes,
        mounts=parts.mounts,
        init_containers=parts.init_containers,
        volumes=connection.volumes,
        in_pod=in_pod,
    )


def _file(scope: Scope, resource: str, name: str, content: Input[str]) -> k8s.core.v1.ConfigMap:
    return k8s.core.v1.ConfigMap(
        resource, metadata=scope.metadata("database"), data={name: content}, immutable=True, opts=scope.options()
    )


def _postgresql(parts: _Parts, connection: DatabaseConnection) -> None:
    # libpq reads the connection from its own variables, so that the URI holds no password and nothing needs escaping:
    # https://www.postgresql.org/docs/current/libpq-envars.html
    assert connection.host is not None and connection.tls_mode is not None and connection.password is not None
    parts.plain.update(
        {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+{connection.driver}://",
            "PGHOST": connection.host,
            "PGPORT": pulumi.Output.from_input(connection.port).apply(str),
            "PGDATABASE": connection.database or "",
            "PGSSLMODE": connection.tls_mode.value,
            "PGCONNECT_TIMEOUT": "10",
        }
    )
    if connection.ca_certificate is not None:
        parts.plain["PGSSLROOTCERT"] = _CA_FILE
    parts.secrets["PGPASSWORD"] = connection.password
    if isinstance(connection.username, SecretKey):
        parts.secrets["PGUSER"] = connection.username
    else:
        parts.plain["PGUSER"] = connection.username or ""


def _mysql(parts: _Parts, scope: Scope, connection: DatabaseConnection) -> None:
    # PyMySQL reads user and password from an option file, for the same reasons; see `option_file.py`.
    parts.plain["MLFLOW_BACKEND_STORE_URI"] = _mysql_uri(connection)
    text = _LOGIN_SCRIPT.source
    script = _file(scope, f"{scope.name}-database-login-script", _LOGIN_SCRIPT.name, text)
    memory = k8s.core.v1.EmptyDirVolumeSourceArgs(medium="Memory", size_limit="1Mi")
    parts.pod_volumes.append(k8s.core.v1.VolumeArgs(name="database-login", empty_dir=memory))
    parts.pod_volumes.append(config_volume("database-login-script", script))
    parts.mounts.append(k8s.core.v1.VolumeMountArgs(name="database-login", mount_path=_LOGIN_DIRECTORY, read_only=True))
    parts.init_containers.append(_login_container(scope, connection))


def _mysql_uri(connection: DatabaseConnection) -> pulumi.Output[str]:
    """Where to connect and how; as whom is in the option file."""
    query = tls_query(connection, _CA_FILE, read_default_file=_LOGIN_FILE)

    def uri(parts: list[str]) -> str:
        host, port, database = parts
        return f"mysql+{connection.driver}://{f'[{host}]' if ':' in host else host}:{port}/{quote(database, safe='')}?{query}"

    return pulumi.Output.all(connection.host, connection.port, connection.database).apply(uri)


def _login_container(scope: Scope, connection: DatabaseConnection) -> k8s.core.v1.ContainerArgs:
    assert connection.username is not None and connection.password is not None
    name, password = connection.username, connection.password
    plain: dict[str, Input[str]] = {} if isinstance(name, SecretKey) else {"DATABASE_USERNAME": name}
    secrets: dict[str, SecretValue] = {"DATABASE_PASSWORD": password}
    if isinstance(name, SecretKey):
        secrets["DATABASE_USERNAME"] = name
    scripts = "/etc/mlflow/database-login-script"
    return k8s.core.v1.ContainerArgs(
        name="database-login",
        image=image_reference(scope.args.image),
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["python", f"{scripts}/{_LOGIN_SCRIPT.name}", _LOGIN_FILE],
        env=[
            *plain_environment({**HOME, **plain}),
            *secret_environment(scope, f"{scope.name}-database-login", "database", secrets),
        ],
        volume_mounts=[
            scratch_mount(),
            k8s.core.v1.VolumeMountArgs(name="database-login", mount_path=_LOGIN_DIRECTORY),
            k8s.core.v1.VolumeMountArgs(name="database-login-script", mount_path=scripts, read_only=True),
        ],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"}, limits={"memory": "128Mi"}
        ),
        security_context=CONTAINER_SECURITY,
        termination_message_policy="FallbackToLogsOnError",
    )
