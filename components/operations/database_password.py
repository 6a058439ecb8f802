"""How the password of the database is replaced, step by step: what tells the database, and what clients notice, differ by who made it.

Lines that begin with three blanks are for a shell, or statements for the server: `$new` is the new password in both.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from ..labels import instance
from .errors import NOT_FOUND, MissingError, OperationError
from .target import Target, containers, server_container

_URI = "MLFLOW_BACKEND_STORE_URI"
_PASSWORDS = ("PGPASSWORD", "DATABASE_PASSWORD")
_MAKE = """Make a password:
   new="M-$(openssl rand -hex 18)\""""
_CLOUDS = {
    ".rds.amazonaws.com": "rds` or `database.aurora",
    ".database.azure.com": "azureFlexibleServer",
}
"""Arguments of databases that a stack makes, by the end of their servers' names; Cloud SQL has an address alone."""
_MADE = (
    "If the stack makes the database (`database.{cloud}`): set `password` of that block instead, and tell the server nothing: `pulumi up` has "
    "the service change it before it rolls the servers."
)
_ONE_PASSWORD = (
    "The database knows one password per user: until `pulumi up` (or the rollout) has ended, connections that are open serve on, and servers "
    "that need another one answer 503, upon which MLflow's clients repeat the call. Begin when no backup, drill or garbage collection runs."
)
_RESTARTS = " Its pod starts anew, since the Secret has another name then: nobody is connected until it has, and MLflow's clients repeat their calls."
_TELL = "Tell the server"
PROTECTED = "Pulumi protects one that it has generated; let it drop that"
_CHECK = "See that it serves: pulumi-mlflow check"


@dataclass(frozen=True)
class _Login:
    """How the servers log in.

    Attributes:
        engine: `postgresql`, `mysql`, `mssql`, or "" where only a Secret knows.
        host: The server; empty where only a Secret knows.
        user: The user, for statements.
        secret, key: Where the password, or the whole URI, is.
        own: Whether the Secret is the component's, of a value of the configuration.
    """

    engine: str
    host: str
    user: str
    secret: str
    key: str
    own: bool


def steps(target: Target) -> list[str]:
    """What to do, in order.

    Raises:
        OperationError: The database has no password.
    """
    login = _login(target)
    if stateful_sets := target.all("statefulsets", "database"):
        found = _in_cluster(target, login, f"{stateful_sets[0]['metadata']['name']}-0")
    elif login.own and target.all("jobs", "database-creation"):
        found = _created(target, login)
    else:
        found = _existing(target, login)
    return [_where(target, login), _MAKE, *found, *_others(target), _CHECK]


def _login(target: Target) -> _Login:
    pod = target.server()["spec"]["template"]["spec"]
    server = {each["name"]: each for each in server_container({"spec": pod}).get("env") or []}
    variables = {
        each["name"]: each for container in reversed(containers(pod)) for each in container.get("env") or []
    } | server
    uri = variables.get(_URI, {})
    scheme = uri.get("value", "").partition(":")[0]
    engine = scheme.partition("+")[0]
    password = next((variables[name] for name in _PASSWORDS if name in variables), uri)
    source = password.get("valueFrom") or {}
    reference = source.get("secretKeyRef") or source.get("configMapKeyRef")
    if reference is None:
        which = "is a file, which has none" if engine == "sqlite" else "is not of a kind that has one"
        raise OperationError(f"the servers of {target} have no password of a database: it {which}", "", NOT_FOUND)
    user = variables.get("PGUSER") or variables.get("DATABASE_USERNAME") or {}
    host = variables.get("PGHOST", {}).get("value") or uri.get("value", "").partition("//")[2].partition("/")[0]
    return _Login(
        engine=engine,
        host=host.rpartition("@")[2].partition(":")[0],
        user=user.get("value", "USER"),
        secret=reference["name"],
        key=reference["key"],
        own="secretKeyRef" in source and _is_own(target, reference["name"]),
    )


def _is_own(target: Target, secret: str) -> bool:
    """Whether the component has made the Secret, and not the user."""
    try:
        labels = target.cluster.get("secrets", target.namespace, secret)["metadata"].get("labels") or {}
    except MissingError:
        return False
    return instance(target.name).items() <= labels.items()


def _where(target: Target, login: _Login) -> str:
    return f"The servers of {target} read it from the Secret {login.secret}, key {login.key}."


def _in_cluster(target: Target, login: _Login, pod: str) -> list[str]:
    inside = target.kubectl(f"exec --stdin {pod} --container database --")
    if login.engine == "postgresql":
        path = "inClusterPostgresql"
        told = f"""   echo "ALTER ROLE mlflow PASSWORD '$new'" | {inside} psql --quiet --username=postgres --set=ON_ERROR_STOP=1"""
        tell, forget = f"{_TELL}:\n{told}", []
        notice = f"{_ONE_PASSWORD}{_RESTARTS if login.own else ''}"
    else:
        path = "inClusterMysql"
        root = f"""   root() {{ {inside} bash -c 'MYSQL_PWD="$MARIADB_ROOT_PASSWORD" exec mariadb --user=root --skip-column-names'; }}"""
        statements = _mariadb("mlflow")
        tell = "\n".join(
            (
                "MariaDB takes both passwords from here on:",
                root,
                f'   old=$(echo "{statements[0]}" | root)',
                f'   echo "{statements[1]}" | root',
            )
        )
        forget = [f'MariaDB forgets the old one:\n   echo "{statements[2]}" | root']
        notice = f"MariaDB takes two passwords for a while.{_RESTARTS if login.own else ''}"
    return [notice, *_set(target, login, path), tell, *_roll(target, login), *forget]


