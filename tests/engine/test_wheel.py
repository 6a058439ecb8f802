"""The package as others install it."""

import json
import os
from pathlib import Path

import pytest
import yaml

from components.versions import PACKAGE
from tests.support import wheel as wheels
from tests.support.pulumi import Stack
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.build(tmp_path_factory.mktemp("dist"))


class DevelopmentStack(Stack):
    """The stack whose configuration comes with the template."""

    name = "dev"


@pytest.mark.feature("template")
def test_a_project_from_the_template_previews_a_deployment_from_the_wheel(
    session: Session, wheel: Path, unreachable: Path, tmp_path: Path
) -> None:
    new = [str(session.pulumi), "new", str(ROOT / "examples" / "template"), "--generate-only", "--yes"]
    home = {"PULUMI_HOME": str(session.pulumi_home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    generated, project = tmp_path / "generated", tmp_path / "project"
    wheels.run([*new, "--name", "platform", "--dir", str(generated)], {**os.environ, "PATH": str(session.path), **home})
    assert "name: platform\n" in (generated / "Pulumi.yaml").read_text()

    wheels.install(wheel, project / "venv", session.python, wheels.LOCKED)  # as `pulumi install` does from an index
    steps = DevelopmentStack(session, project, unreachable, program=generated).plan()["steps"]
    names = {step["urn"].rpartition("::")[2] for step in steps}
    assert {"mlflow", "mlflow-server", "mlflow-service", "mlflow-artifacts", "mlflow-database"} <= names


STACK_FILES = {
    "dev": ROOT / "Pulumi.dev.yaml",
    "aws": ROOT / "Pulumi.prod.yaml",
    "gcp": ROOT / "examples" / "Pulumi.prod-gcp.yaml",
    "azure": ROOT / "examples" / "Pulumi.prod-azure.yaml",
}


@pytest.mark.extended
@pytest.mark.feature("package")
@pytest.mark.parametrize(("version", "resolution"), [("3.10", "lowest-direct"), ("3.13", "highest")])
def test_the_lowest_and_the_newest_allowed_versions_serve(
    session: Session, wheel: Path, tmp_path: Path, version: str, resolution: str
) -> None:
    options = ["--resolution", resolution, *wheels.requirements(wheel)]
    python = wheels.install(wheel, tmp_path / "venv", wheels.python(version, session.python), options, "[all]")
    configurations = {name: yaml.safe_load(path.read_text())["config"] for name, path in STACK_FILES.items()}
    deployments = {
        name: {
            **{key.removeprefix("mlflow:"): value for key, value in values.items() if key.startswith("mlflow:")},
            "namespace": name,
        }
        for name, values in configurations.items()
    }
    program = ROOT / "tests" / "support" / "installed.py"
    told = json.loads(wheels.run([str(python), "-I", str(program)], input=json.dumps(deployments)))
    for kind in (
        "aws:rds/instance:Instance",
        "gcp:sql/databaseInstance:DatabaseInstance",
        "azure-native:dbforpostgresql",
    ):
        assert any(each.startswith(kind) for each in told["made"]), kind
    assert told["made"].count("kubernetes:apps/v1:Deployment") == len(deployments)
    assert told["version"] == PACKAGE
    assert "Usage: pulumi-mlflow" in wheels.run([str(python.with_name("pulumi-mlflow")), "--help"])


def test_the_wheel_holds_only_the_package(wheel: Path, tmp_path: Path) -> None:
    wheels.run(["python3", "-m", "zipfile", "-e", str(wheel), str(tmp_path)])
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"pulumi_mlflow"}
    package = tmp_path / "pulumi_mlflow"
    for needed in ("py.typed", "in_image/migrate.py", "stack-config.schema.json", "policies/PulumiPolicy.yaml"):
        assert (package / needed).is_file()
