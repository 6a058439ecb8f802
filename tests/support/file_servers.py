"""File servers on this machine, reachable from pods: FTP by pyftpdlib, SFTP by asyncssh."""

import asyncio
import contextlib
import secrets
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from tests.support import processes


@dataclass(frozen=True)
class Directory:
    """An empty directory that a server shows as its root.

    Attributes:
        host: Address for pods.
        port: TCP port.
        username, password: As whom to log in.
        folder: Where its files are on this machine.
        private_key: Key that logs in as well; only SFTP.
        known_hosts: Lines with the server's host keys; only SFTP.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: Path
    private_key: str = field(default="", repr=False)
    known_hosts: str = ""

    def objects(self) -> list[str]:
        """Paths of all files."""
        return [str(path.relative_to(self.folder)) for path in sorted(self.folder.rglob("*")) if path.is_file()]

    def read(self, name: str) -> bytes:
        """Content of a file."""
        return (self.folder / name).read_bytes()


@contextlib.contextmanager
def ftp(host: str, folder: Path) -> Iterator[Directory]:
    """Run an FTP server; its password is hard to put into a URI.

    Args:
        host: Address of this machine at which pods reach it.
        folder: An empty folder.
    """
    (folder / "root").mkdir()
    made = Directory(host, processes.free_port(), "mlflow", secrets.token_hex(8) + "/%@:?# ü", folder / "root")
    command = [sys.executable, "-m", "pyftpdlib", "--interface=0.0.0.0", f"--port={made.port}", "--write"]
    command += [f"--directory={made.folder}", f"--username={made.username}", f"--password={made.password}"]

    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", made.port), 2) as connection:
            return connection.recv(3) == b"220"

    with processes.running(command, folder / "log", ready=answers):
        yield made


class _Logins(asyncssh.SSHServer):
    def __init__(self, username: str, password: str) -> None:
        self._login = (username, password)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == self._login


async def _end(server: asyncssh.SSHAcceptor) -> None:
    """Close the server, and the connections that clients left open."""
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@contextlib.contextmanager
def sftp(
    host: str, folder: Path, host_kinds: Sequence[str] = ("ssh-ed25519",), user_kind: str = "ssh-rsa"
) -> Iterator[Directory]:
    """Run an SFTP server in a thread.

    Args:
        host: Address of this machine at which pods reach it.
        folder: An empty folder.
        host_kinds: Kinds of the server's keys.
        user_kind: Kind of the user's key, which is in PEM form if it is RSA, else in OpenSSH's.
    """
    root = folder / "root"
    root.mkdir()
    host_keys = [asyncssh.generate_private_key(kind) for kind in host_kinds]
    user_key = asyncssh.generate_private_key(user_kind)
    public = [key.export_public_key("openssh").decode().split()[:2] for key in host_keys]
    made = Directory(
        host,
        processes.free_port(),
        "mlflow",
        secrets.token_hex(8) + "%@:'ü",
        root,
        user_key.export_private_key("pkcs1-pem" if user_kind == "ssh-rsa" else "openssh").decode(),
        "\n".join(" ".join([host, *words]) for words in public),
    )

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "::" if ":" in host else "0.0.0.0",
            made.port,
            server_host_keys=host_keys,
            server_factory=lambda: _Logins(made.username, made.password),
            authorized_client_keys=asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
        yield made
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
