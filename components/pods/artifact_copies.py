"""Artifacts of a bucket or a server, beside the backups of the database: rclone copies them there, encrypted.

What is on a volume restic reads from a mount; a bucket has none. So there is one copy of the store, `current`, and beside it what backups
found to be replaced or deleted since the one before: `before/<moment>`. What there was at a backup is `current` and what later ones put
aside. rclone takes its settings from variables (https://rclone.org/docs/#environment-variables), here for two remotes, `place` and
`store`.
"""

from __future__ import annotations  # else importing this loads modules of the SDK that few deployments use

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from ..arguments import BackupArgs, BackupArtifacts, Input
from ..arguments.artifacts.sftp import host_keys
from ..contracts import ArtifactStore, Files, SecretValue, Storage, StorageKind, in_uri
from ..labels import BACKUP
from .artifact_store import destinations
from .backup_place import BackupPlace
from .environment import plain_environment, secret_environment
from .part import PodPart, join
from .scope import Scope
from .volumes import TMP, files

_SYSTEM = "/etc/ssl/certs:/etc/pki/tls/certs"
"""Where images keep authorities. Go looks in no other folder than those it is told of: https://pkg.go.dev/crypto/x509#SystemCertPool."""


@dataclass(frozen=True, kw_only=True)
class ArtifactCopies:
    """What a container with rclone consists of.

    Attributes:
        kept: To reach the copies.
        store: To reach the store.
    """

    kept: PodPart
    store: PodPart


def artifact_copies(scope: Scope, args: BackupArgs, place: BackupPlace, store: ArtifactStore) -> ArtifactCopies | None:
    """What it takes; None where artifacts are not copied this way.

    Args:
        scope: The deployment.
        args: The block.
        place: Where backups go.
        store: The artifacts.
    """
    if args.artifacts is not BackupArtifacts.COPIED or store.storage is None:
        return None
    to, of = place.destination, store.storage
    settings: dict[str, Input[str]] = {
        "HOME": TMP,
        "RCLONE_CONFIG": "/dev/null",
        # Twice the default, for the many small files of runs. Each large one takes up to 64 MiB of memory (`azureblob`, the most of all).
        "RCLONE_TRANSFERS": "8",
        # S3 tells in an answer of its own for each copy when its artifact was written.
        "RCLONE_CHECKERS": "32",
        "COPIES": _root("place", to, "artifacts"),
    }
    authorities = [posixpath.dirname(ca) for side in (to, of) if (ca := side.file("ca.pem")) is not None]
    if authorities:
        settings["SSL_CERT_DIR"] = ":".join([*authorities, _SYSTEM])
    own = PodPart(environment=plain_environment(settings), mounts=place.reach.mounts)
    artifacts = PodPart(
        environment=plain_environment({"ARTIFACTS": _root("store", of)}), network=destinations(scope, store)
    )
    mounted = [files(scope, BACKUP, each) for each in of.files]
    kept = {"COPIES_PASSWORD": place.password}
    return ArtifactCopies(
        kept=join(own, _remote(scope, "place", to, kept)),
        store=join(artifacts, _remote(scope, "store", of, {}), *mounted),
    )


def _root(remote: str, storage: Storage, *below: str) -> pulumi.Output[str]:
    """A path as rclone writes it: https://rclone.org/docs/#syntax-of-remote-paths."""

    def path(parts: list[str]) -> str:
        bucket, folder = parts
        whole = "/".join(part for part in (bucket, folder.rstrip("/"), *below) if part)
        return whole if storage.kind is StorageKind.VOLUME else f"{remote}:{whole}"

    return pulumi.Output.all(storage.bucket or "", storage.path).apply(path)


