"""Schemas of older versions of MLflow in real databases, and the programs of an upgrade as processes of this machine."""

import hashlib
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components.in_image import Program
from tests.support import backups, forks, mariadb, older, postgresql
from toolchain import paths
from toolchain.files import write

MINORS = ("2.9.2", "2.16.2", "2.22.1", "3.1.4", "3.6.0", "3.10.1")
WITH_USERS = (3, 6)
"""The first minor whose users may be in the database of experiments: before, both schemas recorded their version in one table."""
ADMINISTRATOR = "administrator"
_OF_TRACES = {"mlflow.trace.session", "mlflow.trace.tokenUsage", "mlflow.trace.cost"}
# All that an upgrade is meant to change of what is there: rows, columns and tables.
_ROWS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    # Each trace and span has a column of its own for these since 3.17.
    "trace_tags": lambda row: row["key"] == "mlflow.traceName",
    "trace_request_metadata": lambda row: row["key"] in _OF_TRACES,
    "trace_metrics": lambda row: row["key"].endswith("_tokens"),
    "span_metrics": lambda row: row["key"].endswith("_cost"),
    # The migration Job makes it where users log in.
    "users": lambda row: row["username"] == ADMINISTRATOR,
}
_COLUMNS = {
    ("spans", "dimension_attributes"),  # two columns have its content since 3.17
    ("jobs", "function_fullname"),  # another name
}
_TABLES = {"alembic_version", "alembic_version_auth"}
UNWRITTEN = {
    *("jobs", "online_scoring_configs", "endpoint_bindings", "scorer_permissions", "workspace_permissions"),
    *("gateway_secret_permissions", "gateway_endpoint_permissions", "gateway_model_definition_permissions"),
}
"""Tables that `seed` leaves empty."""

WRITTEN_DOWN = """
import copy, json, os, pathlib

file = pathlib.Path(os.environ["STATE"]) if "STATE" in os.environ else None
pod = {"containers": [{"name": "mlflow", "image": "old"}]}
server = {"metadata": {"generation": 1}, "spec": {"replicas": 2, "template": {"spec": pod}}}
state = json.loads(file.read_text()) if file and file.exists() else {"server": server, "record": {}}

def merge(into, change):
    for key, value in change.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into[key][0].update(value[0])
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value

class Cluster:
    # Its pods end at once.
    def __init__(self, say):
        pass
    def get(self, kind, name):
        status = {"observedGeneration": 1, "availableReplicas": state["server"]["spec"]["replicas"]}
        return copy.deepcopy({**state[name], "status": status}) if name in state else None
    def list(self, kind, labels):
        return []
    def patch(self, kind, name, body, by_name=False, try_out=False):
        if not try_out:
            merge(state[name], body)
            if file:
                file.write_text(json.dumps(state))
    def let_go(self, kind, name):
        pass

def served():
    spec = state["server"]["spec"]
    return f"serving: {spec['replicas']} {spec['template']['spec']['containers'][0]['image']}"
"""
"""A cluster for `upgrade.py` that is only written down: a Deployment `server` and a ConfigMap `record`, in the file that STATE names, if any."""


def with_users(version: str) -> bool:
    """Whether `seed` writes users of that version too."""
    return tuple(map(int, version.split(".")[:2])) >= WITH_USERS


def seed(version: str, *databases: older.Database) -> None:
    """Have an older MLflow make its schema in empty databases, and write something of everything: see `seeds.py`.

    What it has made is kept for later runs: it is the same each time, and takes several seconds to make.
    """
    _seed(version, databases, "fill", *(["users"] if with_users(version) else []))


def seed_users(version: str, *databases: older.Database) -> None:
    """The same of users alone, for databases of their own."""
    _seed(version, databases, "users")


def _seed(version: str, databases: Sequence[older.Database], *what: str) -> None:
    digest = hashlib.sha256(
        f"{backups.SEEDS.read_text(encoding='utf-8')}{what}{mariadb.MYSQL or ''}".encode()
    ).hexdigest()[:16]
    kept = {each: paths.cache("older", f"{version}-{type(each).__module__}-{digest}.sql") for each in databases}
    with paths.lock(f"seed-{version}", f"preparing databases of MLflow {version}"):
        if missing := [each for each, file in kept.items() if not file.exists()]:
            packages = str(older.packages(version))
            seeds = [str(backups.SEEDS), *what]
            for each in [older.python(*seeds, older.uri(each), PYTHONPATH=packages) for each in missing]:
                ended(each)
        for database in missing:
            write(kept[database], database.dump())
    for database in databases:
        if database not in missing:
            database.load(kept[database].read_text(encoding="utf-8"))


