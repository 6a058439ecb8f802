"""The artifact store: where MLflow keeps models, plots and files."""

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
        # Every experiment tells its clients the address.
        kind = self.chosen[1] if self.chosen and not self.proxied and self.default_root is None else None
        if kind is not None and kind.server_only is not None:
            yield Problem(("proxied",), f"false makes no sense with {kind.server_only}", "remove proxied")
        if kind is not None and kind.password_in_uri:
            message = "false would write the password into every experiment, and show it to every client"
            yield Problem(("proxied",), message, "remove proxied, or use sftp with a private key")
