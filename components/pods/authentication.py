"""Authentication: the settings of MLflow's users, their database, the administrator, and a proxy if needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
import pulumi_random as random

from ..arguments import AppAuthArgs, AuthArgs, BasicAuthArgs, Input, Permission
from ..contracts import DatabaseConnection, Files, SecretKey, SecretValue
from ..in_image import Program, users_ini
from . import ldap_proxy, oidc_proxy, proxy
from .backend_store import BackendStore, destinations, tls_query
from .containers import mlflow_container
from .environment import plain_environment, print_command, secret_environment, secret_reference
from .part import PodPart, join
from .scope import Scope
from .volumes import config_map, config_volume, files, memory_volume, read_only, secret, secret_volume

_DIRECTORY = "/etc/mlflow/users"
_FILE = "basic_auth.ini"
_TEMPLATE = "/etc/mlflow/users-template"
_CA_DIRECTORY = "/etc/mlflow/users-database"
_USERS_FILE = "users.db"
"""Name of the file beside MLflow's, with SQLite."""
_PROGRAM = Program("users_ini.py")


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
        """Where to look up the password; not secret."""
        where: dict[str, Input[str]] = {"secret": self.password.name, "passwordKey": self.password.key}
        if isinstance(self.username, SecretKey):
            where["usernameKey"] = self.username.key
        else:
            where["username"] = self.username
        return pulumi.Output.from_input(where)  # type: ignore[return-value]

    def command(self, namespace: Input[str]) -> pulumi.Output[str]:
        """A command that prints the password."""
        return print_command(self.password, namespace)

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
        server: Additions to the server's pods.
        migration: Additions to the migration's pod: settings, and the administrator's name and password; None if MLflow keeps
            no users.
        account: The administrator; None if an application of the user's has not told one.
        file: Path of the SQLite database of users, where there is one that this component has put beside MLflow's.
    """

    server: PodPart
    migration: PodPart | None
    account: Account | None
    file: str | None = None

    @property
    def client(self) -> PodPart:
        """What an MLflow client inside the cluster needs to log in as the administrator."""
        return PodPart(environment=self.account.environment("MLFLOW_TRACKING_") if self.account else [])


def authentication(
    scope: Scope, store: BackendStore, own: DatabaseConnection | None, first: Sequence[pulumi.Resource]
) -> Authentication | None:
    """Render the chosen way to log in; None without authentication.

    Args:
        scope: The deployment.
        store: The backend store, which holds the users unless they have a separate database.
        own: The separate database of users, if any.
        first: First objects in the cluster, which generated passwords wait for.
    """
    args = scope.args.auth
    if args is None:
        return None
    if args.app is not None:
        return _application(args.app)
    administrator, password = _administrator(scope, args, first)
    settings = join(_settings(scope, args, store, own), PodPart(network=destinations(scope, own)))
    front = PodPart()
    if password is not None and args.ldap is not None:
        front = ldap_proxy.part(scope, args.ldap, password, first)
    elif password is not None and args.oidc is not None:
        front = oidc_proxy.part(scope, args.oidc, password, first)
    name, secret_word = administrator.environment("MLFLOW_AUTH_ADMIN_")
    folders = plain_environment({"MIGRATION_USERS_FOLDER": ":".join(store.data_directories)})
    return Authentication(
        # The server only needs the name, since it creates no account.
        server=join(settings, PodPart(arguments=["--app-name=basic-auth"], environment=[name]), front),
        migration=join(settings, PodPart(environment=[name, secret_word, *folders])),
        account=administrator,
        file=f"{store.data_directories[0]}/{_USERS_FILE}" if store.in_pod and own is None else None,
    )


def _application(args: AppAuthArgs) -> Authentication:
    """An application of the user's."""
    server, account = PodPart(arguments=[f"--app-name={args.name}"]), None
    if (config := args.existing_config) is not None:
        server = join(server, _file(secret_volume("users", config.name, {config.key: _FILE})))
    if (given := args.existing_secret) is not None:
        account = Account(
            username=SecretKey(name=given.name, key=given.username_key),
            password=SecretKey(name=given.name, key=given.password_key),
        )
    return Authentication(server=server, migration=None, account=account)


