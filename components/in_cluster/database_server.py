"""PostgreSQL and MariaDB in the cluster: one pod with one claim, with a database and a user for MLflow.

There is no second pod: for data that must not be away while a node is, use a managed database.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import InClusterMysqlArgs, InClusterPostgresqlArgs, Input, TlsMode
from ..arguments.connections import needed
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, Files, NetworkDestination, SecretKey, Volume
from ..pods.containers import container
from ..pods.environment import plain_environment, secret_environment
from ..pods.part import PodPart, join
from ..pods.scope import Scope
from ..pods.volumes import TMP, claims, files, secret
from .archive import USER, Archive
from .archive_scripts import PGDATA, SOCKET, WAKE
from .claims import claim
from .stores import store

_COMPONENT = "database"
_NAME = "mlflow"
"""Name of the database and of its user."""
_LEAST = 100
"""Connections for MLflow if its pods need no more."""
_RESERVED = 5
"""Connections reserved for administrators, in addition to MLflow's."""

_CREATE = r"""\getenv password MLFLOW_PASSWORD
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
"""
"""The official image would make the user a superuser."""


@dataclass(frozen=True, kw_only=True)
class _Server:
    """What differs between the engines.

    Attributes:
        engine: Engine of the connection.
        arguments: Arguments of the image's entry point.
        environment: Plain variables.
        passwords: Variables that hold the administrator's password, and MLflow's.
        data: Where the claim is mounted.
        runtime: Where the server creates its socket.
        files: What the entry point runs on an empty claim.
        alive: Command that tells whether the server accepts connections over the network, which it does not while the
            entry point initialises an empty claim.
        stop: Command that stops the server without waiting for its clients; None if SIGTERM does.
    """

    engine: Engine
    arguments: Sequence[str]
    environment: Mapping[str, str]
    passwords: tuple[str, str]
    data: str
    runtime: str
    files: Files | None = None
    alive: Sequence[str]
    stop: Sequence[str] | None = None


def postgresql(scope: Scope, args: InClusterPostgresqlArgs, archive: Archive | None) -> DatabaseConnection:
    """A PostgreSQL server, whose log is archived if there is an archive."""
    server = _Server(
        engine=Engine.POSTGRESQL,
        arguments=["postgres", "-c", f"max_connections={_connections(scope, args) + _RESERVED}"],
        environment={"PGDATA": PGDATA},
        passwords=("POSTGRES_PASSWORD", "MLFLOW_PASSWORD"),
        data="/var/lib/postgresql/data",
        runtime=SOCKET,
        files=Files(name="database-init", directory="/docker-entrypoint-initdb.d", plain={"create.sql": _CREATE}),
        alive=["pg_isready", "--quiet", "--host=127.0.0.1", f"--username={_NAME}", f"--dbname={_NAME}"],
        # SIGTERM would wait until the last client disconnects.
        stop=["bash", "-c", "kill -INT 1"],
    )
    return _make(scope, args, server, archive)


def mysql(scope: Scope, args: InClusterMysqlArgs) -> DatabaseConnection:
    """A MariaDB server."""
    ping = f'MYSQL_PWD="$MARIADB_PASSWORD" exec mariadb-admin ping --silent --host=127.0.0.1 --user={_NAME}'
    server = _Server(
        engine=Engine.MYSQL,
        arguments=[
            "mariadbd",
            # Not the root of the claim, which may contain a `lost+found`.
            "--datadir=/var/lib/mysql/data",
            f"--max-connections={_connections(scope, args) + _RESERVED}",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            # MLflow's schema has a trigger; this matters once binary logging is on.
            "--log-bin-trust-function-creators=1",
        ],
        environment={
            "MARIADB_DATABASE": _NAME,
            "MARIADB_USER": _NAME,
            # The administrator connects through the socket, from within the pod.
            "MARIADB_ROOT_HOST": "localhost",
            "MARIADB_AUTO_UPGRADE": "1",
        },
        passwords=("MARIADB_ROOT_PASSWORD", "MARIADB_PASSWORD"),
        data="/var/lib/mysql",
        runtime="/run/mysqld",
        alive=["bash", "-c", ping],
    )
    return _make(scope, args, server)


