"""An existing bucket on Amazon S3, or on a compatible service."""

import enum
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from ..base import Input, Problem, block, secret
from ..checks import ExistingSecret, bucket_name, certificate, halves, key_of_cloud, one_at_most, pattern, relative_path
from ..clouds.aws import REGION
from ..kinds import ArtifactBlock, CloudName

__all__ = ["AddressingStyle", "S3Args", "S3SecretArgs"]


ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Variables with which boto3 asks somebody else than the bucket's service, MLflow's own variable aside."""


class AddressingStyle(enum.Enum):
    """Where a request carries the bucket's name."""

    AUTO = "auto"
    PATH = "path"
    VIRTUAL = "virtual"


@block
class S3SecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds S3 access keys."""

    name: Input[str]
    """Name of the Secret."""
    access_key_id_key: str = "AWS_ACCESS_KEY_ID"
    """Key of the access key id in the Secret."""
    secret_access_key_key: str = "AWS_SECRET_ACCESS_KEY"
    """Key of the secret access key in the Secret."""


@block
class S3Args(ArtifactBlock):
    """An existing bucket, on Amazon S3 or on an S3-compatible service."""

    keys = ("access_key_id", "existing_secret")
    variables: ClassVar[Mapping[str, str]] = {
        "MLFLOW_S3_ENDPOINT_URL": "endpoint_url",
        "MLFLOW_S3_IGNORE_TLS": "ignore_tls",
        "MLFLOW_S3_UPLOAD_EXTRA_ARGS": "upload_extra_args",
        "MLFLOW_S3_EXPECTED_BUCKET_OWNER": "expected_bucket_owner",
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "addressing_style",
        "AWS_DEFAULT_REGION": "region",
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "region",
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_CA_BUNDLE": "ca_certificate",
        **dict.fromkeys(ENDPOINTS, "endpoint_url"),
    }

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    region: Input[str] | None = None
    """Region of the bucket; required for AWS itself. URLs that clients are given name the host of that region, in every
    partition (`eu-central-1`, `cn-north-1`, `us-gov-west-1`)."""
    endpoint_url: Input[str] | None = None
    """URL of an S3-compatible service; AWS itself if not given."""
    addressing_style: AddressingStyle = AddressingStyle.AUTO
    """`path` for `https://host/bucket`, `virtual` for `https://bucket.host`. `auto` is `virtual` on AWS itself, and leaves it to
    the client library for an own endpoint."""
    ca_certificate: Input[str] | None = None
    """Certificate of the authority that signed the endpoint's certificate, in PEM form."""
    ignore_tls: bool = False
    """Do not verify the endpoint's certificate. Insecure: only for testing self-signed endpoints."""
    access_key_id: Input[str] | None = None
    """Access key id. Without keys, the pods' identity is used."""
    secret_access_key: Input[str] | None = secret()
    """Secret access key that belongs to `accessKeyId`."""
    existing_secret: S3SecretArgs | None = None
    """Secret that holds the keys, instead of `accessKeyId` and `secretAccessKey`."""
    upload_extra_args: dict[str, str] = Field(default_factory=dict)
    """Extra arguments of each upload, for example `{ServerSideEncryption: aws:kms, SSEKMSKeyId: …}`."""
    expected_bucket_owner: Input[str] | None = None
    """Account (12 digits) that must own the bucket: requests fail if someone else has taken its name."""
    presigned: bool | None = None
    """Let clients transfer files directly to and from the bucket, by presigned URLs that the server hands out. Clients must
    be able to reach the endpoint. If not given: on for AWS itself, off with `endpointUrl` or `uploadExtraArgs`."""

    @property
    def cloud(self) -> CloudName | None:
        return CloudName.AWS if self.endpoint_url is None else None

    def problems(self) -> Iterable[Problem]:
        yield from s3_bucket(self)
        if self.endpoint_url is None:
            yield from self._on_aws()
        if self.ca_certificate is not None and self.ignore_tls:
            yield Problem(
                ("ignore_tls",), "is given as well as caCertificate", "remove ignoreTls: the certificate is known"
            )
        yield from pattern(
            self.expected_bucket_owner, r"\d{12}", "expected_bucket_owner", "an AWS account", "write its 12 digits"
        )
        if self.presigned and self.upload_extra_args:
            message = "is on, but presigned uploads of MLflow ignore uploadExtraArgs"
            yield Problem(("presigned",), message, "remove it, or set encryption as the bucket's default instead")

    def _on_aws(self) -> Iterable[Problem]:
        if self.addressing_style is AddressingStyle.PATH and self.presigned is not False and not self.upload_extra_args:
            message = "would send clients to the global host of S3, which newer regions do not serve"
            yield Problem(("addressing_style",), message, "remove it, or set presigned to false")

    def insecure(self) -> Iterable[Problem]:
        if self.ignore_tls:
            yield Problem(
                ("ignore_tls",), "lets anyone between server and store read and change artifacts", "give caCertificate"
            )


def s3_bucket(block: Any) -> Iterable[Problem]:
    """What is true of every block that names a bucket, where it is, and how to log in."""
    yield from bucket_name(block.bucket, "bucket")
    yield from relative_path(block.prefix, "prefix")
    yield from pattern(
        block.endpoint_url,
        r"https?://(\[[0-9A-Fa-f:]+\]|[^/\s@?#:\[\]]+)(:\d{1,5})?/?",
        "endpoint_url",
        "an endpoint URL",
        "write it as https://host:port, without a path and without credentials",
    )
    # Whatever is not told the region uses the global host, which redirects for new buckets, and which newer regions do not serve:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html.
    if block.endpoint_url is None:
        if block.region is None:
            message = (
                "is required without endpointUrl: requests and URLs for clients name the host of the bucket's region"
            )
            fix = "give it, for example eu-central-1, or the `region` of the bucket's resource"
            yield Problem(("region",), message, fix, either=(("endpoint_url",),))
        yield from pattern(
            block.region, REGION, "region", "a region of AWS", "write it as AWS does: eu-central-1, us-gov-west-1"
        )
    yield from certificate(block.ca_certificate, "ca_certificate")
    yield from halves(block, "access_key_id", "secret_access_key")
    for field in ("access_key_id", "secret_access_key"):
        yield from key_of_cloud(getattr(block, field), field)
    yield from one_at_most(block, (("access_key_id", "secret_access_key"), "existing_secret"))
