"""What is shipped, in a folder on Python's path: tests here import the programs as pods run them."""

import sys
import tempfile
from pathlib import Path

from components.in_image import PROGRAMS

_FOLDER = tempfile.TemporaryDirectory(prefix="programs-")
for program in PROGRAMS:
    Path(_FOLDER.name, program.name).write_text(program.source, encoding="utf-8")
sys.path.append(_FOLDER.name)
