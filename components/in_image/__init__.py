"""Programs that run inside the MLflow image. They import nothing of this package, and nothing that the image lacks.

A changed byte changes the pods that run the program.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """A program of this folder.

    Attributes:
        name: File name, for example `migrate.py`.
    """

    name: str

    @property
    def module(self) -> str:
        """What Python imports it as where its folder is on the path."""
        return self.name.removesuffix(".py")

    @property
    def source(self) -> str:
        """Its text."""
        return (Path(__file__).parent / self.name).read_text(encoding="utf-8")
