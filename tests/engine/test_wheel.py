"""The package as others install it."""

import subprocess
from pathlib import Path

import pytest

from tests.support.pulumi import Stack
from toolchain import environments
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.core

PROGRAM = """
from pulumi_mlflow import MlflowDeployment
MlflowDeployment("tracking", {"database": {"sqlite": {}}, "artifacts": {"volume": {"size_gb": 10}}})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    command, env = environments.uv()
    _run([*command, "build", str(ROOT), "--out-dir", str(folder)], env)
    return next(folder.glob("*.whl"))


def test_a_program_elsewhere_previews_a_deployment_from_the_wheel(
    session: Session, wheel: Path, unreachable: Path, tmp_path: Path
) -> None:
    environment, project = tmp_path / "venv", tmp_path / "project"
    project.mkdir()
    command, env = environments.uv()
    _run([*command, "venv", "--seed", "--python", session.python, str(environment)], env)
    # The lock, because the plugins that are prepared have the versions of the locked SDKs.
    install = [*command, "pip", "install", "--python", str(environments.python(environment))]
    _run([*install, "--constraint", str(ROOT / "requirements.lock"), str(wheel)], env)

    variables = {"PATH": f"{environment / 'bin'}:{session.path}"}
    stack = Stack(session, project, unreachable, program=PROGRAM, variables=variables)
    steps = stack.plan()["steps"]
    names = {step["urn"].rpartition("::")[2] for step in steps}
    assert {"tracking", "tracking-server", "tracking-service", "tracking-artifacts", "tracking-database"} <= names


def test_the_wheel_holds_only_the_package(wheel: Path, tmp_path: Path) -> None:
    _run(["python3", "-m", "zipfile", "-e", str(wheel), str(tmp_path)], None)
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"pulumi_mlflow"}
    package = tmp_path / "pulumi_mlflow"
    for needed in ("py.typed", "in_image/migrate.py", "stack-config.schema.json"):
        assert (package / needed).is_file()


def _run(command: list[str], env: dict[str, str] | None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stderr}{done.stdout}"
