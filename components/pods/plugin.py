"""Modules of ours that MLflow finds as it finds plugins: https://mlflow.org/docs/latest/ml/plugins/."""

import dataclasses
from collections.abc import Mapping

from ..contracts import Files
from ..in_image import Program
from .part import PodPart
from .scope import Scope
from .volumes import files


def plugin(program: Program, name: str, directory: str, group: str, points: Mapping[str, str]) -> Files:
    """A module with its entry points, as an installed package has them.

    Args:
        program: The module.
        name: Name of the volume.
        directory: Where it is mounted.
        group: Of the entry points.
        points: What of the module stands for which name.
    """
    module = program.module
    lines = [f"[{group}]", *(f"{point} = {module}:{what}" for point, what in points.items()), ""]
    return Files(
        name=name,
        directory=directory,
        plain={
            **program.files,
            f"{module}-1.dist-info/entry_points.txt": "\n".join(lines),
            f"{module}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n",
        },
    )


def installed(scope: Scope, component: str, plugin: Files) -> PodPart:
    """The plugin on Python's path, before the image's own packages: of several plugins of one name MLflow takes the first."""
    return dataclasses.replace(files(scope, component, plugin), python_path=[plugin.directory])
