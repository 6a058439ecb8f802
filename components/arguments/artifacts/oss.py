"""An existing bucket on Alibaba Cloud Object Storage Service."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from ..base import Input, Problem, block, secret
from ..checks import ExistingSecret, halves, host_name, key_of_cloud, one_at_most, pattern, relative_path
from ..kinds import ArtifactBlock

__all__ = ["OssArgs", "OssSecretArgs"]


@block
class OssSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds an AccessKey pair of Alibaba Cloud."""

    name: Input[str]
    """Name of the Secret."""
    access_key_id_key: str = "MLFLOW_OSS_KEY_ID"
    """Key of the AccessKey ID in the Secret."""
    access_key_secret_key: str = "MLFLOW_OSS_KEY_SECRET"
    """Key of the AccessKey secret in the Secret."""


@block
class OssArgs(ArtifactBlock):
    """An existing bucket on Alibaba Cloud Object Storage Service, through its S3-compatible API.

    The plugin for `oss://` URIs (aliyunstoreplugin) does not work with MLflow 3, and no official image contains it."""

    keys = ("access_key_id", "existing_secret")
    variables: ClassVar[Mapping[str, str]] = {
        "MLFLOW_S3_ENDPOINT_URL": "endpoint",
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "access_key_secret",
        **dict.fromkeys(["AWS_CONFIG_FILE", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"], ""),
        "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION": "",
    }

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    endpoint: Input[str]
    """Host of the bucket's region, for example `oss-eu-central-1.aliyuncs.com`, or `oss-eu-central-1-internal.aliyuncs.com`
    from within that region."""
    access_key_id: Input[str] | None = None
    """AccessKey ID. Without keys the RAM role of the ServiceAccount is used (RRSA)."""
    access_key_secret: Input[str] | None = secret()
    """AccessKey secret that belongs to `accessKeyId`."""
    existing_secret: OssSecretArgs | None = None
    """Secret that holds the keys, instead of `accessKeyId` and `accessKeySecret`."""

    def problems(self) -> Iterable[Problem]:
        # https://www.alibabacloud.com/help/en/oss/user-guide/bucket-naming-conventions
        yield from pattern(
            self.bucket,
            r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]",
            "bucket",
            "a bucket name",
            "use 3 to 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit",
        )
        yield from relative_path(self.prefix, "prefix")
        yield from host_name(self.endpoint, "endpoint")
        yield from halves(self, "access_key_id", "access_key_secret")
        for field in ("access_key_id", "access_key_secret"):
            yield from key_of_cloud(getattr(self, field), field)
        yield from one_at_most(self, (("access_key_id", "access_key_secret"), "existing_secret"))
