"""An S3 bucket created by this stack."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..base import Block, Input, Path, Problem, block, plain
from ..checks import between, bucket_name, pattern, relative_path
from ..kinds import ArtifactBlock, CloudName

__all__ = ["AccessLogsArgs", "AwsBucketArgs"]


@block
class AccessLogsArgs(Block):
    """Where S3 writes the access logs of the bucket."""

    bucket: Input[str]
    """Existing bucket, in the same region and account."""
    prefix: Input[str] = "mlflow/"
    """Prefix of the log objects' keys."""

    def problems(self) -> Iterable[Problem]:
        yield from bucket_name(self.bucket, "bucket")
        fix = "use letters, digits, '/', '.', '_' and '-', and no leading slash"
        yield from pattern(self.prefix, r"(?!/)[\w./-]+", "prefix", "the start of names of objects", fix)


@block
class AwsBucketArgs(ArtifactBlock):
    """An S3 bucket: private, versioned, encrypted with the deployment's KMS key, with TLS 1.2 or newer required."""

    made_on = CloudName.AWS
    variables: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ["AWS_DEFAULT_REGION", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"], ""
    )

    bucket: str | None = None
    """Name of the bucket; derived from the deployment's name if not given."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    noncurrent_version_days: int = 30
    """How long deleted and overwritten objects can be restored, in days; not less than the database's backup retention."""
    abort_upload_days: int = 7
    """Age at which incomplete multipart uploads are removed, in days."""
    access_logs: AccessLogsArgs | None = None
    """Access logs, written to another bucket; none if not given."""
    presigned: bool = True
    """Let clients transfer large files directly to and from the bucket, by presigned URLs that the server hands out."""
    force_destroy: bool = False
    """Allow deleting the bucket with all objects in it; also needs `deletionProtection: false`. If false, only an empty
    bucket can be deleted."""

    @property
    def versions(self) -> tuple[Path, int]:
        return ("noncurrent_version_days",), self.noncurrent_version_days

    def problems(self) -> Iterable[Problem]:
        yield from bucket_name(self.bucket, "bucket")
        yield from relative_path(self.prefix, "prefix")
        yield from between(self.noncurrent_version_days, 1, 3650, "noncurrent_version_days", "days")
        yield from between(self.abort_upload_days, 1, 365, "abort_upload_days", "days")
        logs = plain(self.access_logs.bucket) if self.access_logs else None
        if logs is not None and logs == self.bucket:
            yield Problem(
                ("access_logs", "bucket"), f"{logs!r} is the bucket itself", "name another bucket for the logs"
            )
