"""A container on a stand-in for Azure Blob Storage: Azurite, over HTTP."""

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


@dataclass(frozen=True)
class Container:
    """An empty container.

    Attributes:
        account: Name of the storage account.
        name: Name of the container.
        connection_string: What may use it.
    """

    account: str
    name: str
    connection_string: str

    def client(self) -> ContainerClient:
        """A client for it."""
        return ContainerClient.from_connection_string(self.connection_string, self.name)

    def objects(self) -> list[str]:
        """Names of all blobs."""
        return [str(name) for name in self.client().list_blob_names()]

    def read(self, name: str) -> bytes:
        """Content of a blob."""
        return self.client().download_blob(name).readall()


@contextlib.contextmanager
def serve(program: str, host: str, log: Path) -> Iterator[Container]:
    """Run the stand-in on all addresses of this machine, with everything in memory, and make a container.

    Args:
        program: The program.
        host: Address of this machine at which pods reach it.
        log: Receives its output.
    """
    port = processes.free_port()
    account, key = "mlflowtests", base64.b64encode(secrets.token_bytes(64)).decode()

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
    with processes.running(command, log, env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}, ready=answers):
        endpoint = f"http://{host}:{port}/{account}"
        connection = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={endpoint};"
        made = Container(account, f"t-{secrets.token_hex(6)}", connection)
        made.client().create_container()
        yield made
