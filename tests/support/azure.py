"""A container on a stand-in for Azure Blob Storage: Azurite."""

import base64
import contextlib
import os
import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.support import processes

ACCOUNT = "mlflowtests"
"""Name of the storage account."""


@dataclass(frozen=True)
class Container:
    """An empty container.

    Attributes:
        account: Name of the storage account.
        name: Name of the container.
        connection_string: What may use it.
        port: Where the stand-in listens.
        key: The account's key.
        authority: File with the authority of its certificate, where it has one.
    """

    account: str
    name: str
    connection_string: str
    port: int
    key: str
    authority: Path | None

    @property
    def url(self) -> str:
        """URL of the account."""
        return self.connection_string.rpartition("BlobEndpoint=")[2].rstrip(";")

    def client(self, name: str | None = None) -> ContainerClient:
        """A client for it, or for another container of the account."""
        verify = str(self.authority) if self.authority is not None else True
        name = name or self.name
        return ContainerClient.from_connection_string(self.connection_string, name, connection_verify=verify)

    def objects(self) -> list[str]:
        """Names of all blobs."""
        return [str(name) for name in self.client().list_blob_names()]

    def read(self, name: str) -> bytes:
        """Content of a blob."""
        return self.client().download_blob(name).readall()


@contextlib.contextmanager
def serve(program: str, host: str, log: Path, certificates: Path | None = None) -> Iterator[Container]:
    """Run the stand-in on all addresses of this machine, with everything in memory, and make a container.

    Args:
        program: The program.
        host: Address of this machine at which pods reach it.
        log: Receives its output.
        certificates: Folder with `authority.pem`, `server.crt` and `server.key`. With them it is served over TLS and takes
            tokens of identities as well, as their issuer, audience and life allow.
    """
    port = processes.free_port()
    account, key = ACCOUNT, base64.b64encode(secrets.token_bytes(64)).decode()

    def answers() -> bool:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True

    command = [
        program,
        "--inMemoryPersistence",
        "--blobHost",
        "0.0.0.0",
        "--blobPort",
        str(port),
        "--skipApiVersionCheck",
    ]
    if certificates is not None:
        command += ["--oauth", "basic", "--cert", f"{certificates}/server.crt", "--key", f"{certificates}/server.key"]
    scheme = "http" if certificates is None else "https"
    authority = None if certificates is None else certificates / "authority.pem"
    # It asks itself for what is to be copied from one of its blobs to another.
    trusted = {} if authority is None else {"NODE_EXTRA_CA_CERTS": str(authority)}
    env = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}", **trusted}
    with processes.running(command, log, env=env, ready=answers):
        endpoint = f"{scheme}://{host}:{port}/{account}"
        connection = (
            f"DefaultEndpointsProtocol={scheme};AccountName={account};AccountKey={key};BlobEndpoint={endpoint};"
        )
        made = Container(account, f"t-{secrets.token_hex(6)}", connection, port, key, authority)
        made.client().create_container()
        yield made
