"""Every configuration in the charts' own documents, previewed by the real engine: all in one program."""

import pytest

from tests.support.fixtures import Deploy
from toolchain.paths import ROOT

pytestmark = pytest.mark.extended

EXAMPLES = sorted((ROOT / "examples" / "charts").rglob("*.yaml"))

PROGRAM = """
import pathlib

import pulumi
import yaml

from components import MlflowDeployment
from components import to_arguments

for number, path in enumerate(pulumi.Config("mlflow").require_object("examples")):
    config = yaml.safe_load(pathlib.Path(path).read_text())["config"]
    values = {name.removeprefix("mlflow:"): value for name, value in config.items()}
    name = f"example-{number}"
    MlflowDeployment(name, to_arguments({**values, "namespace": name}))
"""


def test_every_configuration_of_the_charts_is_previewed(new_stack: Deploy) -> None:
    assert EXAMPLES
    with new_stack(program=PROGRAM) as stack:
        stack.configure({"examples": [str(path) for path in EXAMPLES]})
        steps = stack.plan()["steps"]
        made = [step["newState"]["type"] for step in steps if step["op"] == "create"]
        assert made.count("mlflow-deployment:index:MlflowDeployment") == len(EXAMPLES)
        assert made.count("kubernetes:apps/v1:Deployment") == len(EXAMPLES)
        assert made.count("kubernetes:core/v1:Service") >= len(EXAMPLES)
