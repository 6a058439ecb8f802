"""An existing bucket on Google Cloud Storage."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..base import Input, Problem, block, plain, secret
from ..checks import ExistingSecret, between, one_at_most, relative_path
from ..kinds import ArtifactBlock, CloudName

__all__ = ["GcsArgs", "GcsSecretArgs"]


@block
class GcsSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds a key file of a service account."""

    name: Input[str]
    """Name of the Secret."""
    key: str = "keyfile.json"
    """Key of the file in the Secret."""


@block
class GcsArgs(ArtifactBlock):
    """An existing bucket on Google Cloud Storage. Without a key file, the pods' identity is used."""

    keys = ("key_file", "existing_secret")
    variables: ClassVar[Mapping[str, str]] = {
        "GOOGLE_APPLICATION_CREDENTIALS": "key_file",
        "GOOGLE_CLOUD_PROJECT": "project",
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "transfer_timeout_seconds",
        "MLFLOW_GCS_UPLOAD_CHUNK_SIZE": "upload_chunk_mb",
        "MLFLOW_GCS_DOWNLOAD_CHUNK_SIZE": "download_chunk_mb",
    }

    bucket: Input[str]
    """Name of the bucket."""
    prefix: Input[str] = ""
    """Path in the bucket under which artifacts are stored, without leading or trailing slash."""
    project: Input[str] | None = None
    """Project for the client library; that of the identity or of the key file if not given."""
    key_file: Input[str] | None = secret()
    """Content of a service account's key file (JSON)."""
    existing_secret: GcsSecretArgs | None = None
    """Secret that holds the key file, instead of `keyFile`."""
    transfer_timeout_seconds: int | None = None
    """How long the transfer of one chunk may take, in seconds; -1 for no limit. 60 if not given."""
    upload_chunk_mb: int | None = None
    """Size of upload chunks, in MiB; the client library's default if not given."""
    download_chunk_mb: int | None = None
    """Size of download chunks, in MiB; the client library's default if not given."""
    presigned: bool = False
    """Let clients upload large files directly to the bucket, by presigned URLs, which MLflow signs with a key file only."""

    @property
    def cloud(self) -> CloudName:
        return CloudName.GCP

    def problems(self) -> Iterable[Problem]:
        yield from gcs_bucket(self)
        if self.transfer_timeout_seconds != -1:
            yield from between(self.transfer_timeout_seconds, 1, 86_400, "transfer_timeout_seconds", "seconds, or -1")
        yield from between(self.upload_chunk_mb, 1, 1024, "upload_chunk_mb", "MiB")
        yield from between(self.download_chunk_mb, 1, 1024, "download_chunk_mb", "MiB")
        if self.presigned and self.key_file is None and self.existing_secret is None:
            message = "is on, but MLflow signs URLs with a key file only, and uploads of large files would fail"
            yield Problem(("presigned",), message, "remove it, or give keyFile or existingSecret")


def gcs_bucket(block: Any) -> Iterable[Problem]:
    """What is true of every block that names a bucket, and how to log in."""
    yield from _name(block.bucket)
    yield from relative_path(block.prefix, "prefix")
    yield from one_at_most(block, ("key_file", "existing_secret"))
    key_file = plain(block.key_file)
    if isinstance(key_file, str) and not re.search(r'"type"\s*:\s*"', key_file):
        yield Problem(("key_file",), "is not a key file", "give its whole content, a JSON object with a `type`")


def _name(value: Input[str]) -> Iterable[Problem]:
    # https://cloud.google.com/storage/docs/buckets#naming
    bucket = plain(value)
    if not isinstance(bucket, str):
        return
    label = r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?"
    if "://" in bucket:
        yield Problem(("bucket",), f"{bucket!r} is a URL", "give the bucket's name alone, and a path in prefix")
    elif not re.fullmatch(rf"(?=.{{3,222}}$)(?!\d+\.\d+\.\d+\.\d+$){label}(\.{label})*", bucket):
        fix = "use 3 to 63 lower-case letters, digits, '-' and '_' (each part of a domain likewise)"
        yield Problem(("bucket",), f"{bucket!r} is not a bucket name", fix)
    elif bucket.startswith("goog") or re.search("google|g00gle", bucket):
        yield Problem(("bucket",), f"{bucket!r} contains a name that Google reserves", "give another bucket")
