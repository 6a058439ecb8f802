"""The containers that copy artifacts as processes of this machine, beside manifests as backups have them."""

import dataclasses
import json
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.support import rendered
from tests.support.backups import FailedError
from toolchain.bare import wheels

OWNER = "mlflow/mlflow"


@dataclasses.dataclass(frozen=True)
class Copies:
    """A deployment's.

    Attributes:
        folder: Its volumes.
        kept, checked, restored, drilled: The container in a backup, those in a restore, and the one in a drill.
    """

    folder: Path
    kept: rendered.Container
    checked: rendered.Container
    restored: rendered.Container
    drilled: rendered.Container

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path, more: Mapping[str, str] | None = None) -> "Copies":
        """What the component renders for these values, with further variables in every container."""
        for name in ("dump", "restored", "login"):
            (folder / name).mkdir(parents=True)
        (folder / "login" / "ready").touch()
        own = {
            "BACKUP_FOLDER": str(folder / "dump"),
            "RESTORED_FOLDER": str(folder / "restored"),
            "LOGIN_FOLDER": str(folder / "login"),
            "CLOCKS_DIFFER": "0",
        }
        program = wheels.program(wheels.RCLONE)

        def inside(each: rendered.Container) -> rendered.Container:
            path = f"{program.parent}:{each.environment['PATH']}"
            return dataclasses.replace(each, environment={**each.environment, **own, **(more or {}), "PATH": path})

        backup, restore, drill = (
            rendered.pod(values, f"mlflow-{kind}", folder) for kind in ("backup", "restore", "backup-drill")
        )
        (kept,) = [each for each in backup.beside if each.name == "artifacts"]
        found = [
            kept,
            *map(restore.init_container, ("check-artifacts", "artifacts")),
            drill.init_container("artifacts"),
        ]
        return cls(folder, *map(inside, found))

    def told(self, more: Mapping[str, str]) -> "Copies":
        """With further variables in every container."""
        found = [self.kept, self.checked, self.restored, self.drilled]
        return Copies(
            self.folder,
            *(dataclasses.replace(each, environment={**each.environment, **more}) for each in found),
        )

    def keep(self, *, tag: str = "backup", oldest: str = "") -> tuple[str, str]:
        """What a backup does now; returns its moment, and the log.

        Args:
            tag: What the backup is for.
            oldest: Moment of the oldest backup that is left.
        """
        moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._manifest("dump", moment)
        (self.folder / "dump" / ".oldest").write_text(f"{oldest.removesuffix('Z')}\n" if oldest else "")
        (self.folder / "dump" / ".stored").touch()
        log = self._run(self.kept, BACKUP_TAG=tag)
        time.sleep(1.1)  # what comes next does not have the same second
        return moment, log

    def drill(self, moment: str) -> str:
        """What the drill of a backup does."""
        self._manifest("restored", moment)
        return self._run(self.drilled)

    def restore(self, moment: str, **settings: str) -> str:
        """What the restore of a backup does."""
        self._manifest("restored", moment)
        return self._run(self.checked, **settings) + self._run(self.restored, **settings)

    def verify(self) -> str:
        """What the command of this name does."""
        return self._run(dataclasses.replace(self.kept, command=[*self.kept.command[:-1], "verify"]))

    def run(self, *command: str) -> str:
        """Run rclone itself, with the variables of a backup's container."""
        login = (
            'export RCLONE_CONFIG_STORE_PASS="$(rclone obscure "${STORE_PASSWORD:--}" </dev/null)"; exec rclone "$@"'
        )
        return self._run(dataclasses.replace(self.kept, command=["sh", "-c", login, "sh", *command]))

    def _manifest(self, folder: str, moment: str) -> None:
        namespace, deployment = OWNER.split("/")
        content = {
            "namespace": namespace,
            "deployment": deployment,
            "taken_at": moment,
            "artifacts": {"kept": "copied"},
        }
        (self.folder / folder / "manifest.json").write_text(json.dumps(content, indent=1, sort_keys=True))

    def _run(self, container: rendered.Container, **settings: str) -> str:
        ended = dataclasses.replace(container, environment={**container.environment, **settings}).finish()
        log = ended.stdout + ended.stderr
        if ended.returncode:
            raise FailedError(log)
        return log
