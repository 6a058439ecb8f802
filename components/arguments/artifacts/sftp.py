"""A directory on an SFTP server."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..base import Input, Problem, block, plain, secret
from ..checks import (
    ExistingSecret,
    exactly_one,
    file_server,
    one_at_most,
)
from ..kinds import ArtifactBlock

__all__ = ["SftpArgs", "SftpSecretArgs"]


@block
class SftpSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a password or a private key."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str | None = None
    """Key of the password in the Secret. It becomes part of a URI: no `/`, `?`, `#`, `[`, `]` and no white space."""
    private_key_key: str | None = None
    """Key of the private key in the Secret."""

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        yield from one_at_most(self, ("password_key", "private_key_key"))
        if self.password_key is None and self.private_key_key is None:
            yield Problem((), "names no key of the Secret", "give passwordKey or privateKeyKey")


@block
class SftpArgs(ArtifactBlock):
    """A directory on an SFTP server."""

    variables: ClassVar[Mapping[str, str]] = {"LOGNAME": ""}
    one_of = ("password", "private_key", "existing_secret")

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 22
    """TCP port."""
    path: Input[str] = "/"
    """Directory, as an absolute path on the server."""
    username: Input[str]
    """User."""
    known_hosts: Input[str]
    """Lines of a `known_hosts` file with the server's host key, under its bare host name whatever the port
    (`ssh-keyscan -p PORT HOST` writes `[HOST]:PORT`: write `HOST` instead)."""
    password: Input[str] | None = secret()
    """Password of the user: any characters except `/`, `?`, `#`, `[`, `]` and white space, which MLflow cannot parse."""
    private_key: Input[str] | None = secret()
    """RSA private key of the user without passphrase, in PEM or OpenSSH form; MLflow's library supports no other type."""
    existing_secret: SftpSecretArgs | None = None
    """Secret that holds the password or the private key."""

    def problems(self) -> Iterable[Problem]:
        yield from sftp_server(self)
        yield from exactly_one(self, self.one_of, "`existingSecret: {…}`")
        password = plain(self.password)
        if isinstance(password, str) and re.search(r"[/?#\[\]\s]", password):
            message = "holds '/', '?', '#', '[', ']' or white space, which MLflow cannot read back from a URI"
            yield Problem(("password",), message, "use another password, or a private key")
        key = plain(self.private_key)
        if isinstance(key, str) and (wrong := _private_key(key)):
            yield Problem(("private_key",), wrong, "create one with `ssh-keygen -t rsa -b 4096 -m PEM -N ''`")

    @property
    def password_in_uri(self) -> bool:
        return self.password is not None or (
            self.existing_secret is not None and self.existing_secret.password_key is not None
        )


def sftp_server(block: Any) -> Iterable[Problem]:
    """What is true of every block that names a directory on an SFTP server."""
    yield from file_server(block)
    hosts, host = plain(block.known_hosts), plain(block.host)
    if isinstance(hosts, str) and isinstance(host, str) and host.split() == [host] and not host_keys(hosts, host):
        yield Problem(
            ("known_hosts",),
            f"has no line for {host!r}",
            f"write `{host} ssh-ed25519 AAAA…`, from `ssh-keyscan {host}` and checked with its owner",
        )


def _private_key(text: str) -> str | None:
    """What is wrong with a private key, if it is not one that pysftp reads."""
    if "BEGIN RSA PRIVATE KEY" in text:
        return "is encrypted with a passphrase" if "ENCRYPTED" in text else None
    match = re.search(r"BEGIN OPENSSH PRIVATE KEY-+([A-Za-z0-9+/=\s]+)-+END", text)
    if not match:
        return "is not a private key in PEM or OpenSSH form"
    try:
        content = base64.b64decode(match[1])
    except binascii.Error:
        return "is cut off or changed"
    # https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key: magic, then the cipher's name.
    if not content.startswith(b"openssh-key-v1\0\0\0\0\4none"):
        return "is encrypted with a passphrase"
    return None if b"\0\0\0\7ssh-rsa" in content else "is not an RSA key"


def host_keys(known_hosts: str, host: str) -> dict[str, str]:
    """Kind and key of each line that means a host, by the kind.

    Args:
        known_hosts: A file as https://man.openbsd.org/sshd#SSH_KNOWN_HOSTS_FILE_FORMAT has it; names may be hashed.
        host: A bare host name.
    """
    lines = [line.split() for line in known_hosts.splitlines() if line.strip() and not line.startswith(("#", "@"))]
    return {words[1]: f"{words[1]} {words[2]}" for words in lines if len(words) >= 3 and _names(words[0], host)}


def _names(hosts: str, host: str) -> bool:
    if not hosts.startswith("|1|"):
        return host in hosts.split(",")
    salt, _, digest = hosts.removeprefix("|1|").partition("|")
    try:
        return hmac.new(base64.b64decode(salt), host.encode(), "sha1").digest() == base64.b64decode(digest)
    except binascii.Error:
        return False
