"""A database connection as the pods see it: environment, certificate and volumes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from ..arguments import Input
from ..contracts import DatabaseConnection, Engine, SecretKey, SecretValue, Volume
from .objects import Scope, config_volume, plain_environment, secret_environment

_CA_DIRECTORY = "/etc/mlflow/database"


@dataclass(frozen=True, kw_only=True)
class BackendStore:
    """What a container needs to reach the backend store.

    Attributes:
        environment: Variables, secret ones by reference.
        pod_volumes, mounts: The CA certificate, where there is one.
        volumes: Claims of the database itself.
        in_pod: The database is a file of the server pod, so nothing outside that pod can migrate it.
    """

    environment: Sequence[k8s.core.v1.EnvVarArgs]
    pod_volumes: Sequence[k8s.core.v1.VolumeArgs] = ()
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()
    volumes: Sequence[Volume] = ()
    in_pod: bool = False

    def environment_of(self, application: str) -> list[k8s.core.v1.EnvVarArgs]:
        """The variables, with the name under which a database server lists the connection."""
        return [*self.environment, *([] if self.in_pod else plain_environment({"PGAPPNAME": application}))]


def backend_store(scope: Scope, connection: DatabaseConnection) -> BackendStore:
    """Render the connection; makes a Secret for the password and a ConfigMap for the certificate where needed."""
    if connection.engine is Engine.SQLITE:
        environment = plain_environment({"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{connection.path}"})
        return BackendStore(environment=environment, volumes=connection.volumes, in_pod=True)
    if connection.engine is not Engine.POSTGRESQL:
        raise NotImplementedError(f"no rendering for {connection.engine}")
    return _postgresql(scope, connection)


def _postgresql(scope: Scope, connection: DatabaseConnection) -> BackendStore:
    # libpq reads the connection from its own variables, so that the URI holds no password and nothing needs escaping:
    # https://www.postgresql.org/docs/current/libpq-envars.html
    assert connection.host is not None and connection.tls_mode is not None and connection.password is not None
    database = scope.args.database
    plain: dict[str, Input[str]] = {
        "MLFLOW_BACKEND_STORE_URI": f"postgresql+{connection.driver}://",
        "PGHOST": connection.host,
        "PGPORT": pulumi.Output.from_input(connection.port).apply(str),
        "PGDATABASE": connection.database or "",
        "PGSSLMODE": connection.tls_mode.value,
        "PGCONNECT_TIMEOUT": "10",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": str(database.pool_size),
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": str(database.max_overflow),
        "MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE": str(database.pool_recycle_seconds),
    }
    pod_volumes: list[k8s.core.v1.VolumeArgs] = []
    mounts: list[k8s.core.v1.VolumeMountArgs] = []
    if connection.ca_certificate is not None:
        bundle = k8s.core.v1.ConfigMap(
            f"{scope.name}-database-ca",
            metadata=scope.metadata("database"),
            data={"ca.pem": connection.ca_certificate},
            immutable=True,
            opts=scope.options(),
        )
        plain["PGSSLROOTCERT"] = f"{_CA_DIRECTORY}/ca.pem"
        pod_volumes.append(config_volume("database-ca", bundle))
        mounts.append(k8s.core.v1.VolumeMountArgs(name="database-ca", mount_path=_CA_DIRECTORY, read_only=True))
    secrets: dict[str, SecretValue] = {"PGPASSWORD": connection.password}
    if isinstance(connection.username, SecretKey):
        secrets["PGUSER"] = connection.username
    else:
        plain["PGUSER"] = connection.username or ""
    secret = secret_environment(scope, f"{scope.name}-database", "database", secrets)
    return BackendStore(environment=[*plain_environment(plain), *secret], pod_volumes=pod_volumes, mounts=mounts)
