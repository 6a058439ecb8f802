"""Importing is cheap: the package loads no cloud SDK, and the command line not even Pulumi."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_of_the_package_loads_no_cloud_sdk() -> None:
    loaded = _loaded_by("from components import MlflowDeployment")
    assert {"components", "pulumi", "pulumi_kubernetes"} <= loaded
    clouds = {
        "pulumi_aws",
        "pulumi_gcp",
        "pulumi_azure_native",
        "boto3",
        "google.cloud",
        "azure",
        "mlflow",
        "toolchain",
    }
    assert not loaded & clouds


def test_the_command_line_loads_neither_pulumi_nor_a_client_of_kubernetes_before_it_needs_one() -> None:
    loaded = _loaded_by("import components.operations.cli")
    assert {"components", "typer"} <= loaded
    assert not loaded & {"pulumi", "pulumi_kubernetes", "pydantic", "kubernetes", "toolchain"}


def _loaded_by(statement: str) -> set[str]:
    """Top-level modules that a statement loads in a new interpreter."""
    program = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())
