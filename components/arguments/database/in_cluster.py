"""Database servers in the cluster, next to MLflow."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ... import versions
from ..base import Input, Problem, block, plain, secret
from ..checks import ExistingSecret, between, image, resources
from ..kinds import DatabaseBlock
from ..volume import VolumeArgs

__all__ = ["InClusterMysqlArgs", "InClusterPostgresqlArgs", "InClusterSecretArgs"]


@block
class InClusterSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the password of the database's user `mlflow`."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret."""


@block
class InClusterPostgresqlArgs(DatabaseBlock):
    """A PostgreSQL server with its own claim: for clusters without a managed database. It is a single pod, so MLflow is
    down while its node is. A new major version cannot read the files of an older one: dump and restore."""

    volume: VolumeArgs = VolumeArgs(size_gb=20)
    """The claim that holds the database."""
    image: Input[str] = versions.POSTGRESQL_IMAGE
    """Official image of PostgreSQL, or one with the same entry point, with tag or digest."""
    connection_limit: int | None = None
    """Connections that the server accepts from MLflow; a configuration that could exceed it is refused. By default as many as the
    pods may open, and at least 100. Each takes 5 to 10 MiB while in use: see `memoryLimit`."""
    password: Input[str] | None = secret()
    """Password of the user `mlflow`, any characters but line breaks; generated if neither this nor `existingSecret` is given. Required
    with `volume.existingClaim`, whose database has a password of its own. Changing it later does not change it in the database."""
    existing_secret: InClusterSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
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
    connection_limit: int | None = None
    """Connections that the server accepts from MLflow; a configuration that could exceed it is refused. By default as many as the
    pods may open, and at least 100. Each takes 5 to 10 MiB while in use: see `memoryLimit`."""
    password: Input[str] | None = secret()
    """Password of the user `mlflow`, any characters but line breaks; generated if neither this nor `existingSecret` is given. Required
    with `volume.existingClaim`, whose database has a password of its own. Changing it later does not change it in the database."""
    existing_secret: InClusterSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
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
    if block.password is not None and block.existing_secret is not None:
        yield Problem(
            ("existing_secret",), "is given as well as password", "keep at most one of: password, existingSecret"
        )
    if block.volume.existing_claim is not None and block.password is None and block.existing_secret is None:
        yield Problem(
            ("volume", "existing_claim"),
            "holds a database with a password of its own, and a generated one would not be that",
            "give the password of its user mlflow in password or existingSecret",
            either=(("password",), ("existing_secret",)),
        )
    known = plain(block.password)
    if isinstance(known, str) and re.search(r"[\r\n\0]", known):
        yield Problem(("password",), "has a line break", "remove it")
    yield from between(block.connection_limit, 10, 10_000, "connection_limit", "connections")
    yield from resources(block)
