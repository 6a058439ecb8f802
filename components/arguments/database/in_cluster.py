"""Database servers in the cluster, next to MLflow."""

from collections.abc import Iterable, Iterator
from typing import Any

from ... import versions
from ..base import Input, Problem, block
from ..checks import between, image, resources
from ..kinds import DatabaseBlock
from ..volume import VolumeArgs

__all__ = ["InClusterMysqlArgs", "InClusterPostgresqlArgs"]


@block
class InClusterPostgresqlArgs(DatabaseBlock):
    """A PostgreSQL server with its own claim: for clusters without a managed database. It is a single pod, so MLflow is
    down while its node is. A new major version cannot read the files of an older one: dump and restore."""

    volume: VolumeArgs = VolumeArgs(size_gb=20)
    """The claim that holds the database."""
    image: Input[str] = versions.POSTGRESQL_IMAGE
    """Official image of PostgreSQL, or one with the same entry point, with tag or digest."""
    connection_limit: int = 100
    """Connections that the server accepts from MLflow; a configuration that could exceed it is refused."""
    cpu_request: str = "250m"
    """Guaranteed CPU, in cores or millicores."""
    cpu_limit: str | None = None
    """Upper bound of CPU; `resources.all.cpuLimit` if not given."""
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "1Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        yield from _problems(self)


@block
class InClusterMysqlArgs(DatabaseBlock):
    """A MariaDB server with its own claim: for clusters without a managed database. It is a single pod, so MLflow is down
    while its node is."""

    volume: VolumeArgs = VolumeArgs(size_gb=20)
    """The claim that holds the database."""
    image: Input[str] = versions.MARIADB_IMAGE
    """Official image of MariaDB, or one with the same entry point, with tag or digest."""
    connection_limit: int = 100
    """Connections that the server accepts from MLflow; a configuration that could exceed it is refused."""
    cpu_request: str = "250m"
    """Guaranteed CPU, in cores or millicores."""
    cpu_limit: str | None = None
    """Upper bound of CPU; `resources.all.cpuLimit` if not given."""
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "1Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        yield from _problems(self)


def _problems(block: Any) -> Iterator[Problem]:
    yield from image(block.image, "image")
    yield from between(block.connection_limit, 10, 10_000, "connection_limit", "connections")
    yield from resources(block)
