"""Artifact stores that exist already."""

import json
from urllib.parse import urlsplit

import pulumi

from ..arguments import Input, S3Args
from ..contracts import ArtifactStore, NetworkDestination, SecretKey, SecretValue


def s3(args: S3Args) -> ArtifactStore:
    """A bucket on S3 or on an S3-compatible endpoint."""
    own_endpoint = args.endpoint_url is not None
    environment: dict[str, Input[str]] = {}
    if args.region is not None:
        environment["AWS_DEFAULT_REGION"] = args.region
    if args.endpoint_url is not None:
        environment["MLFLOW_S3_ENDPOINT_URL"] = args.endpoint_url
        # boto3 adds checksums that many S3-compatible services do not know, unless asked for only where required:
        # https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
        environment["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
        environment["AWS_RESPONSE_CHECKSUM_VALIDATION"] = "when_required"
    if args.ignore_tls:
        environment["MLFLOW_S3_IGNORE_TLS"] = "true"
    if args.upload_extra_args:
        environment["MLFLOW_S3_UPLOAD_EXTRA_ARGS"] = json.dumps(args.upload_extra_args, sort_keys=True)
    return ArtifactStore(
        destination=pulumi.Output.all(args.bucket, args.prefix).apply(
            lambda parts: f"s3://{'/'.join(filter(None, parts))}"
        ),
        environment=environment,
        secret_environment=_credentials(args),
        network=NetworkDestination(
            host=pulumi.Output.from_input(args.endpoint_url).apply(_host),
            port=pulumi.Output.from_input(args.endpoint_url).apply(_port),
        )
        if own_endpoint
        else NetworkDestination(host="0.0.0.0", port=443),  # noqa: S104 - S3 has no fixed addresses
        presigned=not own_endpoint if args.presigned is None else args.presigned,
    )


def _credentials(args: S3Args) -> dict[str, SecretValue]:
    secret = args.existing_secret
    if secret is not None:
        return {
            "AWS_ACCESS_KEY_ID": SecretKey(name=secret.name, key=secret.access_key_id_key),
            "AWS_SECRET_ACCESS_KEY": SecretKey(name=secret.name, key=secret.secret_access_key_key),
        }
    if args.access_key_id is None or args.secret_access_key is None:
        return {}
    return {
        "AWS_ACCESS_KEY_ID": pulumi.Output.secret(args.access_key_id),
        "AWS_SECRET_ACCESS_KEY": pulumi.Output.secret(args.secret_access_key),
    }


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""


def _port(url: str | None) -> int:
    parts = urlsplit(url or "")
    return parts.port or (80 if parts.scheme == "http" else 443)
