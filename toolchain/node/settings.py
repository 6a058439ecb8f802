"""What the host tells the node's first process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """All paths are the host's.

    Args:
        state: Folder that becomes `/node`.
        programs: Binaries by name, as `golang.build` names them, and `containerd`.
        environment: Environment variables with which they are found and run.
        cni_programs: Folder of the CNI plugins.
        pause_image: Reference of the image of which every pod's first container is made.
        pause_archive: That image.
        visible: Folders that must keep their paths although the node has its own `/run`, `/tmp` and `/var`.
        way_out: Whether packets may leave through the host.
    """

    state: str
    programs: dict[str, str]
    environment: dict[str, str]
    cni_programs: str
    pause_image: str
    pause_archive: str
    visible: tuple[str, ...]
    way_out: bool

    def write(self, path: Path) -> None:
        """Write to a file that `read` reads."""
        path.write_text(json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, path: Path) -> Settings:
        """What `write` wrote."""
        values = json.loads(path.read_text())
        return cls(**{**values, "visible": tuple(values["visible"])})
