"""What the package offers to programs, imported when the first of it is asked for."""

from . import arguments
from .arguments import *
from .mlflow_deployment import MlflowDeployment
from .reading.configuration import load_arguments
from .reading.conversion import ConfigurationError, to_arguments

__all__ = ["ConfigurationError", "MlflowDeployment", "load_arguments", "to_arguments"]
__all__ += arguments.__all__
