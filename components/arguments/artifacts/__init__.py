"""The artifact store, which holds model files, plots and other files."""

from collections.abc import Iterable

from ..base import Input, Problem, block
from ..checks import pattern
from ..kinds import Choice
from ..volume import VolumeArgs
from . import aws, azure, azure_blob, ftp, gcp, gcs, hdfs, minio, nfs, oss, s3, sftp, uri
from .aws import *
from .azure import *
from .azure_blob import *
from .ftp import *
from .gcp import *
from .gcs import *
from .hdfs import *
from .minio import *
from .nfs import *
from .oss import *
from .s3 import *
from .sftp import *
from .uri import *

__all__ = ["ArtifactKind", "ArtifactsArgs"]
__all__ += aws.__all__
__all__ += azure.__all__
__all__ += azure_blob.__all__
__all__ += ftp.__all__
__all__ += gcp.__all__
__all__ += gcs.__all__
__all__ += hdfs.__all__
__all__ += minio.__all__
__all__ += nfs.__all__
__all__ += oss.__all__
__all__ += s3.__all__
__all__ += sftp.__all__
__all__ += uri.__all__

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
    """Exactly one kind of artifact store, and how clients access it."""

    volume: VolumeArgs | None = None
    """Persistent volume that the server reads and writes."""
    s3: S3Args | None = None
    """Existing bucket, on S3 or an S3-compatible service."""
    aws_bucket: AwsBucketArgs | None = None
    """S3 bucket created by this stack."""
    gcp_bucket: GcpBucketArgs | None = None
    """Google Cloud Storage bucket created by this stack."""
    azure_container: AzureContainerArgs | None = None
    """Azure storage account with a container, created by this stack."""
    minio: MinioArgs | None = None
    """MinIO in the cluster, created by this stack."""
    gcs: GcsArgs | None = None
    """Existing bucket on Google Cloud Storage."""
    azure_blob: AzureBlobArgs | None = None
    """Existing container in an Azure storage account."""
    oss: OssArgs | None = None
    """Existing bucket on Alibaba Cloud Object Storage Service."""
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
    """Whether clients access artifacts through the server, without credentials of their own. If false, the server hands
    out the store's address, and clients need credentials for it."""
    default_root: Input[str] | None = None
    """URI under which new experiments store their artifacts, if not directly in the store: for example
    `mlflow-artifacts://artifacts.example.com` for a server with `server.artifactsOnly`. Existing experiments keep
    theirs."""

    @property
    def spooled(self) -> bool:
        """Whether the server keeps a whole file in `/tmp` while it passes it on."""
        return self.kind.spooled

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`volume: {}` for development")
        yield from pattern(
            self.default_root,
            r"(?!file:|runs:|models:)(?![^/]*//[^/]*:[^/]*@)[a-z][a-z0-9+.-]*:/\S+",
            "default_root",
            "a URI that clients can be given",
            "write scheme and path, without a password: mlflow-artifacts:/team-a, s3://bucket/path",
        )
        # Every experiment shows its clients the address.
        kind = self.chosen[1] if self.chosen and not self.proxied and self.default_root is None else None
        if kind is not None and kind.server_only is not None:
            yield Problem(("proxied",), f"false makes no sense with {kind.server_only}", "remove proxied")
        if kind is not None and kind.password_in_uri:
            message = "false would write the password into every experiment, and show it to every client"
            yield Problem(("proxied",), message, "remove proxied, or use sftp with a private key")
