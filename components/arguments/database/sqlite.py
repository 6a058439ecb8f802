"""SQLite on a persistent volume."""

from ..base import block
from ..kinds import DatabaseBlock, MlflowImage
from ..volume import VolumeArgs

__all__ = ["SqliteArgs"]


@block
class SqliteArgs(DatabaseBlock):
    """SQLite on a persistent volume: one replica, for development and small teams."""

    server = False
    mlflow_image = MlflowImage.BASE

    volume: VolumeArgs = VolumeArgs(size_gb=5)
    """The claim that holds the database file."""
