"""Authentication: the settings of MLflow's users, their database, the administrator, and a proxy where one is needed."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import AuthArgs, AuthDatabaseArgs, BasicAuthArgs, Input, Permission
from ..contracts import DatabaseConnection, SecretKey, SecretValue
from ..existing import database as existing_database
from ..in_image import Program, users_ini
from . import ldap_proxy, oidc_proxy, proxy
from .backend_store import BackendStore, tls_query
from .objects import (
    HOME,
    Additions,
    Scope,
    config_map,
    config_volume,
    image_reference,
    plain_environment,
    scratch_mount,
    secret_environment,
    secret_reference,
    secret_volume,
)

_DIRECTORY = "/etc/mlflow/users"
_FILE = "basic_auth.ini"
_TEMPLATE = "/etc/mlflow/users-template"
_CA_DIRECTORY = "/etc/mlflow/users-database"
_SCRIPT = Program("users_ini.py")


@dataclass(frozen=True, kw_only=True)
class Account:
    """The administrator, for jobs and probes in the cluster.

    Attributes:
        username: Name, or where to find it.
        password: Where to find the password.
    """

    username: Input[str] | SecretKey
    password: SecretKey

    @property
    def whereabouts(self) -> pulumi.Output[dict[str, str]]:
        """What somebody needs to look the password up; no secret."""
        where: dict[str, Input[str]] = {"secret": self.password.name, "passwordKey": self.password.key}
        if isinstance(self.username, SecretKey):
            where["usernameKey"] = self.username.key
        else:
            where["username"] = self.username
        return pulumi.Output.from_input(where)  # type: ignore[return-value]

    def environment(self, prefix: str) -> list[k8s.core.v1.EnvVarArgs]:
        """Variables `…USERNAME` and `…PASSWORD`, the password by reference."""
        name, password = f"{prefix}USERNAME", secret_reference(f"{prefix}PASSWORD", self.password)
        if isinstance(self.username, SecretKey):
            return [secret_reference(name, self.username), password]
        return [*plain_environment({name: self.username}), password]


@dataclass(frozen=True, kw_only=True)
class Authentication:
    """What authentication needs in the pods.

    Attributes:
        server: What it adds to the server's pods.
        migration: What it adds to the pod that migrates: settings, and the administrator's name and password.
        account: The administrator.
        database: The users' own database.
    """

    server: Additions
    migration: Additions
    account: Account
    database: DatabaseConnection | None = None

    @property
    def client_environment(self) -> list[k8s.core.v1.EnvVarArgs]:
        """What a client inside the cluster needs to be the administrator: garbage collection, a check, an exporter."""
        return self.account.environment("MLFLOW_TRACKING_")


def authentication(scope: Scope, store: BackendStore, after: Sequence[pulumi.Resource]) -> Authentication | None:
    """Render the chosen way to log in; None if nobody has to.

    Args:
        scope: What the parts have in common.
        store: Connection to the backend store, where the users are kept unless they have a database of their own.
        after: First objects in the cluster, which generated passwords wait for.
    """
    args = scope.args.auth
    if args is None:
        return None
    administrator, password = _administrator(scope, args, after)
    database = _own_database(scope, args.database)
    settings = _settings(scope, args, store, database)
    front = Additions()
    if password is not None and args.ldap is not None:
        front = ldap_proxy.additions(scope, args.ldap, password, after)
    elif password is not None and args.oidc is not None:
        front = oidc_proxy.additions(scope, args.oidc, password, after)
    names = administrator.environment("MLFLOW_AUTH_ADMIN_")
    return Authentication(
        # The server makes no account: it needs the name alone.
        server=dataclasses.replace(
            front,
            arguments=["--app-name=basic-auth"],
            environment=[*settings.environment, names[0], *front.environment],
            mounts=[*settings.mounts, *front.mounts],
            volumes=[*settings.volumes, *front.volumes],
            init_containers=[*settings.init_containers, *front.init_containers],
        ),
        migration=dataclasses.replace(
            settings,
            environment=[
                *settings.environment,
                *names,
                *plain_environment({"MIGRATION_USERS_FOLDER": ":".join(volume.mount_path for volume in store.volumes)}),
            ],
        ),
        account=administrator,
        database=database,
    )


def _administrator(
    scope: Scope, args: AuthArgs, after: Sequence[pulumi.Resource]
) -> tuple[Account, pulumi.Output[str] | None]:
    """The administrator, and their password unless it is in an existing Secret."""
    given = args.basic or args.ldap or args.oidc
    assert given is not None, "arguments hold exactly one choice"
    username: Input[str] | SecretKey = given.admin_username
    existing = given.existing_secret if isinstance(given, BasicAuthArgs) else None
    if existing is not None:
        if existing.username_key is not None:
            username = SecretKey(name=existing.name, key=existing.username_key)
        return Account(username=username, password=SecretKey(name=existing.name, key=existing.password_key)), None
    if isinstance(given, BasicAuthArgs) and given.admin_password is not None:
        password = pulumi.Output.secret(given.admin_password)
    else:
        # Not protected: whoever loses it gets another one, which the migration sets.
        options = scope.options(depends_on=list(after))
        password = random.RandomPassword(f"{scope.name}-admin-password", length=32, special=False, opts=options).result
    made = k8s.core.v1.Secret(
        f"{scope.name}-admin",
        metadata=scope.metadata("server"),
        type="Opaque",
        string_data={"username": pulumi.Output.secret(username), "password": password},
        immutable=True,
        opts=scope.options(),
    )
    name: Input[str] = made.metadata.name  # type: ignore[assignment]
    return Account(username=username, password=SecretKey(name=name, key="password")), password


def _settings(scope: Scope, args: AuthArgs, store: BackendStore, own: DatabaseConnection | None) -> Additions:
    """`basic_auth.ini` in a pod."""
    path = {"MLFLOW_AUTH_CONFIG_PATH": f"{_DIRECTORY}/{_FILE}"}
    mount = k8s.core.v1.VolumeMountArgs(name="users", mount_path=_DIRECTORY, read_only=True)
    if args.basic is not None and args.basic.existing_config is not None:
        given = args.basic.existing_config
        volume = secret_volume("users", given.name, {given.key: _FILE})
        return Additions(environment=plain_environment(path), mounts=[mount], volumes=[volume])
    environment = plain_environment(path)
    if own is None and store.uri is not None:
        text = pulumi.Output.from_input(store.uri).apply(lambda uri: users_ini.filled(_template(args), _beside(uri)))
        return Additions(environment=environment, mounts=[mount], volumes=[secret_volume("users", _file(scope, text))])
    variables, mounts, volumes = _address(scope, own, store)
    template = config_map(scope, "users", {_FILE: _template(args), _SCRIPT.name: _SCRIPT.source})
    memory = k8s.core.v1.EmptyDirVolumeSourceArgs(medium="Memory", size_limit="1Mi")
    return Additions(
        environment=environment,
        mounts=[mount, *mounts],
        volumes=[
            k8s.core.v1.VolumeArgs(name="users", empty_dir=memory),
            config_volume("users-template", template),
            *volumes,
        ],
        init_containers=[_complete(scope, variables)],
    )


def _complete(scope: Scope, variables: Sequence[k8s.core.v1.EnvVarArgs]) -> k8s.core.v1.ContainerArgs:
    """Writes the address of the database into the file, since what is in a Secret may be known in the pod only."""
    return k8s.core.v1.ContainerArgs(
        name="users",
        image=image_reference(scope.args.image),
        image_pull_policy=scope.args.image.pull_policy.value,
        command=["python", f"{_TEMPLATE}/{_SCRIPT.name}", f"{_TEMPLATE}/{_FILE}", f"{_DIRECTORY}/{_FILE}"],
        env=[*plain_environment(HOME), *variables],
        volume_mounts=[
            scratch_mount(),
            k8s.core.v1.VolumeMountArgs(name="users", mount_path=_DIRECTORY),
            k8s.core.v1.VolumeMountArgs(name="users-template", mount_path=_TEMPLATE, read_only=True),
        ],
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"}, limits={"memory": "128Mi"}
        ),
        security_context=scope.container_security(),
        termination_message_policy="FallbackToLogsOnError",
    )


def _address(
    scope: Scope, connection: DatabaseConnection | None, store: BackendStore
) -> tuple[list[k8s.core.v1.EnvVarArgs], list[k8s.core.v1.VolumeMountArgs], list[k8s.core.v1.VolumeArgs]]:
    """Variables that `users_ini.py` makes the address of, and the certificate authorities of the database."""
    if connection is None:  # the experiments' database, whose URI is in a Secret
        (uri,) = [variable for variable in store.environment if variable.name == "MLFLOW_BACKEND_STORE_URI"]
        return [k8s.core.v1.EnvVarArgs(name="USERS_DATABASE_URI", value_from=uri.value_from)], [], []
    if connection.uri is not None:
        whole = {"USERS_DATABASE_URI": connection.uri}
        return secret_environment(scope, f"{scope.name}-users-database", "server", whole), [], []
    assert connection.engine is not None and connection.host is not None and connection.password is not None
    plain: dict[str, Input[str]] = {
        "USERS_DATABASE_DIALECT": f"{connection.engine.value}+{connection.driver}",
        "USERS_DATABASE_HOST": connection.host,
        "USERS_DATABASE_PORT": pulumi.Output.from_input(connection.port).apply(str),
        "USERS_DATABASE_NAME": connection.database or "",
        "USERS_DATABASE_QUERY": tls_query(connection, f"{_CA_DIRECTORY}/ca.pem"),
    }
    mounts, volumes = [], []
    if connection.ca_certificate is not None:
        authority = config_map(scope, "users-database-ca", {"ca.pem": connection.ca_certificate})
        volumes.append(config_volume("users-database-ca", authority))
        mounts.append(k8s.core.v1.VolumeMountArgs(name="users-database-ca", mount_path=_CA_DIRECTORY, read_only=True))
    secrets: dict[str, SecretValue] = {"USERS_DATABASE_PASSWORD": connection.password}
    if isinstance(connection.username, SecretKey):
        secrets["USERS_DATABASE_USERNAME"] = connection.username
    else:
        plain["USERS_DATABASE_USERNAME"] = connection.username or ""
    made = secret_environment(scope, f"{scope.name}-users-database", "server", secrets)
    return [*plain_environment(plain), *made], mounts, volumes


def _own_database(scope: Scope, args: AuthDatabaseArgs | None) -> DatabaseConnection | None:
    if args is None:
        return None
    if args.uri is not None:
        return existing_database.uri(args.uri)
    if args.postgresql is not None:
        return existing_database.postgresql(scope, args.postgresql, [])
    assert args.mysql is not None, "arguments hold exactly one choice"
    return existing_database.mysql(scope, args.mysql, [])


def _template(args: AuthArgs) -> str:
    """The file but for the address of the database."""
    basic = args.basic or BasicAuthArgs()
    function = basic.authorization_function if args.basic is not None else proxy.FUNCTION
    values: dict[str, str | int | bool | None] = {
        "default_permission": (args.default_permission or Permission.READ).value,
        "database_uri": users_ini.PLACEHOLDER,
        "authorization_function": function or "mlflow.server.auth:authenticate_request_basic_auth",
        "grant_default_workspace_access": bool(args.grant_default_workspace_access),
        "workspace_cache_ttl_seconds": args.workspace_cache_seconds,
        "workspace_cache_max_size": args.workspace_cache_size,
        "auth_cache_ttl_seconds": basic.credential_cache_seconds or None,
        "auth_cache_max_size": basic.credential_cache_size,
    }
    lines = [
        f"{name} = {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
        if value is not None
    ]
    return "\n".join(["[mlflow]", *lines, ""])


def _beside(uri: str) -> str:
    """Where users are kept without a database of their own: with the experiments, or in a file beside theirs."""
    folder, slash, _ = uri.rpartition("/")
    return f"{folder}{slash}users.db" if uri.startswith("sqlite:") else uri


def _file(scope: Scope, text: pulumi.Output[str]) -> Input[str]:
    secret = k8s.core.v1.Secret(
        f"{scope.name}-users",
        metadata=scope.metadata("server"),
        type="Opaque",
        string_data={_FILE: pulumi.Output.secret(text)},
        immutable=True,
        opts=scope.options(),
    )
    return secret.metadata.name  # type: ignore[return-value]
