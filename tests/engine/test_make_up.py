"""`make up` where it must refuse before it begins."""

import os
import subprocess
import sys
import time
from pathlib import Path

from toolchain.paths import ROOT


def test_a_cluster_that_does_not_answer_is_named_within_ten_seconds(unreachable: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    result = _toolchain(tmp_path, "up", "--context", "none", KUBECONFIG=str(unreachable))
    seconds = time.monotonic() - began
    assert result.returncode == 1, result.stdout
    assert "the cluster of the context none at https://127.0.0.1:9 does not answer" in result.stdout
    assert "Nothing was changed" in result.stdout
    assert "Traceback" not in result.stdout
    assert seconds < 10
    assert not (tmp_path / "mlflow-deployment" / "pulumi").exists()


def test_a_context_that_does_not_exist_is_refused_with_those_that_do(unreachable: Path, tmp_path: Path) -> None:
    result = _toolchain(tmp_path, "up", "--context", "other", KUBECONFIG=str(unreachable))
    assert result.returncode == 1, result.stdout
    assert "there is no context other in your kubeconfig" in result.stdout
    assert "Name one of: none." in result.stdout


def _toolchain(state: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the toolchain with state of its own."""
    return subprocess.run(
        [sys.executable, "-m", "toolchain", *arguments],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(state), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
