"""Where files are kept already: buckets and SFTP servers, for backups and for whatever else than MLflow works on artifacts."""

from typing import Literal

import pulumi
from typing_extensions import assert_never

from ..arguments import (
    AddressingStyle,
    AzureBlobArgs,
    BackupAzureArgs,
    BackupGcsArgs,
    BackupS3Args,
    BackupSftpArgs,
    GcsArgs,
    Input,
    S3Args,
    SftpArgs,
)
from ..contracts import Files, NetworkDestination, SecretKey, SecretValue, Storage, StorageKind
from . import credentials

Of = Literal["backup-destination", "artifacts-storage"]
"""What is kept there: the name of the volume with certificates and keys, and of its directory."""

ANYWHERE = NetworkDestination(host="0.0.0.0", port=443)  # noqa: S104 - the clouds' stores have no fixed addresses


def destination(kind: BackupS3Args | BackupGcsArgs | BackupAzureArgs | BackupSftpArgs) -> Storage:
    """The chosen place for backups."""
    match kind:
        case BackupS3Args():
            return s3(kind, "backup-destination")
        case BackupGcsArgs():
            return gcs(kind, "backup-destination")
        case BackupAzureArgs():
            return azure(kind, "backup-destination", kind.domain.value)
        case BackupSftpArgs():
            return sftp(kind, "backup-destination")
        case _:
            assert_never(kind)


def s3(args: BackupS3Args | S3Args, of: Of) -> Storage:
    """A bucket on S3 or on an S3-compatible endpoint."""
    keys = s3_keys(args)
    style = args.addressing_style
    files = {"ca.pem": args.ca_certificate} if args.ca_certificate is not None else {}
    path = "backup.destination.s3.endpointUrl" if of == "backup-destination" else "artifacts.s3.endpointUrl"
    return Storage(
        kind=StorageKind.S3,
        bucket=args.bucket,
        path=args.prefix,
        endpoint=_amazon(args.region) if args.endpoint_url is None else _stripped(args.endpoint_url),
        region=args.region,
        path_style=None if style is AddressingStyle.AUTO else style is AddressingStyle.PATH,
        environment={"AWS_DEFAULT_REGION": args.region} if args.region is not None else {},
        secret_environment=keys,
        files=_files(of, files, {}),
        network=ANYWHERE if args.endpoint_url is None else endpoint(args.endpoint_url, path),
        credentials={} if keys else credentials.AWS,
    )


def gcs(args: BackupGcsArgs | GcsArgs, of: Of) -> Storage:
    """A bucket on Google Cloud Storage."""
    key = secret_value(args.key_file, args.existing_secret and (args.existing_secret.name, args.existing_secret.key))
    return Storage(
        kind=StorageKind.GCS,
        bucket=args.bucket,
        path=args.prefix,
        environment={} if key is None else {"GOOGLE_APPLICATION_CREDENTIALS": f"{_folder(of)}/keyfile.json"},
        files=_files(of, {}, {} if key is None else {"keyfile.json": key}),
        network=ANYWHERE,
        credentials=credentials.GCP if key is None else credentials.GCP_KEY_FILE,
    )


def azure(args: BackupAzureArgs | AzureBlobArgs, of: Of, domain: Input[str]) -> Storage:
    """A container of an Azure storage account.

    Args:
        args: The block.
        of: What is kept there.
        domain: Domain of the cloud's blob storage.
    """
    secret = args.existing_secret
    key = secret_value(
        args.access_key, (secret.name, secret.access_key_key) if secret and secret.access_key_key else None
    )
    return Storage(
        kind=StorageKind.AZURE,
        bucket=args.container,
        path=args.prefix,
        account=args.account,
        domain=domain,
        environment={
            "AZURE_ACCOUNT_NAME": args.account,
            "AZURE_ENDPOINT_SUFFIX": args.domain.value.removeprefix("blob."),
        },
        secret_environment={} if key is None else {"AZURE_ACCOUNT_KEY": key},
        network=ANYWHERE,
        credentials={} if key is not None else credentials.AZURE,
    )


def sftp(args: BackupSftpArgs | SftpArgs, of: Of) -> Storage:
    """A directory on an SFTP server."""
    secret = args.existing_secret
    named = SecretKey(name=secret.name, key=secret.private_key_key) if secret and secret.private_key_key else None
    key = named or secret_value(args.private_key, None)
    password = None
    if isinstance(args, SftpArgs):
        place = (secret.name, secret.password_key) if secret and secret.password_key else None
        password = secret_value(args.password, place)
    return Storage(
        kind=StorageKind.SFTP,
        path=args.path,
        host=args.host,
        port=args.port,
        username=args.username,
        secret_environment={} if password is None else {"SFTP_PASSWORD": password},
        files=_files(of, {"known_hosts": args.known_hosts}, {} if key is None else {"id": key}),
        network=NetworkDestination(host=args.host, port=args.port),
    )


def _folder(of: Of) -> str:
    return f"/etc/mlflow/{of}"


def _files(of: Of, plain: dict[str, Input[str]], secret: dict[str, SecretValue]) -> list[Files]:
    return [Files(name=of, directory=_folder(of), plain=plain, secret=secret)] if plain or secret else []


def s3_keys(args: S3Args | BackupS3Args) -> dict[str, SecretValue]:
    """Variables with the keys of S3, if there are any."""
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


def secret_value(given: Input[str] | None, existing: tuple[Input[str], str] | None) -> SecretValue | None:
    """The given value, or where to find it."""
    if existing:
        return SecretKey(name=existing[0], key=existing[1])
    return None if given is None else pulumi.Output.secret(given)


def endpoint(url: Input[str], path: str) -> NetworkDestination:
    """What a network policy must allow for a URL.

    Args:
        url: The URL.
        path: The argument that it comes from, as in a stack file.
    """
    fix = "write https://host or https://host:port"
    return NetworkDestination.of_url(url, {"http": 80, "https": 443}, path, "is not a URL", fix)


_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""Domains of Amazon's partitions, by how their regions begin: https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json."""


def _amazon(region: Input[str] | None) -> pulumi.Output[str]:
    """Amazon's own endpoint of a region: https://docs.aws.amazon.com/general/latest/gr/s3.html."""

    def url(name: str | None) -> str:
        domain = next((domain for start, domain in _DOMAINS.items() if str(name).startswith(start)), "amazonaws.com")
        return f"https://s3.{name}.{domain}"

    return pulumi.Output.from_input(region).apply(url)


def _stripped(url: Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.from_input(url).apply(lambda text: text.rstrip("/"))
