"""Database servers in the cluster, next to MLflow."""

from collections.abc import Iterable, Iterator
from typing import Any

from ... import versions
from ..base import Input, Problem, block
from ..checks import amount, between, cpu, image, memory
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
    memory_request: str = "512Mi"
    """Guaranteed memory."""
    memory_limit: str = "1Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        yield from _problems(self)


def _problems(block: Any) -> Iterator[Problem]:
    yield from image(block.image, "image")
    yield from between(block.connection_limit, 10, 10_000, "connection_limit", "connections")
    yield from cpu(block.cpu_request, "cpu_request")
    wrong = [*memory(block.memory_request, "memory_request"), *memory(block.memory_limit, "memory_limit")]
    yield from wrong
    if not wrong and (amount(block.memory_request) or 0) > (amount(block.memory_limit) or 0):
        message = f"{block.memory_request!r} is more than the limit {block.memory_limit!r}"
        yield Problem(("memory_request",), message, "lower it, or raise the limit")
