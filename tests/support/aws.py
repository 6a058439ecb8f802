"""AWS on this machine: moto's API, with a network as an EKS cluster has it, in front of real databases and a real S3 endpoint."""

import contextlib
import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.support import mariadb, postgresql, processes
from toolchain.paths import ROOT

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "secret-of-nobody"}


@dataclass(frozen=True)
class Cloud:
    """The emulated account.

    Attributes:
        host: Address of this machine for pods.
        port: Port of the API.
        folder: A folder for what the provider may write.
        postgresql, mariadb: Servers in which databases are made.
        facts: VPC, subnets, cluster, as `mlflow:aws` takes them.
    """

    host: str
    port: int
    folder: Path
    postgresql: postgresql.Server
    mariadb: mariadb.Server
    facts: dict[str, Any]

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return _client(service, self.port)

    @property
    def variables(self) -> dict[str, str]:
        """Environment of Pulumi, which the provider inherits."""
        return {
            **KEYS,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://localhost:{self.port}",
            # S3 Control puts the account before the host, and that name does not resolve: the API is its proxy as well.
            "HTTP_PROXY": f"http://127.0.0.1:{self.port}",
            # The provider's own switch for tests: what it waits for is there at once, so that it need not pause.
            "VCR_MODE": "REPLAY_ONLY",
            "VCR_PATH": str(self.folder),
        }

    @property
    def configuration(self) -> dict[str, Any]:
        """Configuration of the provider in a stack file."""
        return {"aws:region": REGION, "aws:s3UsePathStyle": "true", "aws:skipMetadataApiCheck": "true"}

    @property
    def pods(self) -> dict[str, str]:
        """Variables of pods: the API's address, and what EKS adds for a ServiceAccount with a role."""
        return {
            "AWS_ENDPOINT_URL": f"http://{self.host}:{self.port}",
            "AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/mlflow",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/etc/hostname",
        }

    def database(self, engine: str, name: str) -> dict[str, Any]:
        """The part of a database's block that leads to the real server of that engine."""
        server = self.postgresql if engine == "postgresql" else self.mariadb
        return {
            "engine": engine,
            "port": server.port,
            "database": name,
            "username": name,
            "tls": {"caCertificate": server.ca_certificate},
        }


@contextlib.contextmanager
def serve(host: str, folder: Path, databases: postgresql.Server, mysql: mariadb.Server) -> Iterator[Cloud]:
    """Run the API, with a cluster's surroundings in it.

    Args:
        host: Address of this machine at which pods reach it.
        folder: An empty folder.
        databases: The PostgreSQL server.
        mysql: The MySQL server.
    """
    port = processes.free_port()
    settings = {
        "port": str(port),
        "host": host,
        "postgresql_folder": str(databases.folder),
        "postgresql_port": str(databases.port),
        "mysql_socket": str(mysql.socket),
    }
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}

    def answers() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2) as answer:
            return answer.status == 200

    command = [sys.executable, "-m", "tests.support.aws_server", json.dumps(settings)]
    with processes.running(command, folder / "log", env=env, ready=answers):
        yield Cloud(host, port, folder, databases, mysql, _facts(port))


def _facts(port: int) -> dict[str, Any]:
    ec2 = _client("ec2", port)
    subnets = ec2.describe_subnets()["Subnets"][:2]
    issuer = f"oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
    return {
        "vpcId": subnets[0]["VpcId"],
        "subnetIds": [subnet["SubnetId"] for subnet in subnets],
        "availabilityZones": [subnet["AvailabilityZone"] for subnet in subnets],
        "clusterSecurityGroupIds": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
        "oidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}",
        "tags": {"team": "platform"},
    }


def _client(service: str, port: int) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=REGION,
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
