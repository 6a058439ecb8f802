"""What a data scientist does: the real MLflow client against a tracking server."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet")

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

MIB = 1024**2


@dataclass(frozen=True)
class Logged:
    """A run that was logged, with what must be read back."""

    run_id: str
    experiment: str
    value: float
    artifact: bytes
    model: str


@contextlib.contextmanager
def login(username: str, password: str) -> Iterator[None]:
    """Be a user: what clients read as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."""
    with _variables(MLFLOW_TRACKING_USERNAME=username, MLFLOW_TRACKING_PASSWORD=password):
        yield


@contextlib.contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def log(uri: str, size: int = 3 * MIB) -> Logged:
    """Log a run with a parameter, metrics and an artifact, and register a model from it.

    Args:
        uri: Tracking URI.
        size: Size of the artifact in bytes.
    """
    client = _client(uri)
    name = f"test-{secrets.token_hex(4)}"
    run = client.create_run(client.create_experiment(name))
    logged = Logged(run.info.run_id, name, secrets.randbelow(1000) / 8, secrets.token_bytes(size), f"model-{name}")
    client.log_param(logged.run_id, "optimiser", "adam")
    for step in range(3):
        client.log_metric(logged.run_id, "loss", logged.value + step, step=step)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "weights.bin")
        file.write_bytes(logged.artifact)
        client.log_artifact(logged.run_id, str(file), "model")
    client.create_registered_model(logged.model)
    source = f"{run.info.artifact_uri}/model"
    version = client.create_model_version(logged.model, source, logged.run_id)
    client.set_registered_model_alias(logged.model, "champion", version.version)
    client.set_terminated(logged.run_id)
    return logged


def read_back(uri: str, logged: Logged) -> None:
    """Read what was logged with a client of its own, and compare."""
    client = _client(uri)
    run = client.get_run(logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"optimiser": "adam"}
    assert run.data.metrics == {"loss": logged.value + 2}
    assert [point.value for point in client.get_metric_history(logged.run_id, "loss")] == [
        logged.value + step for step in range(3)
    ]
    assert [entry.path for entry in client.list_artifacts(logged.run_id, "model")] == ["model/weights.bin"]
    with tempfile.TemporaryDirectory() as folder:
        file = client.download_artifacts(logged.run_id, "model/weights.bin", folder)
        assert Path(file).read_bytes() == logged.artifact
    assert client.get_model_version_by_alias(logged.model, "champion").run_id == logged.run_id


def log_model(uri: str, logged: Logged) -> bytes:
    """Log a model of a run as MLflow 3 does, and register it as the version `challenger`; returns what is in it."""
    client = _client(uri)
    run = client.get_run(logged.run_id)
    model = client.create_logged_model(run.info.experiment_id, "classifier", logged.run_id)
    content = secrets.token_bytes(1024)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "MLmodel").write_text(f"model_id: {model.model_id}\nflavors: {{}}\n")
        Path(folder, "parameters").write_bytes(content)
        client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    source = f"models:/{model.model_id}"
    version = client.create_model_version(logged.model, source, logged.run_id, model_id=model.model_id)
    client.set_registered_model_alias(logged.model, "challenger", version.version)
    return content


def read_model(uri: str, logged: Logged) -> bytes:
    """What is in the version `challenger`, found by the name of the model."""
    with tempfile.TemporaryDirectory() as folder, _variables(MLFLOW_TRACKING_URI=uri):
        path = download_artifacts(artifact_uri=f"models:/{logged.model}@challenger", dst_path=folder)
        return Path(path, "parameters").read_bytes()


def _client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
