"""MinIO in the cluster, next to the server."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ... import versions
from ..base import Input, Problem, block, plain, secret
from ..checks import counted, image, pattern, resources
from ..kinds import ArtifactBlock
from ..volume import VolumeArgs

__all__ = ["MinioArgs"]


@block
class MinioArgs(ArtifactBlock):
    """A MinIO server with its own claim and one bucket: for clusters without an object store. It is a single pod, so
    artifacts are unavailable while its node is down."""

    server_only = "MinIO in the cluster, whose keys only the server has"
    variables: ClassVar[Mapping[str, str]] = {
        "AWS_SECRET_ACCESS_KEY": "password",
        **dict.fromkeys(["AWS_ACCESS_KEY_ID", "MLFLOW_S3_ENDPOINT_URL", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"], ""),
    }

    volume: VolumeArgs = VolumeArgs(size_gb=50)
    """The claim that holds the objects."""
    bucket: str = "mlflow"
    """Name of the bucket to create."""
    image: Input[str] = versions.MINIO_IMAGE
    """Image with tag or digest. The default is the last release that MinIO published as an image."""
    password: Input[str] | None = secret()
    """Password of the user `mlflow`, 8 characters or more; generated if not given."""
    cpu_request: str = "100m"
    """Guaranteed CPU, in cores or millicores."""
    cpu_limit: str | None = None
    """Upper bound of CPU; `resources.all.cpuLimit` if not given."""
    memory_request: str = "256Mi"
    """Guaranteed memory."""
    memory_limit: str = "1Gi"
    """Memory at which the container is killed."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.bucket,
            r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]",
            "bucket",
            "a bucket name",
            "use 3 to 63 lower-case letters, digits, dots and hyphens, starting and ending with a letter or digit",
        )
        yield from image(self.image, "image")
        known = plain(self.password)
        if isinstance(known, str) and len(known) < 8:
            yield Problem(("password",), f"has {counted(len(known), 'character')}", "use 8 or more")
        yield from resources(self)
