"""Backups: where they go, when they are taken, how long they are kept, and how they are tried out.

One module although it is long: all of its blocks are parts of `BackupArgs`, which checks them together.
"""

import enum
from collections.abc import Iterable

from .. import versions
from .artifacts.azure_blob import AzureDomain, AzureSecretArgs, azure_container
from .artifacts.gcs import GcsSecretArgs, gcs_bucket
from .artifacts.s3 import AddressingStyle, S3SecretArgs, s3_bucket
from .artifacts.sftp import SftpSecretArgs, sftp_server
from .base import Block, Input, Problem, block, plain, secret
from .checks import ExistingSecret, between, counted, image_name, kubernetes_name, memory, one_at_most
from .clouds.azure import CONTAINER, CONTAINER_FIX
from .clouds.names import cloud_name
from .jobs import scheduled
from .kinds import Choice, CloudName, Kind
from .moments import past, utc
from .server.pod import TmpVolumeArgs
from .server.resources import ResourcesArgs

__all__ = [
    "BackupArgs",
    "BackupArtifacts",
    "BackupAzureArgs",
    "BackupContinuousArgs",
    "BackupDestinationArgs",
    "BackupDestinationKind",
    "BackupDrillArgs",
    "BackupGcsArgs",
    "BackupRetentionArgs",
    "BackupS3Args",
    "BackupSecretArgs",
    "BackupSftpArgs",
    "BackupVolumeArgs",
]

_PREFIX = "mlflow-backups"


@block
class BackupS3Args(Kind):
    """A bucket on Amazon S3 or on an S3-compatible service. Without keys, the pods' identity is used."""

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = _PREFIX
    """Path in the bucket under which backups are stored, without leading or trailing slash."""
    region: Input[str] | None = None
    """Region of the bucket; required for AWS itself."""
    endpoint_url: Input[str] | None = None
    """URL of an S3-compatible service; AWS itself if not given."""
    addressing_style: AddressingStyle = AddressingStyle.AUTO
    """`path` for `https://host/bucket`, `virtual` for `https://bucket.host`; `auto` leaves it to the client."""
    ca_certificate: Input[str] | None = None
    """Certificate of the authority that signed the endpoint's certificate, in PEM form."""
    access_key_id: Input[str] | None = None
    """Access key id."""
    secret_access_key: Input[str] | None = secret()
    """Secret access key that belongs to `accessKeyId`."""
    existing_secret: S3SecretArgs | None = None
    """Secret that holds the keys, instead of `accessKeyId` and `secretAccessKey`."""

    @property
    def has_keys(self) -> bool:
        """Whether it brings its own keys."""
        return self.access_key_id is not None or self.existing_secret is not None

    @property
    def cloud(self) -> CloudName | None:
        """Cloud whose identities can be granted access to it."""
        return CloudName.AWS if self.endpoint_url is None else None

    def problems(self) -> Iterable[Problem]:
        yield from s3_bucket(self)


@block
class BackupGcsArgs(Kind):
    """A bucket on Google Cloud Storage. Without a key file, the pods' identity is used."""

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = _PREFIX
    """Path in the bucket under which backups are stored, without leading or trailing slash."""
    key_file: Input[str] | None = secret()
    """Content of a service account's key file (JSON)."""
    existing_secret: GcsSecretArgs | None = None
    """Secret that holds the key file, instead of `keyFile`."""

    @property
    def has_keys(self) -> bool:
        """Whether it brings its own key."""
        return self.key_file is not None or self.existing_secret is not None

    @property
    def cloud(self) -> CloudName:
        """Cloud whose identities can be granted access to it."""
        return CloudName.GCP

    def problems(self) -> Iterable[Problem]:
        yield from gcs_bucket(self)


