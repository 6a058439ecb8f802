"""Fill a database with what MLflow keeps, and tell what is in it. Runs with the packages of MLflow's image:
`python seeds.py URI fill|damage|digest`."""

# pyright: reportMissingImports=false
import hashlib
import sys


def fill(uri: str) -> None:
    from mlflow.entities import ExperimentTag, Metric, Param, RunTag, ViewType
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
    experiment = store.create_experiment("grüße 'quoted' \\ ; -- \n", tags=[ExperimentTag("team", "ml")])
    for number in range(3):
        run = store.create_run(experiment, "user", 1, [RunTag("note", "line one\nline two\t\\.\n")], f"run {number}")
        values = [float("nan"), float("inf"), -float("inf"), 0.1 + 0.2, 1e-300, -0.0]
        metrics = [Metric("m", value, 1700000000000 + step, step) for step, value in enumerate(values)]
        store.log_batch(run.info.run_id, metrics, [Param("p", "x" * 500), Param("empty", "")], [])
    assert store.search_experiments(ViewType.ALL)
    registry = Registry(uri)
    registry.create_registered_model("model", description="`); DROP TABLE runs; --")
    registry.create_model_version("model", "mlflow-artifacts:/x", None)


def damage(uri: str) -> None:
    import sqlalchemy

    with sqlalchemy.create_engine(uri).begin() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM metrics"))
        connection.execute(sqlalchemy.text("CREATE TABLE newer (id INT)"))


def digest(uri: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri)
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine)
    total = hashlib.sha256()
    with engine.connect() as connection:
        # A dump has -0.0 as -0, which MySQL, not MariaDB, reads as an integer.
        signless = engine.dialect.name == "mysql" and not engine.dialect.is_mariadb
        for table in sorted(metadata.tables.values(), key=lambda each: each.name):
            found = [tuple(row) for row in connection.execute(sqlalchemy.select(table))]
            if signless:
                found = [tuple(0.0 if each == 0 else each for each in row) for row in found]
            rows = sorted(map(repr, found))
            total.update(f"{table.name}\n".encode() + "\n".join(rows).encode())
    print(total.hexdigest())


if __name__ == "__main__":
    {"fill": fill, "damage": damage, "digest": digest}[sys.argv[2]](sys.argv[1])
