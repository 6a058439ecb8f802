"""`make up` where it must refuse before it begins."""

from pathlib import Path

import pytest

from tests.support.toolchain import run

pytestmark = pytest.mark.core


def test_a_cluster_that_does_not_answer_is_named_before_anything_is_built(unreachable: Path, tmp_path: Path) -> None:
    code, output = run(
        "toolchain",
        "up",
        "--context",
        "none",
        env={"KUBECONFIG": str(unreachable), "XDG_STATE_HOME": str(tmp_path)},
    )
    assert code == 1, output
    assert "the cluster of the context none at https://127.0.0.1:9 does not answer" in output
    assert "Nothing was changed" in output
    assert "Traceback" not in output
    assert "▸ building" not in output
    assert not (tmp_path / "mlflow-deployment" / "pulumi").exists()


def test_a_context_that_does_not_exist_is_refused_with_those_that_do(unreachable: Path, tmp_path: Path) -> None:
    code, output = run(
        "toolchain",
        "up",
        "--context",
        "other",
        env={"KUBECONFIG": str(unreachable), "XDG_STATE_HOME": str(tmp_path)},
    )
    assert code == 1, output
    assert "there is no context other in your kubeconfig" in output
    assert "Name one of: none." in output
