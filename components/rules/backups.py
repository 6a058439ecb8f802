"""Backups: what can be backed up, and whether the pods may write where it goes."""

import re
from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ..arguments import (
    AccessMode,
    AwsBucketArgs,
    AzureBlobArgs,
    AzureContainerArgs,
    BackupArgs,
    BackupArtifacts,
    BackupAzureArgs,
    BackupGcsArgs,
    BackupS3Args,
    BackupSftpArgs,
    GcpBucketArgs,
    GcsArgs,
    MinioArgs,
    MlflowDeploymentArgs,
    NfsArgs,
    OssArgs,
    S3Args,
    SftpArgs,
    UriArgs,
    VolumeArgs,
)
from ..arguments.base import Problem, plain

_OTHER_DATABASES: dict[tuple[str, ...], str] = {
    ("database", "registry"): "the model registry",
    ("auth", "database"): "users",
    ("server", "workspaces", "store_uri"): "workspaces",
}
"""Databases beside the one of `database`, whose backup would be another one, at another moment."""


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What could not be backed up, or would be refused at night."""
    backup = args.backup
    if backup is None:
        return
    yield from _database(args)
    yield from _artifacts(args, backup)
    yield from _login(args, backup)
    yield from _place(args, backup)


def _database(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    database = args.database
    uri = database.uri and plain(database.uri.value)
    if database.none is not None:
        message = "copies the database, and there is none"
        yield Problem(("backup",), message, "move it to the deployment that has the database")
    elif database.mssql is not None or (isinstance(uri, str) and uri.startswith("mssql")):
        message = "cannot dump SQL Server, which only its own server can"
        yield Problem(("backup",), message, "remove it, and schedule BACKUP DATABASE on the server")
    for path, what in _OTHER_DATABASES.items():
        held = args
        for name in path:
            held = getattr(held, name, None)
        if held is not None:
            message = f"is a second database, for {what}, which is not in the backup of the first"
            fix = "keep it in the same database, or remove backup and back up both servers by their own means"
            yield Problem(path, message, fix, either=(("backup",),))


def _artifacts(args: MlflowDeploymentArgs, backup: BackupArgs) -> Iterator[Problem]:
    if args.artifacts.chosen is None:
        return
    name, kind = args.artifacts.chosen
    files = isinstance(kind, (VolumeArgs, NfsArgs))
    if backup.artifacts is BackupArtifacts.COPIED and not files:
        yield from _copied(name, kind)
        to = backup.destination.azure
        if to is not None and not to.has_keys:
            # https://github.com/rclone/rclone/blob/v1.75.2/backend/azureblob/azureblob.go (`getAuth`): a user delegation key, which the
            # whole account grants, while the identity has rights on the container.
            message = "has no key, without which rclone cannot put copies of artifacts aside"
            fix = "give accessKey or existingSecret, or use versions"
            yield Problem(("backup", "destination", "azure"), message, fix, either=(("backup", "artifacts"),))
    if backup.artifacts is BackupArtifacts.VERSIONS and files:
        message = f"does not exist with artifacts.{to_camel(name)}: files on a volume have no versions"
        yield Problem(("backup", "artifacts"), message, "use copied")
    held: dict[tuple[str, ...], object] = {("artifacts", "volume", "access_mode"): kind if files else None}
    if args.database.sqlite is not None:
        held["database", "sqlite", "volume", "access_mode"] = args.database.sqlite.volume
    for path, volume in held.items():
        if isinstance(volume, VolumeArgs) and volume.access_mode is AccessMode.READ_WRITE_ONCE_POD:
            message = "'ReadWriteOncePod' keeps the backup's pod from mounting the volume beside the server"
            yield Problem(path, message, "use ReadWriteOnce or ReadWriteMany")


def _copied(name: str, kind: object) -> Iterator[Problem]:
    """What of a store rclone would not reach."""
    path = ("artifacts", name)
    either = (("backup", "artifacts"),)
    match kind:
        case S3Args():
            if kind.ignore_tls:
                message = "is for MLflow alone: what copies artifacts verifies the endpoint's certificate"
                yield Problem((*path, "ignore_tls"), message, "give caCertificate, or use versions", either=either)
        case AzureBlobArgs():
            secret = kind.existing_secret
            named = secret is not None and secret.connection_string_key is not None
            if kind.connection_string is not None or named:
                field = ("existing_secret", "connection_string_key") if named else ("connection_string",)
                message = "is for MLflow alone: what copies artifacts takes an access key, or the pods' identity"
                yield Problem((*path, *field), message, "give the access key, or use versions", either=either)
        case OssArgs():
            if kind.access_key_id is None and kind.existing_secret is None:
                message = "has no keys, and what copies artifacts cannot use the RAM role"
                yield Problem(path, message, "give accessKeyId and accessKeySecret, or use versions", either=either)
        case AwsBucketArgs() | GcpBucketArgs() | AzureContainerArgs() | GcsArgs() | MinioArgs() | SftpArgs():
            pass
        case _:
            message = f"cannot copy artifacts.{to_camel(name)}: only what is in a bucket, on SFTP or on a volume"
            yield Problem(("backup", "artifacts"), message, "remove it, and back up that store by its own means")


def _login(args: MlflowDeploymentArgs, backup: BackupArgs) -> Iterator[Problem]:
    """A bucket without keys needs an identity that may write there."""
    kind = backup.destination.by_identity
    if backup.destination.chosen is None or kind is None:
        return
    path, cloud = ("backup", "destination", backup.destination.chosen[0]), kind.cloud
    identity = args.identity.chosen if args.identity is not None else None
    account = args.service_account
    if cloud is None:
        message = "has neither accessKeyId nor existingSecret, and no identity is known at an own endpoint"
        yield Problem(path, message, "give accessKeyId and secretAccessKey, or existingSecret")
    elif args.identity is None and account.create and not account.annotations:
        message = "has no credentials, and the pods have no identity"
        fix = "give keys or existingSecret, or choose an identity that may write there"
        yield Problem(path, message, fix, either=(("identity",), ("service_account",)))
    elif identity is not None and identity[1].made_on not in (None, cloud):
        made = f"identity.{to_camel(identity[0])}"
        message = f"has no credentials, and {made} means nothing on {cloud.title}"
        yield Problem(path, message, "give keys or existingSecret", either=(("identity",),))
    elif identity is not None and identity[1].made_on is cloud and getattr(kind, "container_id", "") is None:
        message = "is required: the identity that this stack creates gets its role on the container"
        yield Problem((*path, "container_id"), message, "give the container's resource id, or an access key")


def _place(args: MlflowDeploymentArgs, backup: BackupArgs) -> Iterator[Problem]:
    """Backups among the artifacts would be listed, and could be deleted, by MLflow."""
    if args.artifacts.chosen is None or backup.destination.chosen is None:
        return
    (name, to), (_, store) = backup.destination.chosen, args.artifacts.chosen
    ours, theirs = _parts(to), _parts(store)
    if ours is None or theirs is None or ours[0] != theirs[0]:
        return
    ours, theirs = ours[1], theirs[1]
    if ours[: len(theirs)] == theirs or theirs[: len(ours)] == ours:
        field = "path" if isinstance(to, BackupSftpArgs) else "prefix"
        message = "would lie among the artifacts, or these among the backups"
        fix = "use another bucket, best in another account, or give both a prefix of their own"
        yield Problem(("backup", "destination", name, field), message, fix, either=(("artifacts",),))


def _parts(kind: object) -> tuple[tuple[object, ...], list[str]] | None:
    """A server, and the bucket and the path there; None if it is none, or they are not known."""
    match kind:
        case BackupS3Args() | S3Args():
            server, parts = ("s3", kind.endpoint_url), (kind.bucket, kind.prefix)
        case AwsBucketArgs():
            server, parts = ("s3", None), (kind.bucket, kind.prefix)
        case BackupGcsArgs() | GcsArgs():
            server, parts = ("gs", None), (kind.bucket, kind.prefix)
        case GcpBucketArgs():
            server, parts = ("gs", None), (kind.name, kind.prefix)
        case BackupAzureArgs() | AzureBlobArgs():
            server, parts = ("azure", kind.account), (kind.container, kind.prefix)
        case AzureContainerArgs():
            server, parts = ("azure", kind.account_name), (kind.container, kind.prefix)
        case BackupSftpArgs() | SftpArgs():
            server, parts = ("sftp", kind.host), ("", kind.path)
        case UriArgs():
            # Not urlsplit, which raises for brackets: they mean something to the plugins of some schemes.
            place = re.match(r"(s3|gs)://([^/?#]*)([^?#]*)", str(plain(kind.uri)), re.IGNORECASE)
            if place is None or kind.env or kind.secret_env:
                return None
            server, parts = (place[1].lower(), None), (place[2], place[3])
        case _:
            return None
    known = [plain(part) for part in (*server[1:], *parts)]
    if any(given is not None and part is None for given, part in zip((*server[1:], *parts), known, strict=True)):
        return None  # an output
    if parts[0] is None or (server[0] in ("azure", "sftp") and server[1] is None):
        return None  # generated
    found = [part for text in parts for part in str(text).split("/") if part]
    return (server[0], known[0]), found
