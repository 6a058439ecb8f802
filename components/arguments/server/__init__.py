"""The tracking server: its options, environment, image, pods, keys and scaling."""

from . import image, keys, pod, resources, scaling, server
from .image import *
from .keys import *
from .pod import *
from .resources import *
from .scaling import *
from .server import *

__all__: list[str] = []
__all__ += image.__all__
__all__ += keys.__all__
__all__ += pod.__all__
__all__ += resources.__all__
__all__ += scaling.__all__
__all__ += server.__all__
