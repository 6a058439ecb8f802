"""Who may use the server: MLflow's own users, a directory (LDAP), or an identity provider (OpenID Connect)."""

import enum
import re
from collections.abc import Iterable

from ..base import Input, Problem, block, plain, secret
from ..checks import ExistingSecret, between, counted, pattern
from ..database.mysql import MysqlArgs
from ..database.postgresql import PostgresqlArgs
from ..database.uri import DatabaseUriArgs
from ..kinds import Choice, LoginBlock, MlflowImage
from .ldap import LdapAuthArgs
from .oidc import OidcAuthArgs

__all__ = [
    "AdminSecretArgs",
    "AppAuthArgs",
    "AppSecretArgs",
    "AuthArgs",
    "AuthDatabaseArgs",
    "AuthFileSecretArgs",
    "BasicAuthArgs",
    "Permission",
]

LEGACY_PASSWORD = "password1234"
PASSWORD_LENGTH = 12
"""The minimum length that MLflow requires of passwords."""


class Permission(enum.Enum):
    """What users may do with experiments and models on which they have no permission of their own
    (https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/)."""

    READ = "READ"
    USE = "USE"
    EDIT = "EDIT"
    MANAGE = "MANAGE"
    NO_PERMISSIONS = "NO_PERMISSIONS"


@block
class AdminSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the administrator's password and, optionally, name."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""
    username_key: str | None = None
    """Key of the administrator's name in the Secret; `adminUsername` applies if not given."""


@block
class AuthFileSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a whole `basic_auth.ini`."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "basic_auth.ini"
    """Key of the file in the Secret."""


@block
class BasicAuthArgs(LoginBlock):
    """MLflow's own users, who log in with name and password."""

    admin_username: Input[str] = "admin"
    """Name of the first administrator."""
    admin_password: Input[str] | None = secret()
    """Password of that administrator, at least 12 ASCII characters; generated if not given. A new one is also
    set in the database; one that was changed in MLflow stays until then."""
    existing_secret: AdminSecretArgs | None = None
    """Secret that holds the password, instead of `adminPassword`."""
    authorization_function: str | None = None
    """Function in the image (`module:name`) that authenticates requests, instead of MLflow's check of name and password."""
    credential_cache_seconds: int = 0
    """How long a process caches that a password was correct, in seconds. 0 checks the hash on every request; a longer time
    is faster, but delays the effect of changed passwords and deleted users."""
    credential_cache_size: int | None = None
    """Maximum number of credentials that a process caches; MLflow's default, 10000, if not given."""
    existing_config: AuthFileSecretArgs | None = None
    """Secret that holds a whole `basic_auth.ini`, used unchanged; it replaces all settings except the administrator's. Its
    `database_uri` is not known here: if it is another server than MLflow's own, `networkPolicy.egress` must open the way to it."""

    def problems(self) -> Iterable[Problem]:
        # A colon ends the name in the Authorization header, and MLflow's routes for artifacts read it as ASCII.
        yield from pattern(
            self.admin_username,
            r"[!-9;-~]{1,255}",
            "admin_username",
            "a user name",
            "use 1 to 255 ASCII characters without space and ':'",
        )
        password = plain(self.admin_password)
        if isinstance(password, str):
            fix = "use another one, or leave it out to have one generated"
            if password == LEGACY_PASSWORD:
                yield Problem(("admin_password",), "is the password that older versions of MLflow shipped", fix)
            elif len(password) < PASSWORD_LENGTH:
                yield Problem(
                    ("admin_password",),
                    f"has {counted(len(password), 'character')}; MLflow requires {PASSWORD_LENGTH}",
                    fix,
                )
            elif not re.fullmatch(r"[ -~]+", password):
                message = "has characters besides ASCII, with which MLflow's routes for artifacts refuse the log-in"
                yield Problem(("admin_password",), message, fix)
        if self.admin_password is not None and self.existing_secret is not None:
            yield Problem(
                ("existing_secret",),
                "is given as well as adminPassword",
                "keep one of: adminPassword, existingSecret; or neither, to have a password generated",
            )
        yield from pattern(
            self.authorization_function,
            r"[A-Za-z_][\w.]*:[A-Za-z_]\w*",
            "authorization_function",
            "a function",
            "write module.submodule:function",
        )
        yield from between(self.credential_cache_seconds, 0, 86_400, "credential_cache_seconds", "seconds")
        yield from between(self.credential_cache_size, 1, 10_000_000, "credential_cache_size", "entries")
        if self.existing_config is not None:
            overridden = {
                "authorization_function": self.authorization_function is not None,
                "credential_cache_seconds": self.credential_cache_seconds != 0,
                "credential_cache_size": self.credential_cache_size is not None,
            }
            for field in (field for field, given in overridden.items() if given):
                yield Problem(
                    (field,), "is given as well as existingConfig, which holds all settings", "keep one of them"
                )