def _created(target: Target, login: _Login) -> list[str]:
    return [
        f"{_ONE_PASSWORD} The Job `database-creation` tells the server.",
        *_set(target, login, _path(login)),
        *_roll(target, login),
    ]


def _existing(target: Target, login: _Login) -> list[str]:
    """A server that the stack has not made, or one of a cloud that it has, which cannot be told apart from here."""
    cloud = _cloud(login) if login.own else None
    made = [] if cloud is None else [_MADE.format(cloud=cloud)]
    told, forgotten = _statements(login)
    both = login.engine in ("mysql", "")
    of_host = ", with the account's own host where it is not '%'" if both else ""
    notice = _ONE_PASSWORD if login.engine != "mysql" else "MySQL and MariaDB take two passwords for a while."
    forget = [f"The old one is forgotten, on the server:\n{forgotten}"] if both else []
    return [
        notice,
        *made,
        *_set(target, login, _path(login)),
        f"{_TELL}, as its administrator{of_host}:\n{told}",
        *_roll(target, login),
        *forget,
    ]


def _statements(login: _Login) -> tuple[str, str]:
    """What tells the server the new password, and what makes it forget the old one where it takes both."""
    user = login.user
    find, both, last = (f"   {each};" for each in _mariadb(user))
    mysql = f"   ALTER USER '{user}'@'%' IDENTIFIED BY '$new' RETAIN CURRENT PASSWORD;"
    told = {
        "postgresql": ("PostgreSQL", f"   ALTER ROLE \"{user}\" PASSWORD '$new';"),
        "mysql": ("MySQL 8.0.14 or newer", mysql, "MariaDB 10.4 or newer, $old being what the first says", find, both),
        "mssql": ("SQL Server", f"   ALTER LOGIN [{user}] WITH PASSWORD = '$new';"),
    }
    chosen = [told[login.engine]] if login.engine in told else list(told.values())
    forgotten = f"MySQL\n   ALTER USER '{user}'@'%' DISCARD OLD PASSWORD;\nMariaDB\n{last}"
    return "\n".join(line for lines in chosen for line in lines), forgotten


def _mariadb(user: str) -> tuple[str, str, str]:
    """Statements: the hash of the old password, both passwords, the new one alone."""
    one = "mysql_native_password USING"
    return (
        f"SELECT authentication_string FROM mysql.user WHERE User = '{user}' AND Host = '%'",  # noqa: S608 - told to people
        f"ALTER USER '{user}'@'%' IDENTIFIED VIA {one} PASSWORD('$new') OR {one} '$old'",
        f"ALTER USER '{user}'@'%' IDENTIFIED BY '$new'",
    )


def _cloud(login: _Login) -> str | None:
    """The argument that may have made the server, by its address."""
    for end, argument in _CLOUDS.items():
        if login.host.endswith(end):
            return argument
    try:
        ipaddress.ip_address(login.host)
    except ValueError:
        return None
    return "cloudSql" if login.engine in ("postgresql", "mysql") else None


def _path(login: _Login) -> str:
    return {"mssql": "sqlServer", "": "uri"}.get(login.engine, login.engine)


def _set(target: Target, login: _Login, block: str) -> list[str]:
    """What the stack's configuration takes; nothing where the Secret is the user's."""
    if not login.own:
        return []
    if block == "uri":
        return [
            "Set the URI with the new password (`database.mssql.value`, if it is there):\n   pulumi config set --secret --path mlflow:database.uri.value"
        ]
    return [
        f'Set it:\n   echo "$new" | pulumi config set --secret --path mlflow:database.{block}.password',
        f"{PROTECTED}:\n   {target.unprotect('database-password')}",
    ]


def _roll(target: Target, login: _Login) -> list[str]:
    if login.own:
        return ["At once:\n   pulumi up"]
    server = f"deployment/{target.server()['metadata']['name']}"
    lines = [target.kubectl(f"rollout {what} {server}") for what in ("restart", "status")]
    if login.key == _URI or not login.engine:
        write = "Write the URI with the new password into the Secret, and roll the servers:"
    else:
        write = "Write it into the Secret, or to where that is filled from, and roll the servers:"
        patch = target.kubectl(f"patch secret {login.secret} --type=merge --patch-file=/dev/stdin")
        lines.insert(0, f"""echo '{{"stringData": {{"{login.key}": "'"$new"'"}}}}' | {patch}""")
    return ["\n".join([write, *(f"   {line}" for line in lines)])]


def _others(target: Target) -> list[str]:
    """Logins of further databases, which are not this one's."""
    pod = target.server()["spec"]["template"]["spec"]
    names = {each["name"] for container in containers(pod) for each in container.get("env") or []}
    blocks = {"auth.database": {"USERS_DATABASE_PASSWORD"}, "database.registry": {"MLFLOW_REGISTRY_STORE_URI"}}
    found = [block for block, marks in blocks.items() if marks & names]
    return [f"Likewise for `{block}`, which has a login of its own." for block in found]
