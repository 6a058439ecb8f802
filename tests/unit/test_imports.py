"""Importing is cheap: the package loads no cloud SDK, and the command line not even Pulumi. Modules are short, or say why not."""

import ast
import subprocess
import sys

import pytest

from toolchain.paths import ROOT

LONG = 350


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


@pytest.mark.parametrize("folder", ["components", "toolchain", "bench"])
def test_a_long_module_says_why(folder: str) -> None:
    silent = []
    for file in (ROOT / folder).rglob("*.py"):
        text = file.read_text()
        if text.count("\n") > LONG and "long" not in (ast.get_docstring(ast.parse(text)) or ""):
            silent.append(str(file.relative_to(ROOT)))
    assert not silent