@block
class AppSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds name and password of an account."""

    name: Input[str]
    """Name of the Secret."""
    username_key: str = "username"
    """Key of the name in the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""


@block
class AppAuthArgs(LoginBlock):
    """An authentication application of your own: a plugin of MLflow, in an image that you build. It keeps users, permissions and
    its settings itself (`server.env`, `server.secretEnv`, `pod.volumes`), and migrates its own database."""

    mlflow_image = MlflowImage.CUSTOM
    not_in_images = "the plugin"
    users_in_mlflow = False

    name: str
    """Name of the application, an entry point of the group `mlflow.app`: what `--app-name` of `mlflow server` takes. It must
    answer `<prefix>/health` without a log-in."""
    existing_config: AuthFileSecretArgs | None = None
    """Secret that holds a `basic_auth.ini`, for applications that are built on MLflow's own."""
    existing_secret: AppSecretArgs | None = None
    """Secret that holds name and password of an administrator for jobs in the cluster and for Prometheus, if the application
    accepts them by HTTP basic authentication."""

    def problems(self) -> Iterable[Problem]:
        if self.name == "basic-auth":
            yield Problem(("name",), "'basic-auth' is MLflow's own application", "use auth.basic")
        fix = "write the name of the entry point: letters, digits, '.', '_' and '-'"
        yield from pattern(self.name, r"[A-Za-z0-9][\w.-]*", "name", "the name of an application", fix)


@block
class AuthDatabaseArgs(Choice[PostgresqlArgs | MysqlArgs | DatabaseUriArgs]):
    """A separate database for users and permissions."""

    postgresql: PostgresqlArgs | None = None
    """Existing PostgreSQL server."""
    mysql: MysqlArgs | None = None
    """Existing MySQL or MariaDB server."""
    uri: DatabaseUriArgs | None = None
    """Any database server that MLflow has a schema for, by its URI."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`postgresql: {host: …}`")
        for name in ("postgresql", "mysql"):
            if getattr(getattr(self, name), "create", None) is not None:
                message = "is for the database of experiments alone"
                yield Problem((name, "create"), message, "create this database beforehand, or leave auth.database out")


@block
class AuthArgs(Choice[BasicAuthArgs | LdapAuthArgs | OidcAuthArgs | AppAuthArgs]):
    """Exactly one way to log in, and what users may do. Permissions are managed in MLflow, except with `app`."""

    basic: BasicAuthArgs | None = None
    """MLflow's own users, with name and password."""
    ldap: LdapAuthArgs | None = None
    """Users and groups of an LDAP directory, with name and password."""
    oidc: OidcAuthArgs | None = None
    """Users and groups of an OpenID Connect provider: single sign-on in the browser, tokens for programs."""
    app: AppAuthArgs | None = None
    """An authentication application of your own."""
    default_permission: Permission | None = None
    """What users may do with experiments and models on which they have no permission of their own; `READ` if not given."""
    grant_default_workspace_access: bool | None = None
    """Whether `defaultPermission` also applies in the workspace `default`; false if not given."""
    workspace_cache_seconds: int | None = None
    """How long a process caches which workspace an experiment belongs to, in seconds; 3600 if not given."""
    workspace_cache_size: int | None = None
    """Maximum number of experiments whose workspace a process caches; 10000 if not given."""
    database: AuthDatabaseArgs | None = None
    """Separate database for users and permissions. If not given, they are stored in MLflow's own database or, with SQLite,
    in a second file next to it."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`basic: {}`, for which a password is generated")
        yield from between(self.workspace_cache_seconds, 1, 86_400, "workspace_cache_seconds", "seconds")
        yield from between(self.workspace_cache_size, 1, 10_000_000, "workspace_cache_size", "entries")
        if self.app is not None:
            holder = "app, which keeps users and permissions itself"
        elif self.basic is not None and self.basic.existing_config is not None:
            holder = "basic.existingConfig, which holds all settings"
        else:
            return
        for field in (
            "default_permission",
            "grant_default_workspace_access",
            "workspace_cache_seconds",
            "workspace_cache_size",
            "database",
        ):
            if getattr(self, field) is not None:
                yield Problem((field,), f"is given as well as {holder}", "keep one of them")
