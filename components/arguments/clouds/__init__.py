"""The clouds on which parts of a deployment are created: account, network and cluster, and how each cloud spells its names."""

from . import aws, azure, gcp, names
from .aws import *
from .azure import *
from .gcp import *
from .names import *

__all__: list[str] = []
__all__ += aws.__all__
__all__ += azure.__all__
__all__ += gcp.__all__
__all__ += names.__all__
