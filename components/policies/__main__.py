"""What Pulumi starts in this folder, where it is neither installed nor part of a package."""

import importlib
import sys
from pathlib import Path

package = Path(__file__).resolve().parents[1]  # `pulumi_mlflow`, and in the repository `components`
sys.path.append(str(package.parent))
importlib.import_module(f"{package.name}.policies.pack").serve()
