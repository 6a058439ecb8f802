"""Existing artifact stores."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pulumi
from typing_extensions import assert_never

from ..arguments import (
    AddressingStyle,
    AzureBlobArgs,
    FtpArgs,
    GcsArgs,
    HdfsArgs,
    Input,
    S3Args,
    SftpArgs,
    UriArgs,
)
from ..arguments.base import plain
from ..contracts import ArtifactStore, Files, NetworkDestination, SecretKey, SecretValue, in_uri
from . import credentials, storage
from .database import existing
from .storage import ANYWHERE, secret_value

FILES = "/etc/mlflow/artifacts"
"""Directory of certificates, keys and configuration files."""

_MIB = 1024**2
# Without these boto3 presigns for the global host s3.amazonaws.com, which answers with a redirect for new buckets, and which newer
# regions do not serve: https://github.com/boto/boto3/issues/3015. A bucket with a dot in its name gets a path all the same.
_AMAZON = {"MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual", "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "regional"}


def store(kind: S3Args | GcsArgs | AzureBlobArgs | FtpArgs | SftpArgs | HdfsArgs | UriArgs) -> ArtifactStore:
    """The chosen store."""
    match kind:
        case S3Args():
            return s3(kind)
        case GcsArgs():
            return gcs(kind)
        case AzureBlobArgs():
            return azure_blob(kind)
        case FtpArgs():
            return ftp(kind)
        case SftpArgs():
            return sftp(kind)
        case HdfsArgs():
            return hdfs(kind)
        case UriArgs():
            return uri(kind)
        case _:
            assert_never(kind)


def s3(args: S3Args) -> ArtifactStore:
    """A bucket on S3 or on an S3-compatible endpoint."""
    environment: dict[str, Input[str]] = {}
    content: dict[str, Input[str]] = {}
    if args.region is not None:
        environment["AWS_DEFAULT_REGION"] = args.region
    environment |= _AMAZON if args.endpoint_url is None else compatible(args.endpoint_url)
    if args.addressing_style is not AddressingStyle.AUTO:
        environment["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = args.addressing_style.value
    if args.ca_certificate is not None:
        environment["AWS_CA_BUNDLE"] = f"{FILES}/ca.pem"
        content["ca.pem"] = args.ca_certificate
    if args.ignore_tls:
        environment["MLFLOW_S3_IGNORE_TLS"] = "true"
    if args.upload_extra_args:
        environment["MLFLOW_S3_UPLOAD_EXTRA_ARGS"] = json.dumps(args.upload_extra_args, sort_keys=True)
    if args.expected_bucket_owner is not None:
        environment["MLFLOW_S3_EXPECTED_BUCKET_OWNER"] = args.expected_bucket_owner
    kept = storage.s3(args, "artifacts-storage")
    return ArtifactStore(
        destination=under("s3://", args.bucket, args.prefix),
        environment=environment,
        secret_environment=kept.secret_environment,
        files=_files(content),
        network=kept.network,
        credentials=kept.credentials,
        storage=kept,
        # MLflow ignores the arguments in presigned uploads.
        presigned=(args.endpoint_url is None and not args.upload_extra_args)
        if args.presigned is None
        else args.presigned,
    )


def compatible(endpoint_url: Input[str]) -> dict[str, Input[str]]:
    """Variables for an S3-compatible service other than Amazon's."""
    return {
        "MLFLOW_S3_ENDPOINT_URL": endpoint_url,
        # By default boto3 adds checksums that many S3-compatible services do not support:
        # https://docs.aws.amazon.com/sdkref/latest/guide/feature-dataintegrity.html
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


def gcs(args: GcsArgs) -> ArtifactStore:
    """A bucket on Google Cloud Storage."""
    environment: dict[str, Input[str]] = {}
    if args.project is not None:
        environment["GOOGLE_CLOUD_PROJECT"] = args.project
    if args.transfer_timeout_seconds is not None:
        environment["MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT"] = str(args.transfer_timeout_seconds)
    if args.upload_chunk_mb is not None:
        environment["MLFLOW_GCS_UPLOAD_CHUNK_SIZE"] = str(args.upload_chunk_mb * _MIB)
    if args.download_chunk_mb is not None:
        environment["MLFLOW_GCS_DOWNLOAD_CHUNK_SIZE"] = str(args.download_chunk_mb * _MIB)
    kept = storage.gcs(args, "artifacts-storage")
    keys = {name: key for each in kept.files for name, key in each.secret.items()}
    if keys:
        environment["GOOGLE_APPLICATION_CREDENTIALS"] = f"{FILES}/keyfile.json"
    return ArtifactStore(
        destination=under("gs://", args.bucket, args.prefix),
        environment=environment,
        files=_files({}, keys),
        network=kept.network,
        credentials=kept.credentials,
        storage=kept,
        presigned=args.presigned,
    )


def azure_blob(args: AzureBlobArgs, domain: Input[str] | None = None) -> ArtifactStore:
    """A container of an Azure storage account.

    Args:
        args: The block.
        domain: Domain of the cloud, where it is not known yet.
    """
    secret = args.existing_secret
    # MLflow takes the first of the two that is set, or else the pod's identity.
    keys = {
        "AZURE_STORAGE_CONNECTION_STRING": (args.connection_string, secret and secret.connection_string_key),
        "AZURE_STORAGE_ACCESS_KEY": (args.access_key, secret and secret.access_key_key),
    }
    found = {
        variable: secret_value(given, (secret.name, key) if secret is not None and key else None)
        for variable, (given, key) in keys.items()
    }
    login = {variable: value for variable, value in found.items() if value is not None}
    domain = args.domain.value if domain is None else domain
    host = pulumi.Output.concat(args.container, "@", args.account, ".", domain)
    return ArtifactStore(
        destination=under("wasbs://", host, args.prefix),
        secret_environment=login,
        network=ANYWHERE,
        credentials={} if login else credentials.AZURE,
        storage=storage.azure(args, "artifacts-storage", domain),
        presigned=args.presigned,
    )


def ftp(args: FtpArgs) -> ArtifactStore:
    """A directory on an FTP server."""
    secret = args.existing_secret
    given = (
        None if args.password is None else pulumi.Output.from_input(args.password).apply(lambda p: quote(p, safe=""))
    )
    password = secret_value(given, secret and (secret.name, secret.password_key))
    return _on_server("ftp", args, password)


def sftp(args: SftpArgs) -> ArtifactStore:
    """A directory on an SFTP server. pysftp finds key and known hosts where OpenSSH does."""
    kept = storage.sftp(args, "artifacts-storage")
    (keys,) = kept.files
    files = Files(
        name="ssh",
        directory="/tmp/.ssh",  # noqa: S108 - the home directory is the pod's own volume
        plain=keys.plain,
        secret={"id_rsa": keys.secret["id"]} if keys.secret else {},
    )
    # pysftp looks up the name of the user that it runs as, who has no name in the image.
    password = kept.secret_environment.get("SFTP_PASSWORD")
    return dataclasses.replace(_on_server("sftp", args, password, [files], {"LOGNAME": "mlflow"}), storage=kept)


def _on_server(
    scheme: str,
    args: FtpArgs | SftpArgs,
    password: SecretValue | None,
    files: Sequence[Files] = (),
    environment: Mapping[str, Input[str]] | None = None,
) -> ArtifactStore:
    variable = "ARTIFACTS_PASSWORD"

    def uri(parts: list[str | int | None]) -> str:
        username, host, port, path = parts
        login = f"{username}:$({variable})@" if password is not None else f"{username}@" if username else ""
        return f"{scheme}://{login}{in_uri(str(host))}:{port}/{str(path).strip('/')}"

    return ArtifactStore(
        destination=pulumi.Output.all(args.username, args.host, args.port, args.path).apply(uri),
        environment=environment or {},
        secret_environment={} if password is None else {variable: password},
        files=files,
        network=NetworkDestination(host=args.host, port=args.port),
    )


def hdfs(args: HdfsArgs) -> ArtifactStore:
    """A directory on HDFS."""
    environment: dict[str, Input[str]] = {}
    content: dict[str, Input[str]] = {}
    secret: dict[str, SecretValue] = {}
    if args.user is not None:
        environment["MLFLOW_KERBEROS_USER"] = args.user
    cache = args.ticket_cache
    if cache is not None and cache.existing_secret is not None:
        secret["krb5cc"] = SecretKey(name=cache.existing_secret, key=cache.key)
        environment["MLFLOW_KERBEROS_TICKET_CACHE"] = f"{FILES}/krb5cc"
    elif cache is not None and cache.path is not None:
        environment["MLFLOW_KERBEROS_TICKET_CACHE"] = cache.path
    if args.kerberos_configuration is not None:
        content["krb5.conf"] = args.kerberos_configuration
        environment["KRB5_CONFIG"] = f"{FILES}/krb5.conf"
    if args.extra_configuration:
        settings = sorted(args.extra_configuration.items())
        environment["MLFLOW_PYARROW_EXTRA_CONF"] = ",".join(f"{key}={value}" for key, value in settings)
    server = pulumi.Output.all(args.host, args.port).apply(
        lambda parts: f"{in_uri(parts[0] or '')}{f':{parts[1]}' if parts[1] else ''}"
    )
    return ArtifactStore(
        destination=pulumi.Output.concat("hdfs://", server, args.path),
        environment=environment,
        files=_files(content, secret),
        network=None if args.host is None else NetworkDestination(host=args.host, port=args.port or 8020),
    )


def uri(args: UriArgs) -> ArtifactStore:
    """Any other store."""
    given = existing(args) or args.uri
    assert given is not None, "arguments hold exactly one choice"
    known = plain(args.uri)
    return ArtifactStore(
        destination=given,
        confidential=True,
        environment=args.env,
        secret_environment={name: pulumi.Output.secret(value) for name, value in (args.secret_env or {}).items()},
        network=ANYWHERE,
        credentials=credentials.of_uri(
            known.partition(":")[0].lower() if isinstance(known, str) else None, {**args.env, **(args.secret_env or {})}
        ),
        presigned=args.presigned,
    )


def under(scheme: str, root: Input[str], prefix: Input[str]) -> pulumi.Output[str]:
    """The URI of a path in a bucket."""
    return pulumi.Output.all(root, prefix).apply(lambda parts: scheme + "/".join(filter(None, parts)))


def _files(plain: dict[str, Input[str]], secret: dict[str, SecretValue] | None = None) -> list[Files]:
    if not plain and not secret:
        return []
    return [Files(name="artifacts-files", directory=FILES, plain=plain, secret=secret or {})]
