"""Backups on a volume."""

from ..arguments import AccessMode, BackupVolumeArgs, VolumeArgs
from ..contracts import Storage, StorageKind
from ..pods.scope import Scope
from .claims import claim

_DIRECTORY = "/mlflow/backups"


def volume(scope: Scope, args: BackupVolumeArgs) -> Storage:
    """A directory on a claim."""
    wanted = VolumeArgs(
        size_gb=args.size_gb,
        storage_class=args.storage_class,
        access_mode=AccessMode.READ_WRITE_MANY,
        existing_claim=args.existing_claim,
    )
    made = claim(scope, "backups", wanted, _DIRECTORY)
    return Storage(kind=StorageKind.VOLUME, path=_DIRECTORY, volumes=[made])