def _remote(scope: Scope, name: str, to: Storage, secrets: Mapping[str, SecretValue]) -> PodPart:
    """Variables of a remote, with further secret ones, and the keys of its server if it is one."""
    hosts = PodPart()
    found: dict[str, Input[str] | None] = {}
    login: dict[str, str] = {}
    match to.kind:
        case StorageKind.S3:
            # Of any service, since the endpoint is always given.
            found = {"type": "s3", "provider": "Other", "endpoint": to.endpoint, "region": to.region}
            found["force_path_style"] = None if to.path_style is None else str(to.path_style).lower()
            found["no_check_bucket"] = "true"
            login = {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key"}
        case StorageKind.GCS:
            found = {"type": "google cloud storage", "service_account_file": to.file("keyfile.json")}
            # Without access lists of objects, which buckets of today have not.
            found |= {"bucket_policy_only": "true", "no_check_bucket": "true"}
        case StorageKind.AZURE:
            found = {"type": "azureblob", "account": to.account, "no_check_container": "true"}
            found["endpoint"] = pulumi.Output.format("https://{0}.{1}", to.account, to.domain)
            login = {"AZURE_ACCOUNT_KEY": "key"}
        case StorageKind.SFTP:
            made = Files(
                name=f"rclone-{name}", directory=f"/etc/mlflow/rclone-{name}", plain={_HOSTS: _known_hosts(to)}
            )
            hosts = files(scope, BACKUP, made)
            # It puts host and port together as they are.
            host = pulumi.Output.from_input(to.host or "").apply(in_uri)
            found = {"type": "sftp", "host": host, "port": pulumi.Output.from_input(to.port).apply(str)}
            found |= {"user": to.username, "key_file": to.file("id"), "known_hosts_file": f"{made.directory}/{_HOSTS}"}
            # It would otherwise run programs on the server to find out about checksums.
            found |= {"shell_type": "none", "disable_hashcheck": "true", "host_key_algorithms": _algorithms(to)}
            login = {"SFTP_PASSWORD": ""}
        case StorageKind.VOLUME:
            pass

    def named(option: str) -> str:
        return f"RCLONE_CONFIG_{name.upper()}_{option.upper()}" if option else f"{name.upper()}_PASSWORD"

    variables = {named(option): value for option, value in found.items() if value is not None}
    if to.kind in _BY_IDENTITY and not (to.secret_environment or to.file("keyfile.json")):
        variables[named("env_auth")] = "true"
    variables |= {named(login[given]): value for given, value in to.environment.items() if given in login}
    hidden = {named(login[given]): value for given, value in to.secret_environment.items()}
    return join(
        hosts,
        PodPart(
            environment=[
                *plain_environment(variables),
                *secret_environment(scope, f"artifact-copies-{name}", BACKUP, {**secrets, **hidden}),
            ]
        ),
    )


_BY_IDENTITY = (StorageKind.S3, StorageKind.GCS, StorageKind.AZURE)
"""Where pods can log in without keys."""
_HOSTS = "known_hosts"


def _known_hosts(to: Storage) -> pulumi.Output[str]:
    """The server's keys under the name that rclone looks for, which holds the port: https://man.openbsd.org/sshd#SSH_KNOWN_HOSTS_FILE_FORMAT."""

    def lines(parts: list) -> str:
        text, host, port = parts
        name = f"[{host}]:{int(port)}" if int(port) != _SSH else f"[{host}]" if ":" in host else host
        return "".join(f"{name} {key}\n" for key in host_keys(text, host).values())

    return pulumi.Output.all(to.files[0].plain[_HOSTS], to.host, to.port).apply(lines)


def _algorithms(to: Storage) -> pulumi.Output[str]:
    """Those of the keys that are known. The server would otherwise choose among all that it has."""

    def names(parts: list) -> str:
        kinds = host_keys(*parts)
        return " ".join(name for kind in kinds for name in _SIGNED.get(kind, [kind]))

    return pulumi.Output.all(to.files[0].plain[_HOSTS], to.host).apply(names)


_SSH = 22
_SIGNED = {"ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]}
"""With which algorithms a kind of key signs, where these have names of their own: https://www.rfc-editor.org/rfc/rfc8332."""
