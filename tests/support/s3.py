"""A bucket on a real S3-compatible endpoint: moto's server, over HTTP."""

import contextlib
import secrets
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.support import processes


@dataclass(frozen=True)
class Bucket:
    """An empty bucket with keys that may use it."""

    endpoint_url: str
    name: str
    access_key_id: str = "AKIATESTTESTTESTTEST"
    secret_access_key: str = field(default_factory=lambda: secrets.token_hex(20))

    def client(self) -> Any:
        """A boto3 client for it."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
        )

    def objects(self) -> list[str]:
        """Names of all objects."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """Content of an object."""
        return self.client().get_object(Bucket=self.name, Key=name)["Body"].read()


@contextlib.contextmanager
def serve(host: str, log: Path) -> Iterator[str]:
    """Run the endpoint on all addresses of this machine.

    Args:
        host: Address of this machine at which pods reach it.
        log: Receives the server's output.

    Yields:
        Its URL.
    """
    port = processes.free_port()
    url = f"http://{host}:{port}"

    def answers() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2) as answer:
            return answer.status == 200

    command = [sys.executable, "-m", "moto.server", "-H", "0.0.0.0", "-p", port]
    with processes.running([str(part) for part in command], log, ready=answers):
        yield url


def bucket(url: str) -> Bucket:
    """Make a bucket."""
    made = Bucket(url, f"t-{secrets.token_hex(6)}")
    made.client().create_bucket(Bucket=made.name)
    return made