@block
class BackupAzureArgs(Kind):
    """A container in an Azure storage account. Without an access key, the pods' identity is used."""

    account: Input[str]
    """Name of the storage account."""
    container: Input[str]
    """Name of the container."""
    prefix: Input[str] = _PREFIX
    """Path in the container under which backups are stored, without leading or trailing slash."""
    domain: AzureDomain = AzureDomain.PUBLIC
    """Blob storage domain of the Azure cloud."""
    access_key: Input[str] | None = secret()
    """Access key of the storage account."""
    existing_secret: AzureSecretArgs | None = None
    """Secret that holds the access key, in `accessKeyKey`."""
    container_id: Input[str] | None = None
    """Resource id of the container, on which an identity created by this stack gets its role."""

    @property
    def has_keys(self) -> bool:
        """Whether it brings its own key."""
        return self.access_key is not None or self.existing_secret is not None

    @property
    def cloud(self) -> CloudName:
        """Cloud whose identities can be granted access to it."""
        return CloudName.AZURE

    def problems(self) -> Iterable[Problem]:
        yield from azure_container(self)
        yield from one_at_most(self, ("access_key", "existing_secret"))
        if self.existing_secret is not None and self.existing_secret.access_key_key is None:
            message = "is required: restic takes an access key, not a connection string"
            yield Problem(("existing_secret", "access_key_key"), message, "name the key that holds the access key")
        yield from cloud_name(
            self.container_id,
            "azure",
            CONTAINER,
            "container_id",
            "the resource id of a container",
            CONTAINER_FIX,
        )


@block
class BackupSftpArgs(Kind):
    """A directory on an SFTP server, by private key."""

    host: Input[str]
    """DNS name or address of the server."""
    port: Input[int] = 22
    """TCP port."""
    path: Input[str] = f"/{_PREFIX}"
    """Directory, as an absolute path on the server. The user must be able to create it."""
    username: Input[str]
    """User."""
    known_hosts: Input[str]
    """Lines of a `known_hosts` file with the server's host key, under its bare host name whatever the port
    (`ssh-keyscan -p PORT HOST` writes `[HOST]:PORT`: write `HOST` instead)."""
    private_key: Input[str] | None = secret()
    """Private key of the user, without passphrase, as `ssh-keygen` writes it."""
    existing_secret: SftpSecretArgs | None = None
    """Secret that holds the private key, in `privateKeyKey`."""

    def problems(self) -> Iterable[Problem]:
        yield from sftp_server(self)
        yield from one_at_most(self, ("private_key", "existing_secret"))
        named = self.existing_secret is not None and self.existing_secret.private_key_key is not None
        if self.private_key is None and not named:
            message = "is required: nobody is there to type a password"
            yield Problem(("private_key",), message, "give it, or existingSecret.privateKeyKey")
        key = plain(self.private_key)
        if isinstance(key, str) and "PRIVATE KEY-----" not in key:
            yield Problem(("private_key",), "is not a private key", "paste the file that `ssh-keygen -N ''` writes")


@block
class BackupVolumeArgs(Kind):
    """A directory on a persistent volume that several nodes can mount at once (`ReadWriteMany`). Keep it on other storage than the
    data: what destroys that must not destroy the backups."""

    size_gb: int = 100
    """Requested size of a new claim in GiB."""
    storage_class: Input[str] | None = None
    """StorageClass of a new claim, which must support `ReadWriteMany`; the cluster's default if not given."""
    existing_claim: Input[str] | None = None
    """Name of a claim in the deployment's namespace to use instead of creating one; it must be `ReadWriteMany`."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.size_gb, 1, 65_536, "size_gb", "GiB")
        yield from kubernetes_name(self.storage_class, "storage_class", "the name of a StorageClass")
        yield from kubernetes_name(self.existing_claim, "existing_claim", "the name of a claim")
        yield from one_at_most(self, ("existing_claim", "storage_class"))


BackupDestinationKind = BackupS3Args | BackupGcsArgs | BackupAzureArgs | BackupSftpArgs | BackupVolumeArgs


@block
class BackupDestinationArgs(Choice[BackupDestinationKind]):
    """Exactly one place outside the deployment."""

    s3: BackupS3Args | None = None
    """Bucket on S3 or an S3-compatible service."""
    gcs: BackupGcsArgs | None = None
    """Bucket on Google Cloud Storage."""
    azure: BackupAzureArgs | None = None
    """Container in an Azure storage account."""
    sftp: BackupSftpArgs | None = None
    """Directory on an SFTP server."""
    volume: BackupVolumeArgs | None = None
    """Persistent volume."""

    @property
    def by_identity(self) -> BackupS3Args | BackupGcsArgs | BackupAzureArgs | None:
        """The bucket or container that the pods' identity must be allowed to use; None if there are keys, or no bucket."""
        return next((kind for kind in (self.s3, self.gcs, self.azure) if kind is not None and not kind.has_keys), None)

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`s3: {bucket: …, region: …}`")


