"""A bucket on a real S3-compatible endpoint: moto's server over HTTP or TLS, or MinIO over TLS."""

import contextlib
import os
import secrets
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.support import certificates, processes
from toolchain.bare import golang


@dataclass(frozen=True)
class Bucket:
    """An empty bucket with keys that may use it."""

    endpoint_url: str
    name: str
    authority: Path | None = None
    access_key_id: str = "AKIATESTTESTTESTTEST"
    secret_access_key: str = field(default_factory=lambda: secrets.token_hex(20))

    @property
    def block(self) -> dict[str, str]:
        """What every block of arguments says of it, without the secret key."""
        return {"bucket": self.name, "endpointUrl": self.endpoint_url, "accessKeyId": self.access_key_id}

    def client(self) -> Any:
        """A boto3 client for it."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            verify=None if self.authority is None else str(self.authority),
        )

    def objects(self) -> list[str]:
        """Names of all objects."""
        return list(self.checksums())

    def checksums(self, prefix: str = "") -> dict[str, str]:
        """Checksums of the objects whose name begins so."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}

    def read(self, name: str) -> bytes:
        """Content of an object."""
        return self.client().get_object(Bucket=self.name, Key=name)["Body"].read()


@contextlib.contextmanager
def serve(host: str, log: Path, made: certificates.Certificates | None = None) -> Iterator[str]:
    """Run the endpoint on all addresses of this machine.

    Args:
        host: Address of this machine at which pods reach it.
        log: Receives the server's output, a line for each request.
        made: Certificate and key; without TLS if not given.

    Yields:
        Its URL.
    """
    port = processes.free_port()
    scheme = "http" if made is None else "https"
    command = [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", str(port)]
    if made is not None:
        for suffix, content in {"crt": made.certificate, "key": made.key}.items():
            log.with_suffix(f".{suffix}").write_text(content)
        command += ["-c", str(log.with_suffix(".crt")), "-k", str(log.with_suffix(".key"))]

    def answers() -> bool:
        unverified = ssl._create_unverified_context()
        address = f"{scheme}://127.0.0.1:{port}/moto-api/"
        with urllib.request.urlopen(address, timeout=2, context=unverified if made else None) as answer:
            return answer.status == 200

    with processes.running(command, log, ready=answers):
        yield f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def serve_minio(host: str, name: str, folder: Path) -> Iterator[tuple[Bucket, str]]:
    """Run MinIO over TLS on all addresses of this machine: for clients that moto's TLS, which ends without a word, is not good enough for.

    Args:
        host: Address of this machine at which pods reach it.
        name: Host name in its certificate, which leads there.
        folder: Receives its files.

    Yields:
        An empty bucket, and the URL with the name.
    """
    port, made = processes.free_port(), certificates.make(host, name)
    authority = folder / "authority.pem"
    authority.write_text(made.authority)
    for file, content in {"public.crt": made.certificate, "private.key": made.key}.items():
        (folder / file).write_text(content)
    keys = {"access_key_id": secrets.token_hex(10), "secret_access_key": secrets.token_hex(20)}
    environment = {
        **os.environ,
        "HOME": str(folder),
        "MINIO_ROOT_USER": keys["access_key_id"],
        "MINIO_ROOT_PASSWORD": keys["secret_access_key"],
    }
    program = golang.build(["minio"])["minio"]
    command = [program, "server", "--quiet", "--address", f":{port}", "--certs-dir", folder, folder / "data"]
    made_here = Bucket(f"https://{host}:{port}", f"t-{secrets.token_hex(6)}", authority, **keys)

    def answers() -> bool:
        with contextlib.suppress(BotoCoreError, ClientError):
            made_here.client().create_bucket(Bucket=made_here.name)
            return True
        return False

    with processes.running(command, folder / "log", env=environment, ready=answers):
        yield made_here, f"https://{name}:{port}"


def bucket(url: str, authority: Path | None = None) -> Bucket:
    """Make a bucket.

    Args:
        url: The endpoint.
        authority: File with the certificate of the endpoint's authority.
    """
    made = Bucket(url, f"t-{secrets.token_hex(6)}", authority)
    made.client().create_bucket(Bucket=made.name)
    return made