def _administrator(
    scope: Scope, args: AuthArgs, first: Sequence[pulumi.Resource]
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
        # Not protected: if it is lost, the migration sets another one.
        options = scope.options(depends_on=list(first))
        password = random.RandomPassword(f"{scope.name}-admin-password", length=32, special=False, opts=options).result
    name = secret(scope, "admin", "server", {"username": username, "password": password})
    return Account(username=username, password=SecretKey(name=name, key="password")), password


def _settings(scope: Scope, args: AuthArgs, store: BackendStore, own: DatabaseConnection | None) -> PodPart:
    """`basic_auth.ini` in a pod."""
    if args.basic is not None and args.basic.existing_config is not None:
        given = args.basic.existing_config
        template = Files(
            name="users-template",
            directory=_TEMPLATE,
            plain=_PROGRAM.files,
            secret={_FILE: SecretKey(name=given.name, key=given.key)},
        )
        made = files(scope, "server", template)
        completed = PodPart(volumes=made.volumes, init_containers=[_complete(scope, [])])
        return join(_file(memory_volume("users")), completed)
    if own is None and store.uri is not None:
        text = pulumi.Output.from_input(store.uri).apply(lambda uri: users_ini.filled(_template(args), _beside(uri)))
        return _file(secret_volume("users", secret(scope, "users", "server", {_FILE: text})))
    variables, authority = _address(scope, own, store)
    template = config_map(scope, "users", "server", {_FILE: _template(args), **_PROGRAM.files})
    completed = PodPart(
        volumes=[config_volume("users-template", template)], init_containers=[_complete(scope, variables)]
    )
    return join(_file(memory_volume("users")), authority, completed)


def _file(volume: k8s.core.v1.VolumeArgs) -> PodPart:
    """`basic_auth.ini`, in a volume."""
    return PodPart(
        environment=plain_environment({"MLFLOW_AUTH_CONFIG_PATH": f"{_DIRECTORY}/{_FILE}"}),
        mounts=[read_only("users", _DIRECTORY)],
        volumes=[volume],
    )


def _complete(scope: Scope, variables: Sequence[k8s.core.v1.EnvVarArgs]) -> k8s.core.v1.ContainerArgs:
    """Writes the database's address into the file or completes it, since the content of an existing Secret is only known in the pod."""
    timeout = {"DATABASE_TIMEOUT_SECONDS": str(scope.args.database.silence_timeout_seconds)}
    part = PodPart(
        environment=[*variables, *plain_environment(timeout)],
        mounts=[
            k8s.core.v1.VolumeMountArgs(name="users", mount_path=_DIRECTORY),
            read_only("users-template", _TEMPLATE),
        ],
    )
    command = ["python", f"{_TEMPLATE}/{_PROGRAM.name}", f"{_TEMPLATE}/{_FILE}", f"{_DIRECTORY}/{_FILE}"]
    return mlflow_container(scope, "users", part, scope.args.resources.helpers, command=command)


def _address(
    scope: Scope, connection: DatabaseConnection | None, store: BackendStore
) -> tuple[list[k8s.core.v1.EnvVarArgs], PodPart]:
    """Variables from which `users_ini.py` builds the address, and the database's certificate authorities."""
    if connection is None:  # the experiments' database, whose URI or login is in a Secret
        named = {str(variable.name): variable for variable in store.part.environment}
        uri = named["MLFLOW_BACKEND_STORE_URI"]
        whole = k8s.core.v1.EnvVarArgs(name="USERS_DATABASE_URI", value=uri.value, value_from=uri.value_from)
        login = [named[name] for name in ("DATABASE_USERNAME", "DATABASE_PASSWORD") if name in named]
        return [whole, *login], PodPart()
    if connection.uri is not None:
        whole = {"USERS_DATABASE_URI": connection.uri}
        return secret_environment(scope, "users-database", "server", whole), PodPart()
    assert connection.engine is not None and connection.host is not None and connection.password is not None
    plain: dict[str, Input[str]] = {
        "USERS_DATABASE_DIALECT": f"{connection.engine.value}+{connection.driver}",
        "USERS_DATABASE_HOST": connection.host,
        "USERS_DATABASE_PORT": pulumi.Output.from_input(connection.port).apply(str),
        "USERS_DATABASE_NAME": connection.database or "",
        "USERS_DATABASE_QUERY": tls_query(connection, f"{_CA_DIRECTORY}/ca.pem"),
    }
    authority = PodPart()
    if connection.ca_certificate is not None:
        made = config_map(scope, "users-database-ca", "server", {"ca.pem": connection.ca_certificate})
        authority = PodPart(
            volumes=[config_volume("users-database-ca", made)], mounts=[read_only("users-database-ca", _CA_DIRECTORY)]
        )
    secrets: dict[str, SecretValue] = {"USERS_DATABASE_PASSWORD": connection.password}
    if isinstance(connection.username, SecretKey):
        secrets["USERS_DATABASE_USERNAME"] = connection.username
    else:
        plain["USERS_DATABASE_USERNAME"] = connection.username or ""
    variables = secret_environment(scope, "users-database", "server", secrets)
    return [*plain_environment(plain), *variables], authority


def _template(args: AuthArgs) -> str:
    """The file without the address of the database."""
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
    """Where users are stored without a separate database: in MLflow's database, or in a second file next to SQLite's."""
    folder, slash, _ = uri.rpartition("/")
    return f"{folder}{slash}{_USERS_FILE}" if uri.startswith("sqlite:") else uri
