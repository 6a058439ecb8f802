"""Configurations that tests start from, as they stand in stack files, and a way to change one value of them."""

import functools
from collections.abc import Mapping
from typing import Any

DEV: Mapping[str, Any] = {"database": {"sqlite": {}}, "artifacts": {"volume": {}}, "deletionProtection": False}
"""SQLite and artifacts on claims."""

PRODUCTION: Mapping[str, Any] = {
    "database": {"postgresql": {"host": "db.example.com", "password": "pw-of-database"}},
    "artifacts": {
        "s3": {
            "bucket": "models",
            "endpointUrl": "https://objects.example.com:9000",
            "accessKeyId": "id-of-key",
            "secretAccessKey": "half-of-key",
        }
    },
    "server": {"replicas": 2},
}
"""PostgreSQL and a bucket on an S3-compatible endpoint, two replicas."""

AWS_FACTS: Mapping[str, Any] = {
    "vpcId": "vpc-0123456789abcdef0",
    "subnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "clusterSecurityGroupIds": ["sg-0123456789abcdef0"],
    "clusterName": "tools",
    "oidcProviderArn": "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC",
    "tags": {"team": "a"},
}
"""Account, network and cluster."""

AWS: Mapping[str, Any] = {
    "database": {"rds": {"engine": "postgresql"}},
    "artifacts": {"awsBucket": {"prefix": "prod"}},
    "identity": {"irsa": {}},
    "aws": AWS_FACTS,
    "server": {"replicas": 2},
}
"""Database, bucket and role made on AWS, two replicas."""

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
"""Looks like a certificate, and is none."""


def changed(configuration: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a dotted path; blocks on the way are made."""
    first, _, rest = path.partition(".")
    inner = configuration.get(first)
    return {
        **configuration,
        first: changed(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value,
    }


def with_changes(configuration: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with other values at several dotted paths."""
    return functools.reduce(lambda result, change: changed(result, *change), changes.items(), dict(configuration))
