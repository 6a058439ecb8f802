"""MLflow on Kubernetes as a Pulumi component.

Importing this package imports no cloud SDK: those are imported when a cloud is chosen.
"""

from .arguments import *  # noqa: F403 - the arguments are the public interface
from .arguments import __all__ as _arguments
from .mlflow_deployment import MlflowDeployment
from .reading.configuration import load_arguments

__all__ = ["MlflowDeployment", "load_arguments", *_arguments]
