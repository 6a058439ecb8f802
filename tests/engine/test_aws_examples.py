"""The programs in examples/ preview as they stand, from nothing."""

from pathlib import Path

import pytest
import yaml

from tests.support.fixtures import Deploy
from toolchain.paths import ROOT

pytestmark = pytest.mark.extended


@pytest.fixture
def package(tmp_path: Path) -> dict[str, str]:
    """Environment in which the package has the name under which it is installed."""
    (tmp_path / "pulumi_mlflow").symlink_to(ROOT / "components")
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("aws", {"Vpc": 1, "Cluster": 1, "NodeGroup": 1, "Addon": 3, "Instance": 1, "Bucket": 1, "PodIdentityAssociation": 1}),
        ("composition", {"MlflowDeployment": 2, "ClusterInstance": 4, "Bucket": 1, "Key": 1, "RolePolicy": 2}),
    ],
)  # fmt: skip
def test_example_previews(
    new_aws_stack: Deploy, unreachable: Path, package: dict[str, str], name: str, kinds: dict[str, int]
) -> None:
    folder = ROOT / "examples" / name
    program = (folder / "__main__.py").read_text()
    configuration = yaml.safe_load((folder / "Pulumi.dev.yaml").read_text())["config"]
    with new_aws_stack(unreachable, program=program, variables=package) as stack:
        steps = stack.configure(configuration).plan()["steps"]
    types = [step["newState"]["type"].rpartition(":")[2] for step in steps]
    assert {kind: types.count(kind) for kind in kinds} == kinds
    assert {step["op"] for step in steps} == {"create"}
