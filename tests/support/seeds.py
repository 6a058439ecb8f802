"""Fill a database with what MLflow keeps, and tell what is in it. Runs with the packages of MLflow's image, or of an older version:
`python seeds.py fill|users|damage|digest… URI`. What is filled in is all that the store of that version takes."""

# pyright: reportMissingImports=false
import hashlib
import json
import os
import sys
from typing import Any

EXPERIMENT = "grüße 'quoted' \\ ; -- \n"
VALUES = [float("nan"), float("inf"), -float("inf"), 0.1 + 0.2, 1e-300, -0.0]
TRACE = {
    "mlflow.trace.session": "a session",
    "mlflow.trace.tokenUsage": json.dumps({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}),
    "mlflow.trace.cost": json.dumps({"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}),
    "own": "metadata",
}


def version() -> tuple[int, int]:
    """Major and minor of the MLflow that runs."""
    import mlflow

    major, minor, *_ = mlflow.__version__.split(".")
    return int(major), int(minor)


def fill(uri: str) -> None:
    """Write something of everything."""
    from mlflow.entities import (
        Dataset,
        DatasetInput,
        ExperimentTag,
        InputTag,
        Metric,
        Param,
        RunTag,
        ViewType,
        model_registry,
    )
    from mlflow.models import Model
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(uri, "mlflow-artifacts:/")
    experiment = store.create_experiment(EXPERIMENT, tags=[ExperimentTag("team", "ml")])
    store.delete_experiment(store.create_experiment("deleted"))
    runs = []
    for number in range(3):
        run = store.create_run(experiment, "user", 1, [RunTag("note", "line one\nline two\t\\.\n")], f"run {number}")
        runs.append(run.info.run_id)
        metrics = [Metric("m", value, 1700000000000 + step, step) for step, value in enumerate(VALUES)]
        params = [Param("p", "x" * 500), Param("ü", "ü" * 200), Param("empty", "")]
        store.log_batch(runs[-1], metrics, params, [RunTag("long", "x" * 500)])
        data = Dataset("data", "digest", "http", '{"url": "https://example.invalid/"}', "{}", '{"rows": 1}')
        store.log_inputs(runs[-1], [DatasetInput(data, [InputTag("mlflow.data.context", f"training {number}")])])
        store.record_logged_model(runs[-1], Model("model", runs[-1]))
    store.delete_run(runs[-1])
    assert store.search_experiments(ViewType.ALL)
    registry = Registry(uri)
    tags = model_registry.RegisteredModelTag, model_registry.ModelVersionTag
    registry.create_registered_model("model", [tags[0]("team", "ml")], "`); DROP TABLE runs; --")
    of_run = f"mlflow-artifacts:/{experiment}/{runs[0]}/artifacts/model"
    registry.create_model_version("model", of_run, runs[0], [tags[1]("checked", "yes")], description="first")
    registry.create_model_version("model", "mlflow-artifacts:/x", None)
    registry.set_registered_model_alias("model", "champion", 1)
    registry.transition_model_version_stage("model", 1, "Production", False)
    if version() >= (3, 0):
        models(store, experiment, runs[0])
    if version() >= (3, 3):
        webhooks(registry)
    if version() >= (3, 6):
        evaluation(store, experiment)
    if version() >= (2, 14):
        traces(store, experiment, runs[0])
    if version() >= (3, 10):
        gateway(store)


def models(store: Any, experiment: str, run: str) -> None:
    """Models that are logged for themselves, the input and the output of a run, with metrics."""
    from mlflow.entities import (
        LoggedModelInput,
        LoggedModelOutput,
        LoggedModelParameter,
        LoggedModelStatus,
        LoggedModelTag,
        Metric,
    )

    tags, params = [LoggedModelTag("team", "ml")], [LoggedModelParameter("depth", "3")]
    made = store.create_logged_model(experiment, "logged", run, tags, params, "Agent").model_id
    store.finalize_logged_model(made, LoggedModelStatus.READY)
    store.log_inputs(run, models=[LoggedModelInput(made)])
    store.log_outputs(run, [LoggedModelOutput(made, 1)])
    of_model = {"model_id": made, "dataset_name": "data", "dataset_digest": "digest", "run_id": run}
    store.log_batch(run, [Metric("of model", value, 1, step, **of_model) for step, value in enumerate(VALUES)], [], [])


def webhooks(registry: Any) -> None:
    """Webhooks, with a secret that is encrypted."""
    from mlflow.entities.webhook import WebhookEvent

    os.environ.setdefault("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "A" * 43 + "=")
    os.environ["MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"] = "true"  # other addresses must have a name that resolves
    event = WebhookEvent("prompt", "created")  # which no test of a server with keys of its own makes
    registry.create_webhook("hook", "https://127.0.0.1/", [event], "tells", "a secret of the tests")


def evaluation(store: Any, experiment: str) -> None:
    """Datasets to evaluate with, and scorers."""
    made = store.create_dataset("questions", {"team": "ml"}, [experiment]).dataset_id
    record = {"inputs": {"question": "why?"}, "expectations": {"answer": "so"}, "tags": {"hard": "yes"}}
    store.upsert_dataset_records(made, [record])
    store.register_scorer(experiment, "scorer", '{"name": "scorer", "version": 1}')


def traces(store: Any, experiment: str, run: str) -> None:
    """A trace as the clients of that version send it: from 3.6 with spans, and with what people say of it."""
    tags = {"mlflow.traceName": "asked", "own": "tag"}
    if version() < (3, 2):
        from mlflow.entities.trace_status import TraceStatus

        begun = store.start_trace(experiment, 1700000000000, TRACE, tags).request_id
        store.end_trace(begun, 1700000000042, TraceStatus.OK, {"mlflow.sourceRun": run}, {"late": "tag"})
        return
    from mlflow.entities import AssessmentSource, Expectation, Feedback, TraceInfo, TraceLocation, TraceState
    from mlflow.entities.span import create_mlflow_span
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

    number = 0x5EED
    trace = f"tr-{number:032x}"
    location = TraceLocation.from_experiment_id(experiment)
    store.start_trace(
        TraceInfo(trace, location, 1700000000000, TraceState.OK, "why?", "so", "client's", 42, TRACE, tags)
    )
    attributes = {
        "mlflow.traceRequestId": trace,
        "mlflow.spanType": "LLM",
        "mlflow.spanInputs": {"question": "why?"},
        "mlflow.spanOutputs": "so",
        "mlflow.llm.model": "some model",
        "mlflow.llm.provider": "somebody",
        "mlflow.llm.cost": {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75},
    }
    span = ReadableSpan(
        "answer",
        SpanContext(number, 0x5EED, is_remote=False),
        attributes={name: json.dumps(value) for name, value in attributes.items()},
        start_time=1700000000000000000,
        end_time=1700000000042000000,
    )
    store.log_spans(experiment, [create_mlflow_span(span, trace, "LLM")])
    source = AssessmentSource("HUMAN", "somebody")
    store.create_assessment(Feedback("good", 0.5, source=source, trace_id=trace, rationale="it is"))
    store.create_assessment(Expectation("answer", "so", source, trace))
    store.link_traces_to_run([trace], run)


def gateway(store: Any) -> None:
    """A model behind the gateway, with its secret."""
    from mlflow.entities import GatewayEndpointModelConfig, GatewayEndpointTag, GatewayModelLinkageType

    os.environ.setdefault("MLFLOW_CRYPTO_KEK_PASSPHRASE", "a passphrase of the gateway")
    secret = store.create_gateway_secret("secret", {"api_key": "a key of the tests"}, "openai").secret_id
    model = store.create_gateway_model_definition("definition", secret, "openai", "some model").model_definition_id
    config = GatewayEndpointModelConfig(model, GatewayModelLinkageType.PRIMARY, 1.0)
    endpoint = store.create_gateway_endpoint("endpoint", [config]).endpoint_id
    store.set_gateway_endpoint_tag(endpoint, GatewayEndpointTag("team", "ml"))


def users(uri: str) -> None:
    """Somebody who logs in, with rights of their own. MySQL and MariaDB take MLflow's tables of users without names of references."""
    import re

    import sqlalchemy
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    def unnamed(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        return re.sub(r"CONSTRAINT \w+ FOREIGN KEY", "FOREIGN KEY", statement), parameters

    if uri.startswith("mysql"):
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", unnamed, retval=True)
    store = SqlAlchemyStore()
    store.init_db(uri)
    store.create_user("somebody", "a password of the tests")
    store.create_experiment_permission("1", "somebody", "READ")
    store.create_registered_model_permission("model", "somebody", "EDIT")


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
    *commands, where = sys.argv[1:]
    for command in commands:
        {"fill": fill, "users": users, "damage": damage, "digest": digest}[command](where)
