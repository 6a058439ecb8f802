"""What Pulumi starts in this folder, where it is neither installed nor part of a package."""

import importlib
import sys
from pathlib import Path

package = Path(__file__).resolve().parents[1]  # `pulumi_mlflow`, and in the repository `components`
sys.path.append(str(package.parent))
try:
    pack = importlib.import_module(f"{package.name}.policies.pack")
except ModuleNotFoundError as error:
    if error.name != "pulumi_policy":
        raise
    # Pulumi chooses the Python: that of the active virtual environment, which need not be the command line's.
    sys.exit(f"{sys.executable} has no pulumi-policy: pip install 'pulumi-mlflow[policies]'")
pack.serve()
