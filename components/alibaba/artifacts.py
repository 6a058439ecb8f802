"""Alibaba Cloud Object Storage Service, through its S3-compatible interface."""

import pulumi

from ..arguments import Input, OssArgs
from ..contracts import ArtifactStore, Files, SecretKey, SecretValue, Storage, StorageKind
from ..existing.artifacts import FILES, compatible, under
from ..existing.credentials import ALIBABA
from ..existing.storage import endpoint
from ..in_image import Program

_SCRIPT = Program("ram_credentials.py")


def oss(args: OssArgs) -> ArtifactStore:
    """A bucket, reached with keys or with the RAM role of the ServiceAccount."""
    url = pulumi.Output.concat("https://", args.endpoint)
    environment: dict[str, Input[str]] = {
        **compatible(url),
        # OSS serves no other style, and does not take boto3's newer signatures:
        # https://www.alibabacloud.com/help/en/oss/developer-reference/use-amazon-s3-sdks-to-access-oss
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "virtual",
        "MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION": "s3",
    }
    secret: dict[str, SecretValue] = {}
    files: list[Files] = []
    if args.existing_secret is not None:
        name = args.existing_secret.name
        secret["AWS_ACCESS_KEY_ID"] = SecretKey(name=name, key=args.existing_secret.access_key_id_key)
        secret["AWS_SECRET_ACCESS_KEY"] = SecretKey(name=name, key=args.existing_secret.access_key_secret_key)
    elif args.access_key_id is not None and args.access_key_secret is not None:
        secret["AWS_ACCESS_KEY_ID"] = pulumi.Output.secret(args.access_key_id)
        secret["AWS_SECRET_ACCESS_KEY"] = pulumi.Output.secret(args.access_key_secret)
    else:
        config = f"[default]\ncredential_process = python {FILES}/{_SCRIPT.name}\n"
        content = {"config": config, _SCRIPT.name: _SCRIPT.source}
        files.append(Files(name="artifacts-files", directory=FILES, plain=content))
        environment["AWS_CONFIG_FILE"] = f"{FILES}/config"
    return ArtifactStore(
        destination=under("s3://", args.bucket, args.prefix),
        environment=environment,
        secret_environment=secret,
        files=files,
        network=endpoint(url, "artifacts.oss.endpoint"),
        credentials={} if secret else ALIBABA,
        presigned=False,
        # Other tools know nothing of the program that fetches the role's keys.
        storage=Storage(
            kind=StorageKind.S3,
            bucket=args.bucket,
            path=args.prefix,
            endpoint=url,
            path_style=False,
            secret_environment=secret,
        )
        if secret
        else None,
    )
