"""Importing the package is cheap: it loads no cloud SDK."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_of_the_package_loads_no_cloud_sdk() -> None:
    program = "import sys, components; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
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
