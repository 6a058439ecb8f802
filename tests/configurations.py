"""Configurations that tests start from, as they stand in stack files, and a way to change one value of them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

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

OIDC: Mapping[str, Any] = {
    "issuerUrl": "https://id",
    "redirectUrl": "https://h/oauth2/callback",
    "clientId": "c",
    "clientSecret": "s",
    "allowedGroups": ["a"],
}
"""A provider of users."""

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
GCP: Mapping[str, Any] = {
    "gcp": {
        "project": "project-of-tests",
        "region": "europe-west3",
        "network": "projects/project-of-tests/global/networks/cluster",
        "labels": {"team": "a"},
    },
    "database": {"cloudSql": {}},
    "artifacts": {"gcpBucket": {}},
    "identity": {"gcpServiceAccount": {}},
    "server": {"replicas": 2},
}
"""Cloud SQL for PostgreSQL, a bucket, and a service account."""

_GROUP = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/mlflow/providers/Microsoft.Network"

AZURE: Mapping[str, Any] = {
    "azure": {
        "resourceGroup": "mlflow",
        "location": "westeurope",
        "delegatedSubnetId": f"{_GROUP}/virtualNetworks/cluster/subnets/database",
        "privateDnsZoneId": f"{_GROUP}/privateDnsZones/mlflow.private.postgres.database.azure.com",
        "privateEndpoint": {
            "subnetId": f"{_GROUP}/virtualNetworks/cluster/subnets/endpoints",
            "blobDnsZoneId": f"{_GROUP}/privateDnsZones/privatelink.blob.core.windows.net",
        },
        "aksOidcIssuerUrl": "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/",
        "tags": {"team": "a"},
    },
    "database": {"azureFlexibleServer": {}},
    "artifacts": {"azureContainer": {}},
    "identity": {"azureWorkloadIdentity": {}},
    "server": {"replicas": 2},
}
"""A flexible server for PostgreSQL, a storage account, and a user-assigned identity."""

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
"""Looks like a certificate, and is none."""


def own_values(stack_file: Path) -> dict[str, Any]:
    """The component's own values of a stack file."""
    values = yaml.safe_load(stack_file.read_text())["config"]
    return {key.removeprefix("mlflow:"): value for key, value in values.items() if key.startswith("mlflow:")}


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
