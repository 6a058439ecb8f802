"""Schemas of older versions of MLflow in real databases, and the programs of an upgrade as processes of this machine."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from components.in_image import Program
from tests.support import mariadb, older
from toolchain import paths
from toolchain.files import write

MINORS = ("2.9.2", "2.16.2", "2.22.1", "3.1.4", "3.6.0", "3.10.1")
SEED = """
import sys
import sqlalchemy
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.db import utils
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

for uri in sys.argv[2:]:
    utils._initialize_tables(sqlalchemy.create_engine(uri))
    store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
    experiment = store.create_experiment("older")
    run = store.create_run(experiment, "somebody", 1, [RunTag("a", "b")], "first").info.run_id
    odd = [Metric("odd", float(value), 1, step) for step, value in enumerate(("nan", "inf", "-inf", "0.1"))]
    store.log_batch(run, odd, [Param("p", "\\u00fc" * 200)], [RunTag("t", "x" * 500)])
    for first in range(0, int(sys.argv[1]), 1000):
        store.log_batch(run, [Metric("many", step / 3, step, step) for step in range(first, first + 1000)], [], [])
    registry = Registry(uri)
    registry.create_registered_model("model")
    registry.create_model_version("model", "mlflow-artifacts:/1/model", run)
"""
KEPT = {
    "experiments": "name, artifact_location, lifecycle_stage",
    "runs": "run_uuid, name, status, start_time, experiment_id, lifecycle_stage",
    "metrics": "run_uuid, key, value, is_nan, timestamp, step",
    "latest_metrics": "run_uuid, key, value, is_nan, timestamp, step",
    "params": "run_uuid, key, value",
    "tags": "run_uuid, key, value",
    "registered_models": "name, creation_time",
    "model_versions": "name, version, source, run_id",
}
"""Columns that all versions have."""

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


def seed(version: str, *databases: older.Database, rows: int = 1000) -> None:
    """Have an older MLflow make its schema in empty databases, and write something of everything.

    What it has made is kept for later runs: it is the same each time, and takes several seconds to make.
    """
    digest = hashlib.sha256(f"{SEED}{rows}{mariadb.MYSQL or ''}".encode()).hexdigest()[:16]
    kept = {each: paths.cache("older", f"{version}-{type(each).__module__}-{digest}.sql") for each in databases}
    with paths.lock(f"seed-{version}", f"preparing databases of MLflow {version}"):
        if missing := [each for each, file in kept.items() if not file.exists()]:
            packages = str(older.packages(version))
            seeding = older.python("-c", SEED, str(rows), *map(older.uri, missing), PYTHONPATH=packages)
            output, _ = seeding.communicate()
            assert seeding.returncode == 0, output
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
    settings = {"MLFLOW_BACKEND_STORE_URI": older.uri(database), "PGAPPNAME": "mlflow-migration", **variables}
    return older.python(str(program), **settings)


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """Output of a program that has ended with that code."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == code, output
    return output


def contents(database: older.Database) -> dict[str, list[Any]]:
    """What users have written, as sorted text: floating point values that are not numbers do not equal themselves."""
    # After the name of its table, a column may be called `key` on MySQL.
    queries = {
        table: ", ".join(f"{table}.{column}" for column in columns.split(", ")) for table, columns in KEPT.items()
    }
    return {
        table: sorted(map(str, database.query(f"SELECT {columns} FROM {table}"))) for table, columns in queries.items()
    }