def programs(folder: Path) -> Path:
    """Write the programs of the migration Job into a folder, and a cluster for them; returns the one that is run."""
    (folder / "written_down.py").write_text(WRITTEN_DOWN)
    for name, text in Program("upgrade.py").files.items():
        (folder / name).write_text(text)
    return folder / "upgrade.py"


def pod(database: older.Database, folder: Path) -> backups.Pod:
    """Backups of a database, in a repository of its own."""
    folder.mkdir()
    if isinstance(database, postgresql.Database):
        clients, environment = postgresql.clients()
        programs, libraries = [clients], environment.get("LD_LIBRARY_PATH")
        variables = {"LD_LIBRARY_PATH": libraries} if libraries else {}
    else:
        programs, variables = mariadb.installed(folder / "mariadb")
    return backups.Pod(folder, older.uri(database), folder / "repository", variables, programs)


def many_metrics(database: older.Database, run_id: str, count: int) -> None:
    """Give a run this many metrics at once: the key is `seed`, values and steps are 1, 2, 3 and so on."""
    key, numbers, number = "key", f"generate_series(1, {count}) n", "n"
    if isinstance(database, mariadb.Database):
        key, numbers, number = "`key`", f"seq_1_to_{count}", "seq"
    database.query(
        f"INSERT INTO metrics ({key}, value, timestamp, run_uuid, step, is_nan) "
        f"SELECT 'seed', {number}, {number}, '{run_id}', {number}, false FROM {numbers}"
    )


def migrate(program: Path, database: older.Database, **variables: str) -> "subprocess.Popen[str]":
    """Start a program as the migration Job does."""
    settings = {"MLFLOW_BACKEND_STORE_URI": older.uri(database), "PGAPPNAME": "mlflow-migration"}
    return forks.python(str(program), **settings, **variables)


def migrated(program: Path, database: older.Database, code: int = 0, /, **variables: str) -> str:
    """Output of such a program that has ended with that code."""
    return ended(migrate(program, database, **variables), code)


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """Output of a program that has ended with that code."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


class Table(NamedTuple):
    """Everything in a table: its columns by name, and its rows, sorted."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def named(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def contents(database: older.Database) -> dict[str, Table]:
    """All rows of all tables. Floating point values are text: NaN does not equal itself."""
    postgres = isinstance(database, postgresql.Database)
    here, quote = ("'public'", '"') if postgres else ("DATABASE()", "`")
    names = f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = {here} ORDER BY 1, 2"
    columns: dict[str, list[str]] = {}
    for table, column in database.query(names):
        columns.setdefault(table, []).append(column)
    queries = (
        f"SELECT {', '.join(f'{quote}{each}{quote}' for each in of)} FROM {quote}{table}{quote}"
        for table, of in columns.items()
    )
    found = [
        [tuple(repr(each) if isinstance(each, float) else each for each in row) for row in rows]
        for rows in database.queries(*queries)
    ]
    return {table: Table(of, sorted(rows, key=repr)) for (table, of), rows in zip(columns.items(), found, strict=True)}


def changes(before: Mapping[str, Table], after: Mapping[str, Table]) -> list[str]:
    """What an upgrade has changed that it is not meant to: rows that are gone or new, and columns and tables that are gone."""
    found: list[str] = []
    for name, table in before.items():
        if name in _TABLES:
            continue
        columns = [each for each in table.columns if (name, each) not in _COLUMNS]
        if name not in after:
            found.append(f"{name} is gone")
            continue
        if gone := set(columns) - set(after[name].columns):
            found.append(f"{name}: {sorted(gone)} are gone")
            continue
        meant = _ROWS.get(name, lambda _: False)
        old, new = (
            Counter(repr([row[each] for each in columns]) for row in of.named() if not meant(row))
            for of in (table, after[name])
        )
        found += [f"{name}: {row} is gone" for row in old - new] + [f"{name}: {row} is new" for row in new - old]
    return found
