"""The plugin that keeps MLflow from handing out presigned URLs, as MLflow loads it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.pods import artifact_store

PROGRAM = """
import sys
from mlflow.store.artifact import artifact_repo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
repository = get_artifact_repository(sys.argv[1])
signing = ("MultipartUploadMixin", "MultipartDownloadMixin", "PresignedUploadMixin")
print(type(repository).__module__, any(isinstance(repository, getattr(artifact_repo, name)) for name in signing))
"""


@pytest.mark.parametrize("plugged", [True, False])
def test_mlflow_takes_the_plugin_for_the_scheme_and_signs_nothing(plugged: bool, tmp_path: Path) -> None:
    for path, content in artifact_store.PROXIED_STORES.plain.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(str(content))
    env = {
        **os.environ,
        "AWS_DEFAULT_REGION": "x",
        **({"PYTHONPATH": str(tmp_path)} if plugged else {"PYTHONPATH": ""}),
    }
    command = [sys.executable, "-c", PROGRAM, "s3://models/prod"]
    output = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd="/").stdout.split()
    assert output == (["proxied_stores", "False"] if plugged else ["mlflow.store.artifact.s3_artifact_repo", "True"])
