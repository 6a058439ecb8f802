"""MLflow on Kubernetes as a Pulumi component.

Importing this package imports neither Pulumi nor a cloud SDK: the first when a name of it is asked for, the second when a cloud is
chosen. The command line (`operations`) lives without either, and starts in the time that Pulumi's SDK alone would take to import.
"""

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .public import *
    from .public import __all__ as __all__


def __getattr__(name: str) -> Any:
    """A module of the package, or a public name at its first use: https://peps.python.org/pep-0562/."""
    if not name.startswith("__") and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f".{name}", __name__)
    if not name.startswith("__") or name == "__all__":
        public = importlib.import_module(".public", __name__)
        if hasattr(public, name):
            return getattr(public, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
