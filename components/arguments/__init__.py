"""The typed arguments: one definition for stack configuration, Python callers, the JSON schema and component providers.

Every module lists its own public names; nothing is listed twice.
"""

from . import (
    access,
    artifacts,
    backup,
    clouds,
    database,
    deployment,
    environment,
    identity,
    jobs,
    monitoring,
    names,
    server,
    volume,
)
from .access import *
from .artifacts import *
from .backup import *
from .base import Input, Problem
from .clouds import *
from .database import *
from .deployment import *
from .environment import *
from .identity import *
from .jobs import *
from .monitoring import *
from .names import *
from .server import *
from .upgrade import *
from .volume import *

__all__ = ["Input", "Problem"]
__all__ += access.__all__
__all__ += artifacts.__all__
__all__ += backup.__all__
__all__ += clouds.__all__
__all__ += database.__all__
__all__ += deployment.__all__
__all__ += environment.__all__
__all__ += identity.__all__
__all__ += jobs.__all__
__all__ += monitoring.__all__
__all__ += names.__all__
__all__ += server.__all__
__all__ += volume.__all__
