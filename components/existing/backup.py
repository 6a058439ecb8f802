"""Places for backups that exist already: buckets and SFTP servers."""

import pulumi
from typing_extensions import assert_never

from ..arguments import AddressingStyle, BackupAzureArgs, BackupGcsArgs, BackupS3Args, BackupSftpArgs, Input
from ..contracts import BackupDestination, DestinationKind, Files, NetworkDestination, SecretKey, SecretValue
from . import credentials
from .artifacts import ANYWHERE, endpoint, s3_keys, secret_value

FILES = "/etc/mlflow/backup-destination"
"""Directory of certificates and keys."""


def destination(kind: BackupS3Args | BackupGcsArgs | BackupAzureArgs | BackupSftpArgs) -> BackupDestination:
    """The chosen place."""
    match kind:
        case BackupS3Args():
            return s3(kind)
        case BackupGcsArgs():
            return gcs(kind)
        case BackupAzureArgs():
            return azure(kind)
        case BackupSftpArgs():
            return sftp(kind)
        case _:
            assert_never(kind)


def s3(args: BackupS3Args) -> BackupDestination:
    """A bucket on S3 or on an S3-compatible endpoint."""
    keys = s3_keys(args)
    style = args.addressing_style
    files = {"ca.pem": args.ca_certificate} if args.ca_certificate is not None else {}
    return BackupDestination(
        kind=DestinationKind.S3,
        bucket=args.bucket,
        path=args.prefix,
        endpoint=_amazon(args.region) if args.endpoint_url is None else _stripped(args.endpoint_url),
        region=args.region,
        path_style=None if style is AddressingStyle.AUTO else style is AddressingStyle.PATH,
        environment={"AWS_DEFAULT_REGION": args.region} if args.region is not None else {},
        secret_environment=keys,
        files=_files(files, {}),
        network=ANYWHERE
        if args.endpoint_url is None
        else endpoint(args.endpoint_url, "backup.destination.s3.endpointUrl"),
        credentials={} if keys else credentials.AWS,
    )


def gcs(args: BackupGcsArgs) -> BackupDestination:
    """A bucket on Google Cloud Storage."""
    key = secret_value(args.key_file, args.existing_secret and (args.existing_secret.name, args.existing_secret.key))
    return BackupDestination(
        kind=DestinationKind.GCS,
        bucket=args.bucket,
        path=args.prefix,
        environment={} if key is None else {"GOOGLE_APPLICATION_CREDENTIALS": f"{FILES}/keyfile.json"},
        files=_files({}, {} if key is None else {"keyfile.json": key}),
        network=ANYWHERE,
        credentials=credentials.GCP if key is None else credentials.GCP_KEY_FILE,
    )


def azure(args: BackupAzureArgs) -> BackupDestination:
    """A container of an Azure storage account."""
    secret = args.existing_secret
    key = secret_value(
        args.access_key, (secret.name, secret.access_key_key) if secret and secret.access_key_key else None
    )
    return BackupDestination(
        kind=DestinationKind.AZURE,
        bucket=args.container,
        path=args.prefix,
        account=args.account,
        domain=args.domain.value,
        environment={
            "AZURE_ACCOUNT_NAME": args.account,
            "AZURE_ENDPOINT_SUFFIX": args.domain.value.removeprefix("blob."),
        },
        secret_environment={} if key is None else {"AZURE_ACCOUNT_KEY": key},
        network=ANYWHERE,
        credentials={} if key is not None else credentials.AZURE,
    )


def sftp(args: BackupSftpArgs) -> BackupDestination:
    """A directory on an SFTP server."""
    secret = args.existing_secret
    named = SecretKey(name=secret.name, key=secret.private_key_key) if secret and secret.private_key_key else None
    key = named or secret_value(args.private_key, None)
    assert key is not None, "checked arguments hold a key"
    return BackupDestination(
        kind=DestinationKind.SFTP,
        path=args.path,
        host=args.host,
        port=args.port,
        username=args.username,
        files=_files({"known_hosts": args.known_hosts}, {"id": key}),
        network=NetworkDestination(host=args.host, port=args.port),
    )


def _files(plain: dict[str, Input[str]], secret: dict[str, SecretValue]) -> list[Files]:
    return [Files(name="backup-destination", directory=FILES, plain=plain, secret=secret)] if plain or secret else []


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
