"""Every kind of artifact store that can run here, ready to be used by a deployment."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import azure, file_servers, gcs, s3
from toolchain.session import Session


@dataclass(frozen=True)
class Store:
    """A store with nothing in it.

    Attributes:
        artifacts: The block `artifacts` of a stack's configuration.
        secrets: Secret values by their path in the configuration.
        env: Variables of the server without which it would go to the real cloud.
        read: Content of what was stored, by the end of its name; None where only the server can look.
    """

    artifacts: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    env: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str], bytes] | None = None


Maker = Callable[[Session, Path], "contextlib.AbstractContextManager[Store]"]


@contextlib.contextmanager
def volume(session: Session, folder: Path) -> Iterator[Store]:
    """A new claim."""
    yield Store({"volume": {"sizeGb": 1}})


@contextlib.contextmanager
def minio(session: Session, folder: Path) -> Iterator[Store]:
    """MinIO in the cluster."""
    yield Store({"minio": {"volume": {"sizeGb": 1}, "memoryLimit": "512Mi"}})


@contextlib.contextmanager
def s3_compatible(session: Session, folder: Path) -> Iterator[Store]:
    """moto over HTTP, with keys."""
    with s3.serve(_host(session), folder / "log") as url:
        yield of_bucket(s3.bucket(url))


def of_bucket(bucket: s3.Bucket, **more: Any) -> Store:
    """A bucket on an S3-compatible endpoint.

    Args:
        bucket: The bucket.
        **more: Further values of the block `artifacts.s3`.
    """
    values = {**bucket.block, "prefix": "team/a", "region": "us-east-1", **more}
    return Store({"s3": values}, {"artifacts.s3.secretAccessKey": bucket.secret_access_key}, read=_reader(bucket))


@contextlib.contextmanager
def google(session: Session, folder: Path) -> Iterator[Store]:
    """fake-gcs-server, as with an identity of the pod."""
    with gcs.serve(_program(session, "fake-gcs-server"), _host(session), folder / "log") as url:
        bucket = gcs.bucket(url)
        values = {"bucket": bucket.name, "prefix": "team/a", "transferTimeoutSeconds": 30}
        values |= {"uploadChunkMb": 1, "downloadChunkMb": 1}
        yield Store({"gcs": values}, env={"STORAGE_EMULATOR_HOST": url}, read=_reader(bucket))


@contextlib.contextmanager
def azure_blob(session: Session, folder: Path) -> Iterator[Store]:
    """Azurite, with a connection string."""
    with azure.serve(_program(session, "azurite-blob"), _host(session), folder / "log") as container:
        values = {"account": container.account, "container": container.name, "prefix": "team/a"}
        yield Store(
            {"azureBlob": values},
            {"artifacts.azureBlob.connectionString": container.connection_string},
            read=_reader(container),
        )


@contextlib.contextmanager
def ftp(session: Session, folder: Path) -> Iterator[Store]:
    """pyftpdlib, with a password."""
    with file_servers.ftp(_host(session), folder) as directory:
        values = {"host": directory.host, "port": directory.port, "path": "/team/a", "username": directory.username}
        yield Store({"ftp": values}, {"artifacts.ftp.password": directory.password}, read=_reader(directory))


@contextlib.contextmanager
def sftp(session: Session, folder: Path) -> Iterator[Store]:
    """asyncssh, with a private key."""
    with file_servers.sftp(_host(session), folder) as directory:
        yield of_directory(directory, {"artifacts.sftp.privateKey": directory.private_key})


def of_directory(directory: file_servers.Directory, login: Mapping[str, str]) -> Store:
    """A directory on an SFTP server, with a key or a password."""
    values = {name: getattr(directory, name) for name in ("host", "port", "username")}
    values |= {"path": "/team/a", "knownHosts": directory.known_hosts}
    return Store({"sftp": values}, login, read=_reader(directory))


STORES: Mapping[str, Maker] = {
    "volume": volume,
    "s3": s3_compatible,
    "minio": minio,
    "gcs": google,
    "azure": azure_blob,
    "ftp": ftp,
    "sftp": sftp,
}
"""How to start each, by name: `with STORES[name](session, folder) as store`, in an empty folder."""


def _reader(store: s3.Bucket | gcs.Bucket | azure.Container | file_servers.Directory) -> Callable[[str], bytes]:
    def read(end: str) -> bytes:
        (name,) = [name for name in store.objects() if name.endswith(end)]
        return store.read(name)

    return read


def _host(session: Session) -> str:
    assert session.host_address
    return session.host_address


def _program(session: Session, name: str) -> str:
    if name in session.emulator_problems:
        pytest.skip(session.emulator_problems[name])
    assert name in session.emulators, f"`make test-all` prepares {name}; it is not there"
    return session.emulators[name]
