"""The package as others install it."""

from pathlib import Path

import pytest

from tests.support import wheel as wheels
from tests.support.pulumi import Stack
from toolchain.session import Session

pytestmark = pytest.mark.core

PROGRAM = """
from pulumi_mlflow import MlflowDeployment
MlflowDeployment("tracking", {"database": {"sqlite": {}}, "artifacts": {"volume": {"size_gb": 10}}})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build(tmp_path_factory.mktemp("dist"))


def test_a_program_elsewhere_previews_a_deployment_from_the_wheel(
    session: Session, wheel: Path, unreachable: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    python = wheels.install(wheel, tmp_path / "venv", session.python, wheels.LOCKED)

    variables = {"PATH": f"{python.parent}:{session.path}"}
    stack = Stack(session, project, unreachable, program=PROGRAM, variables=variables)
    steps = stack.plan()["steps"]
    names = {step["urn"].rpartition("::")[2] for step in steps}
    assert {"tracking", "tracking-server", "tracking-service", "tracking-artifacts", "tracking-database"} <= names


def test_the_wheel_holds_only_the_package(wheel: Path, tmp_path: Path) -> None:
    wheels.run(["python3", "-m", "zipfile", "-e", str(wheel), str(tmp_path)])
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"pulumi_mlflow"}
    package = tmp_path / "pulumi_mlflow"
    for needed in ("py.typed", "in_image/migrate.py", "stack-config.schema.json", "policies/PulumiPolicy.yaml"):
        assert (package / needed).is_file()
