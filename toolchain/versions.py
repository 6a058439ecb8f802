"""The project's versions: those of `components/versions.py`, without the import of its package, which needs Pulumi."""

import runpy
from typing import TYPE_CHECKING

from toolchain.paths import ROOT

FILE = ROOT / "components" / "versions.py"

if TYPE_CHECKING:
    from components.versions import *  # noqa: F403
else:
    globals().update({name: value for name, value in runpy.run_path(str(FILE)).items() if name.isupper()})
