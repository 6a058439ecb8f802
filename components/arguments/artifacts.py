"""The artifact store: where MLflow keeps models, plots and files."""

from collections.abc import Iterable

from pydantic import Field

from .base import Block, Input, Problem, block, plain, secret
from .checks import exactly_one, kubernetes_name, pattern, secret_key
from .volume import VolumeArgs


@block
class S3SecretArgs(Block):
    """An existing Secret in the deployment's namespace that holds S3 access keys."""

    name: Input[str]
    """Name of the Secret."""
    access_key_id_key: str = "AWS_ACCESS_KEY_ID"
    """Key of the access key id in the Secret."""
    secret_access_key_key: str = "AWS_SECRET_ACCESS_KEY"
    """Key of the secret access key in the Secret."""

    def problems(self) -> Iterable[Problem]:
        yield from kubernetes_name(self.name, "name", "the name of a Secret")
        yield from secret_key(self.access_key_id_key, "access_key_id_key")
        yield from secret_key(self.secret_access_key_key, "secret_access_key_key")


@block
class S3Args(Block):
    """A bucket that exists already, on S3 or on an S3-compatible endpoint."""

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    region: Input[str] | None = None
    """Region of the bucket."""
    endpoint_url: Input[str] | None = None
    """URL of an S3-compatible service; AWS itself if not given."""
    ignore_tls: bool = False
    """Do not verify the endpoint's certificate. Insecure: for tests of self-signed endpoints only."""
    access_key_id: Input[str] | None = None
    """Access key id. Without keys the pod's own identity is used."""
    secret_access_key: Input[str] | None = secret()
    """Secret access key that belongs to `accessKeyId`."""
    existing_secret: S3SecretArgs | None = None
    """Secret that holds the keys, instead of `accessKeyId` and `secretAccessKey`."""
    upload_extra_args: dict[str, str] = Field(default_factory=dict)
    """Extra arguments of each upload, for example `{ServerSideEncryption: aws:kms, SSEKMSKeyId: …}`."""
    presigned: bool | None = None
    """Let clients move large files straight to and from the bucket by presigned URLs that the server hands out. Clients
    must reach the endpoint. On for AWS itself, off for an own endpoint, unless given."""

    def problems(self) -> Iterable[Problem]:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
        bucket = plain(self.bucket)
        if isinstance(bucket, str) and "://" in bucket:
            yield Problem(("bucket",), f"{bucket!r} is a URL", "give the bucket's name alone, and a path in prefix")
        else:
            yield from pattern(
                self.bucket,
                r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]",
                "bucket",
                "a bucket name",
                "use 3 to 63 lower-case letters, digits, dots and hyphens, starting and ending with a letter or digit",
            )
        prefix = plain(self.prefix)
        if isinstance(prefix, str) and prefix != prefix.strip("/"):
            yield Problem(("prefix",), f"{prefix!r} starts or ends with a slash", f"write {prefix.strip('/')!r}")
        yield from pattern(
            self.endpoint_url,
            r"https?://[^/\s@]+/?",
            "endpoint_url",
            "an endpoint URL",
            "write it as https://host:port, without a path and without credentials",
        )
        if (self.access_key_id is None) != (self.secret_access_key is None):
            absent = "secret_access_key" if self.secret_access_key is None else "access_key_id"
            yield Problem((absent,), "is required with the other half of the key pair", "give both halves, or neither")
        keys = self.access_key_id is not None or self.secret_access_key is not None
        if self.existing_secret is not None and keys:
            yield Problem(
                ("existing_secret",), "is given as well as keys", "keep either existingSecret or the two keys"
            )


@block
class ArtifactsArgs(Block):
    """Exactly one kind of artifact store."""

    volume: VolumeArgs | None = None
    """Persistent volume that the server reads and writes."""
    s3: S3Args | None = None
    """Bucket that exists already, on S3 or an S3-compatible endpoint."""
    proxied: bool = True
    """Clients go through the server and need no credentials of the store. If false, clients are given the store's own
    address and need access to it."""

    def problems(self) -> Iterable[Problem]:
        yield from exactly_one(self, ("volume", "s3"), "`volume: {}` for development")
        if self.volume is not None and not self.proxied:
            yield Problem(
                ("proxied",), "false makes no sense with a volume, which only the server can reach", "remove proxied"
            )
