"""The artifact store: where MLflow keeps models, plots and files."""

from collections.abc import Iterable

from ..base import Input, Problem, block
from ..checks import pattern
from ..kinds import Choice
from ..volume import VolumeArgs
from .aws import AwsBucketArgs
from .azure import AzureContainerArgs
from .cloud import AzureBlobArgs, GcsArgs
from .gcp import GcpBucketArgs
from .minio import MinioArgs
from .s3 import OssArgs, S3Args
from .servers import FtpArgs, HdfsArgs, NfsArgs, SftpArgs, UriArgs

_SERVER_ONLY = {
    "volume": "a volume, which only the server can reach",
    "nfs": "a volume, which only the server can reach",
    "minio": "MinIO in the cluster, whose keys only the server has",
}


ArtifactKind = (
    VolumeArgs
    | S3Args
    | AwsBucketArgs
    | GcpBucketArgs
    | AzureContainerArgs
    | MinioArgs
    | GcsArgs
    | AzureBlobArgs
    | OssArgs
    | FtpArgs
    | SftpArgs
    | NfsArgs
    | HdfsArgs
    | UriArgs
)


@block
class ArtifactsArgs(Choice[ArtifactKind]):
    """Exactly one kind of artifact store, and how clients reach it."""

    volume: VolumeArgs | None = None
    """Persistent volume that the server reads and writes."""
    s3: S3Args | None = None
    """Bucket that exists already, on S3 or an S3-compatible endpoint."""
    aws_bucket: AwsBucketArgs | None = None
    """Bucket that is made on AWS."""
    gcp_bucket: GcpBucketArgs | None = None
    """Bucket that is made on Google Cloud Storage."""
    azure_container: AzureContainerArgs | None = None
    """Storage account with a container that is made on Azure."""
    minio: MinioArgs | None = None
    """MinIO in the cluster, made for this deployment."""
    gcs: GcsArgs | None = None
    """Bucket that exists already, on Google Cloud Storage."""
    azure_blob: AzureBlobArgs | None = None
    """Container that exists already, in an Azure storage account."""
    oss: OssArgs | None = None
    """Bucket that exists already, on Alibaba Cloud Object Storage Service."""
    ftp: FtpArgs | None = None
    """Directory on an FTP server."""
    sftp: SftpArgs | None = None
    """Directory on an SFTP server."""
    nfs: NfsArgs | None = None
    """Directory that an NFS server exports."""
    hdfs: HdfsArgs | None = None
    """Directory on HDFS; needs an image of your own."""
    uri: UriArgs | None = None
    """Any other store, by its URI."""
    proxied: bool = True
    """Clients go through the server and need no credentials of the store. If false, clients are given the store's own
    address and need access to it."""
    default_root: Input[str] | None = None
    """URI under which new experiments keep their artifacts, where it is not the store itself: for example
    `mlflow-artifacts://artifacts.example.com` for a server with `server.artifactsOnly`. Experiments remember theirs."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`volume: {}` for development")
        yield from pattern(
            self.default_root,
            r"(?!file:|runs:|models:)(?![^/]*//[^/]*:[^/]*@)[a-z][a-z0-9+.-]*:/\S+",
            "default_root",
            "a URI that clients can be given",
            "write scheme and path, without a password: mlflow-artifacts:/team-a, s3://bucket/path",
        )
        if not self.proxied:
            yield from self._direct()

    def _direct(self) -> Iterable[Problem]:
        """What clients can not be sent to, since every experiment tells them the address."""
        chosen = self.chosen[0] if self.chosen else ""
        if self.default_root is not None:
            return
        if chosen in _SERVER_ONLY:
            yield Problem(("proxied",), f"false makes no sense with {_SERVER_ONLY[chosen]}", "remove proxied")
        with_password = (self.ftp is not None and self.ftp.username is not None) or (
            self.sftp is not None and self.sftp.by_password
        )
        if with_password:
            message = "false would write the password into every experiment, and show it to every client"
            yield Problem(("proxied",), message, "remove proxied, or use sftp with a private key")

    @property
    def on_gcp(self) -> bool:
        """Whether artifacts are in a bucket of Google Cloud."""
        return self.gcp_bucket is not None or self.gcs is not None