def _make(
    scope: Scope,
    args: InClusterPostgresqlArgs | InClusterMysqlArgs,
    server: _Server,
    archive: Archive | None = None,
) -> DatabaseConnection:
    name = f"{scope.name}-database"
    service = k8s.core.v1.Service(
        name,
        # A headless Service has nothing to wait for.
        metadata=scope.metadata(_COMPONENT, name, annotations={"pulumi.com/skipAwait": "true"}),
        spec=k8s.core.v1.ServiceSpecArgs(
            cluster_ip="None",
            # A sidecar that is started again makes the pod not ready for a moment, and the server serves on.
            publish_not_ready_addresses=True if archive else None,
            selector=scope.selector(_COMPONENT),
            ports=[k8s.core.v1.ServicePortArgs(name="database", port=PORTS[server.engine], target_port="database")],
        ),
        opts=scope.options(),
    )
    # On a claim that exists already, the server knows its administrator, and this password is nobody's.
    passwords: dict[str, Input[str]] = {"administrator": _password(scope, "database-administrator", service)}
    if args.existing_secret is None:
        passwords["password"] = args.password if args.password is not None else _password(scope, "database", service)
    made = secret(scope, "database-passwords", _COMPONENT, passwords)
    keys = [SecretKey(name=made, key=key) for key in passwords]
    if args.existing_secret is not None:
        keys.append(SecretKey(name=args.existing_secret.name, key=args.existing_secret.password_key))
    volume = claim(scope, "database", args.volume, server.data)
    login = dict(zip(server.passwords, keys, strict=True))
    server_set = _stateful_set(scope, args, server, name, login, volume, archive)
    host = service.metadata.name.apply(lambda _: f"{name}.{scope.args.namespace}.svc")  # type: ignore[union-attr]
    return DatabaseConnection(
        engine=server.engine,
        driver=DRIVERS[server.engine],
        host=host,
        port=PORTS[server.engine],
        database=_NAME,
        username=_NAME,
        password=keys[1],
        # Within the cluster's network, to a server without a verifiable certificate.
        tls_mode=TlsMode.DISABLE,
        network=NetworkDestination(host=host, port=PORTS[server.engine], component=_COMPONENT),
        connection_limit=_connections(scope, args),
        ready=[server_set],
    )


def _connections(scope: Scope, args: InClusterPostgresqlArgs | InClusterMysqlArgs) -> int:
    """Connections for MLflow."""
    return args.connection_limit or max(_LEAST, needed(scope.args))


def _password(scope: Scope, whose: str, after: pulumi.Resource) -> pulumi.Output[str]:
    # Protected like the claim, whose data depends on it. After a first object in the cluster, so that an `up` that cannot
    # reach it leaves nothing in the state.
    options = scope.options(depends_on=[after], protect=scope.args.deletion_protection)
    return random.RandomPassword(f"{scope.name}-{whose}-password", length=40, special=False, opts=options).result


def _stateful_set(
    scope: Scope,
    args: InClusterPostgresqlArgs | InClusterMysqlArgs,
    server: _Server,
    service: str,
    passwords: Mapping[str, SecretKey],
    volume: Volume,
    archive: Archive | None,
) -> k8s.apps.v1.StatefulSet:
    alive = k8s.core.v1.ExecActionArgs(command=list(server.alive))
    wakes = ["sh", "-c", f"{shlex.join(server.alive)} && {{ {WAKE}; }}"]
    started = k8s.core.v1.ExecActionArgs(command=wakes) if archive else alive
    runtime = k8s.core.v1.VolumeArgs(name="run", empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit="16Mi"))
    login = secret_environment(scope, "database-server", _COMPONENT, passwords)
    data = join(
        PodPart(volumes=[runtime], mounts=[k8s.core.v1.VolumeMountArgs(name="run", mount_path=server.runtime)]),
        claims([volume]),
    )
    archived = archive.server(data) if archive else PodPart()
    part = join(
        PodPart(environment=[*plain_environment({"HOME": TMP, **server.environment}), *login]),
        data,
        files(scope, _COMPONENT, server.files) if server.files else PodPart(),
        archived,
    )
    stop = k8s.core.v1.ExecActionArgs(command=list(server.stop)) if server.stop else None
    made = container(
        scope,
        "database",
        part,
        args,
        image=args.image,
        # Not `command`: the image's entry point initialises an empty claim.
        arguments=[*server.arguments, *archived.arguments],
        disk="256Mi",
        ports=[k8s.core.v1.ContainerPortArgs(name="database", container_port=PORTS[server.engine])],
        # Ten minutes: after a crash, a database first replays its log. An hour if that may be the log of a whole archive.
        startup_probe=k8s.core.v1.ProbeArgs(
            exec_=started, period_seconds=1, timeout_seconds=5, failure_threshold=3600 if archive else 600
        ),
        readiness_probe=k8s.core.v1.ProbeArgs(exec_=alive, period_seconds=10, timeout_seconds=5, failure_threshold=3),
        liveness_probe=k8s.core.v1.ProbeArgs(exec_=alive, period_seconds=30, timeout_seconds=10, failure_threshold=6),
        lifecycle=k8s.core.v1.LifecycleArgs(pre_stop=k8s.core.v1.LifecycleHandlerArgs(exec_=stop)) if stop else None,
    )
    return store(
        scope,
        _COMPONENT,
        part,
        made,
        service=service,
        scratch="256Mi",
        user=USER,
        # A volume for backups is shared with pods of MLflow's own user.
        groups=[scope.args.pod.run_as_user] if archive and archive.on_volume and scope.args.pod.run_as_user else (),
        termination_grace_period_seconds=120,
    )