@block
class BackupRetentionArgs(Block):
    """Which backups are kept: the last one of each of so many days, weeks and months."""

    daily: int = 30
    """Days."""
    weekly: int = 13
    """Weeks."""
    monthly: int = 12
    """Months."""

    def problems(self) -> Iterable[Problem]:
        for name in ("daily", "weekly", "monthly"):
            yield from between(getattr(self, name), 0, 1000, name)
        if not (self.daily or self.weekly or self.monthly):
            yield Problem((), "would keep no backup", "give daily, weekly or monthly")


class BackupArtifacts(enum.Enum):
    """How artifacts are kept beside the database."""

    COPIED = "copied"
    VERSIONS = "versions"


@block
class BackupSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds the password of the backups."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "password"
    """Key of the password in the Secret."""


@block
class BackupDrillArgs(Block):
    """Restore the newest backup into a throw-away database, and compare it with what was backed up."""

    schedule: str = "0 5 * * 6"
    """When to run: a cron expression of five fields, or `@weekly` and the like."""
    time_zone: str | None = None
    """Time zone of the schedule, for example `Europe/Berlin`; that of the cluster's control plane if not given."""
    suspend: bool = False
    """Keep the CronJob but start no Jobs."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="100m", memory_request="256Mi", memory_limit="1Gi")
    """Requests and limits of each container, of which one runs the throw-away database."""
    timeout_seconds: int = 14400
    """How long one run may take, in seconds."""
    starting_deadline_seconds: int = 3600
    """How late a run that missed its scheduled time may still start, in seconds."""
    successful_history: int = 1
    """Finished Jobs to keep."""
    failed_history: int = 3
    """Failed Jobs to keep, with their logs."""

    def problems(self) -> Iterable[Problem]:
        yield from scheduled(self)


@block
class BackupContinuousArgs(Block):
    """Send every change of the database to the destination, from beside its server, and restore a lost one by itself when that starts.
    What was written in the last seconds before a loss is lost. For SQLite by Litestream, whose copies this component does not encrypt;
    for PostgreSQL in the cluster by pgBackRest, encrypted with the password of the backups. Artifacts are not in it."""

    interval_seconds: int | None = None
    """How often changes are sent, in seconds; 1 for SQLite and 2 for PostgreSQL if not given. While there are any, each time is one
    request to a bucket, and for PostgreSQL a segment of its log (16 MiB on its claim, compressed for the destination)."""
    retention_days: int = 7
    """How far back the database can be restored to a moment, in days. One copy of it is kept for each."""
    point_in_time: str | None = None
    """For SQLite: the moment that a missing file is restored to, with time zone (RFC 3339, `2026-03-14T09:26:53Z`), instead of the last.
    Remove it once the server runs: what is logged from then on would otherwise not come back."""
    scratch_size: str = "5Gi"
    """For SQLite: disk of the node for changes that are not yet sent, and for one copy of the database: at least its size. A pod that
    needs more, because the destination has not answered for long, is evicted and starts again. PostgreSQL keeps them on its claim."""
    metrics_port: int = 9102
    """For SQLite: port in the pod at which Litestream's metrics are served, with `monitoring.prometheus`."""
    image: Input[str] | None = None
    """For SQLite, an image with Litestream 0.5 as its entry point; for PostgreSQL, one with a shell and a pgBackRest that knows the
    server's version. By default the official one of Litestream, and woblerr/pgbackrest."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="25m", memory_request="64Mi", memory_limit="256Mi")
    """Requests and limits of each of its containers."""

    @property
    def time(self) -> str | None:
        """`point_in_time` in UTC."""
        return utc(self.point_in_time)

    def problems(self) -> Iterable[Problem]:
        yield from between(self.interval_seconds, 1, 3600, "interval_seconds", "seconds")
        yield from between(self.retention_days, 1, 365, "retention_days", "days")
        yield from past(self.point_in_time, "point_in_time")
        yield from between(self.metrics_port, 1024, 65_535, "metrics_port")
        yield from memory(self.scratch_size, "scratch_size")
        yield from image_name(self.image, "image")


@block
class BackupArgs(Block):
    """Encrypted backups of the database, the keys and the artifacts."""

    destination: BackupDestinationArgs
    """Where backups go."""
    schedule: str = "30 1 * * *"
    """When to take one: a cron expression of five fields, or `@daily` and the like. What was logged after the last backup is lost
    with the database."""
    time_zone: str | None = None
    """Time zone of the schedule, for example `Europe/Berlin`; that of the cluster's control plane if not given."""
    suspend: bool = False
    """Keep the CronJob but start no Jobs."""
    resources: ResourcesArgs = ResourcesArgs(cpu_request="100m", memory_request="256Mi", memory_limit="1Gi")
    """Requests and limits of each container."""
    timeout_seconds: int = 14400
    """How long one run may take, in seconds."""
    starting_deadline_seconds: int = 3600
    """How late a run that missed its scheduled time may still start, in seconds."""
    successful_history: int = 1
    """Finished Jobs to keep."""
    failed_history: int = 3
    """Failed Jobs to keep, with their logs."""
    retention: BackupRetentionArgs = BackupRetentionArgs()
    """How long backups are kept."""
    password: Input[str] | None = secret()
    """Password that encrypts the backups; 20 or more characters. Generated if neither it nor `existingSecret` is given. Without it
    there is no restore: keep it outside of the cluster, and of this stack."""
    existing_secret: BackupSecretArgs | None = None
    """Secret that holds the password, instead of `password`."""
    artifacts: BackupArtifacts | None = None
    """How artifacts are kept: `copied`, or `versions` of the bucket, which are for the bucket's owner to switch on. The default is
    `copied` for those on a volume, which go into each backup, and `versions` for those in a bucket, since a copy of it beside the
    backups costs its size again. The first copy takes long: give `timeoutSeconds` for it, or let several nights go on."""
    drill: BackupDrillArgs | None = BackupDrillArgs()
    """Restore drills; none if null."""
    continuous: BackupContinuousArgs | None = None
    """Send every change at once besides; for SQLite, and for PostgreSQL in the cluster."""
    scratch_size: str = "20Gi"
    """Disk of the node that a run may take for the dump, and a drill for the database that it is loaded into."""
    scratch_volume: TmpVolumeArgs | None = None
    """Volumes of `scratchSize` for both, instead of the node's disk: where a node has not that much, or grants no more than is requested
    (GKE Autopilot). They are made with each pod and deleted with it."""
    image: Input[str] = versions.RESTIC_IMAGE
    """Image with a shell, `tar`, restic 0.17 or newer, and an SSH client for `sftp`."""
    artifacts_image: Input[str] = versions.RCLONE_IMAGE
    """Image with a shell and rclone, of the default's version or newer, which copies artifacts that are not on a volume."""
    client_image: Input[str] | None = None
    """Image with the client programs of the database and, for drills, its server: not older than the server that is backed up, and
    not newer than the one that is restored to. By default PostgreSQL or MariaDB, as for databases in the cluster."""

    def problems(self) -> Iterable[Problem]:
        yield from scheduled(self)
        yield from one_at_most(self, ("password", "existing_secret"))
        password = plain(self.password)
        if isinstance(password, str) and len(password) < 20:
            yield Problem(("password",), f"has {counted(len(password), 'character')}", "use 20 or more")
        yield from memory(self.scratch_size, "scratch_size")
        yield from image_name(self.image, "image")
        yield from image_name(self.artifacts_image, "artifacts_image")
        yield from image_name(self.client_image, "client_image")
