"""Rules of Google Cloud alone."""

from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Problem, plain


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """A key encrypts what is in its own location: https://cloud.google.com/storage/docs/encryption/customer-managed-keys."""
    bucket = args.artifacts.gcp_bucket
    location, key = plain(bucket and bucket.location), plain(args.gcp and args.gcp.kms_key)
    if isinstance(location, str) and isinstance(key, str) and f"/locations/{location.lower()}/" not in key:
        message = f"{location!r} is not the location of gcp.kmsKey, which can encrypt no bucket elsewhere"
        yield Problem(("artifacts", "gcp_bucket", "location"), message, "remove it, or the key")
