"""MLflow on Kubernetes as a Pulumi component.

Importing this package imports no cloud SDK: those are imported when a cloud is chosen.
"""

from . import arguments
from .arguments import *
from .mlflow_deployment import MlflowDeployment
from .reading.configuration import load_arguments
from .reading.conversion import ConfigurationError, to_arguments

__all__ = ["ConfigurationError", "MlflowDeployment", "load_arguments", "to_arguments"]
__all__ += arguments.__all__
