"""File servers that exist already (FTP, SFTP, NFS, HDFS), and any other store by its URI."""

import base64
import binascii
import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain, secret
from ..checks import (
    ExistingSecret,
    absolute_path,
    between,
    exactly_one,
    host_name,
    kubernetes_name,
    one_at_most,
    pattern,
    secret_key,
)
from ..kinds import ArtifactBlock
from ..server.environment import ARTIFACT_VARIABLES, OWN_VARIABLES, variables


@block
class FtpSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the password."""

    name: Input[str]
    """Name of the Secret."""
    password_key: str = "password"
    """Key of the password in the Secret. It becomes part of a URI, so it must be percent-encoded there."""


@block
class FtpArgs(ArtifactBlock):
    """A directory on an FTP server. Nothing is encrypted on the way, and MLflow cannot delete artifacts there.

    A network policy must leave the server's passive ports open: `networkPolicy.egress`."""

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 21
    """TCP port."""
    path: Input[str] = "/"
    """Directory, from the root that the server shows."""
    username: Input[str] | None = None
    """User; anonymous if not given."""
    password: Input[str] | None = secret()
    """Password of the user, any characters."""
    existing_secret: FtpSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""

    def problems(self) -> Iterable[Problem]:
        yield from _server(self)
        yield from one_at_most(self, ("password", "existing_secret"))
        if self.username is None and (self.password is not None or self.existing_secret is not None):
            yield Problem(("username",), "is required with a password", "name the user")
        if self.username is not None and self.password is None and self.existing_secret is None:
            yield Problem(("password",), "is required with a user", "give password or existingSecret")


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

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 22
    """TCP port."""
    path: Input[str] = "/"
    """Directory, from the root that the server shows."""
    username: Input[str]
    """User."""
    known_hosts: Input[str]
    """Lines of a `known_hosts` file with the server's host key, under its bare host name whatever the port
    (`ssh-keyscan -p PORT HOST` writes `[HOST]:PORT`: write `HOST` instead)."""
    password: Input[str] | None = secret()
    """Password of the user: any characters but `/`, `?`, `#`, `[`, `]` and white space, which MLflow cannot read back."""
    private_key: Input[str] | None = secret()
    """RSA private key of the user without passphrase, in PEM or OpenSSH form; MLflow's library knows no other kind."""
    existing_secret: SftpSecretArgs | None = None
    """Secret that holds the password or the private key."""

    def problems(self) -> Iterable[Problem]:
        yield from _server(self)
        yield from exactly_one(self, ("password", "private_key", "existing_secret"), "`existingSecret: {…}`")
        password = plain(self.password)
        if isinstance(password, str) and re.search(r"[/?#\[\]\s]", password):
            message = "holds '/', '?', '#', '[', ']' or white space, which MLflow cannot read back from a URI"
            yield Problem(("password",), message, "use another password, or a private key")
        key = plain(self.private_key)
        if isinstance(key, str) and (wrong := _private_key(key)):
            yield Problem(("private_key",), wrong, "make one with `ssh-keygen -t rsa -b 4096 -m PEM -N ''`")
        hosts, host = plain(self.known_hosts), plain(self.host)
        if isinstance(hosts, str) and isinstance(host, str) and not _knows(hosts, host):
            yield Problem(
                ("known_hosts",),
                f"has no line for {host!r}",
                f"write `{host} ssh-ed25519 AAAA…`, from `ssh-keyscan {host}` and checked with its owner",
            )

    @property
    def by_password(self) -> bool:
        """Whether the server asks for a password, which is then part of the URI."""
        return self.password is not None or (
            self.existing_secret is not None and self.existing_secret.password_key is not None
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


def _knows(known_hosts: str, host: str) -> bool:
    lines = [line.split() for line in known_hosts.splitlines() if line.strip() and not line.startswith("#")]
    # A hashed name (`|1|…`) could be any.
    return any(len(line) >= 3 and (host in line[0].split(",") or line[0].startswith("|1|")) for line in lines)


@block
class NfsArgs(ArtifactBlock):
    """A directory that an NFS server exports, as a volume of the server pods. All replicas share it."""

    server: Input[str]
    """DNS name or address of the server, as the nodes resolve it."""
    path: Input[str]
    """Exported directory. The pods' user (`pod.runAsUser`) must be allowed to write there."""
    mount_options: list[str] = Field(default_factory=lambda: ["nfsvers=4.1", "hard"])
    """Options of the mount."""
    size_gb: int = 100
    """Size to tell Kubernetes in GiB; the server enforces its own."""

    def problems(self) -> Iterable[Problem]:
        yield from host_name(self.server, "server")
        yield from absolute_path(self.path, "path")
        yield from between(self.size_gb, 1, 1_048_576, "size_gb", "GiB")
        for index, option in enumerate(self.mount_options):
            if not re.fullmatch(r"[a-z_]+(=[\w.:/-]+)?", option):
                yield Problem(("mount_options", index), f"{option!r} is not a mount option", "write name or name=value")


@block
class TicketCacheArgs(Block):
    """Where the Kerberos ticket cache is: in a Secret, or in a file that a container or volume of your own provides."""

    existing_secret: Input[str] | None = None
    """Name of an existing Secret in the deployment's namespace that holds the cache, and is renewed by someone."""
    key: str = "krb5cc"
    """Key of the cache in that Secret."""
    path: str | None = None
    """Path of a file in the server's container."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.existing_secret, "existing_secret", "the name of a Secret")
        yield from secret_key(self.key, "key")
        yield from absolute_path(self.path, "path")
        yield from exactly_one(self, ("existing_secret", "path"), "`existingSecret: mlflow-kerberos`")


@block
class HdfsArgs(ArtifactBlock):
    """A directory on HDFS. The image must hold Java and a Hadoop client with libhdfs, which the official ones lack."""

    host: Input[str] | None = None
    """Name node, or the name of a nameservice; what `core-site.xml` in the image says if not given."""
    port: Input[int] | None = None
    """Port of the name node; the client's default if not given."""
    path: Input[str] = "/"
    """Directory."""
    user: Input[str] | None = None
    """User, or Kerberos principal, to act as."""
    ticket_cache: TicketCacheArgs | None = None
    """Kerberos ticket cache; no Kerberos if not given."""
    kerberos_configuration: Input[str] | None = None
    """Content of `krb5.conf`; the image's own if not given."""
    extra_configuration: dict[str, str] = Field(default_factory=dict)
    """Further settings of the Hadoop client, for example `{dfs.replication: "2"}`."""

    def problems(self) -> Iterable[Problem]:
        yield from host_name(self.host, "host")
        yield from between(self.port, 1, 65_535, "port")
        yield from absolute_path(self.path, "path")
        if self.port is not None and self.host is None:
            yield Problem(("port",), "is given without a host", "name the host, or remove the port")
        for key, value in self.extra_configuration.items():
            if not re.fullmatch(r"[\w.-]+", key) or "," in value:
                message = "cannot be told to MLflow, which separates settings by commas and equal signs"
                yield Problem(("extra_configuration", key), message, "set it in the image's hdfs-site.xml")


@block
class UriSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the whole URI."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "uri"
    """Key of the URI in the Secret."""


@block
class UriArgs(ArtifactBlock):
    """Any artifact store that MLflow or a plugin in the image knows, by its URI."""

    uri: Input[str] | None = secret()
    """The URI. It may hold credentials, so it is kept in a Secret."""
    existing_secret: UriSecretArgs | None = None
    """Secret that holds the URI, instead of `uri`."""
    env: dict[str, Input[str]] = Field(default_factory=dict)
    """Environment variables that the store's client library reads, not secret."""
    secret_env: dict[str, Input[str]] | None = secret()
    """The same, kept in a Secret."""
    presigned: bool = False
    """Let clients move files straight to and from the store by presigned URLs, where MLflow can make them (S3, Azure
    Blob, GCS)."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, ("uri", "existing_secret"), "`uri: s3://bucket/path`")
        own = {name: use for name, use in OWN_VARIABLES.items() if name not in ARTIFACT_VARIABLES}
        yield from variables(self.env, self.secret_env or {}, own=own)
        uri = plain(self.uri)
        if not isinstance(uri, str):
            return
        scheme = re.match(r"([a-z][a-z0-9+.-]*):/", uri)
        if scheme is None or scheme[1] == "file":
            yield Problem(("uri",), "is a path of the container, which is lost with it", "use artifacts.volume")
        elif re.match(r"(runs|models):|mlflow-artifacts:/(?!/)", uri):
            yield Problem(("uri",), f"{scheme[1]}: refers to the server itself", "give the address of a store")


def _server(args: FtpArgs | SftpArgs) -> Iterable[Problem]:
    """Problems that the two file servers share."""
    yield from host_name(args.host, "host")
    yield from between(args.port, 1, 65_535, "port")
    yield from absolute_path(args.path, "path")
    # MLflow does not decode it.
    fix = "use letters, digits, '.', '_' and '-'"
    yield from pattern(args.username, r"[\w.-]+", "username", "a user name that fits into a URI", fix)
