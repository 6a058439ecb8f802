"""A storage account without keys and without public access, and one container in it."""

import re
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_random as random

from ..arguments import AzureArgs, AzureContainerArgs
from ..bare_resource import BareResource
from ..contracts import Place
from .database import lock
from .network import private_endpoint

_ACCOUNT_LENGTH = 24


@dataclass(frozen=True)
class Container:
    """A container: names of account and container, resource id, and what must be there before it is used."""

    account: pulumi.Output[str]
    name: pulumi.Output[str]
    id: pulumi.Output[str]
    ready: pulumi.Resource


def container(place: Place, args: AzureContainerArgs) -> Container:
    """A storage account with a container that nobody may use yet."""
    facts = place.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    keep = place.options(protect=place.args.deletion_protection)
    account = _account(place, args, facts)
    within = {"resourceGroupName": facts.resource_group, "accountName": account.output("name")}
    kept = {"enabled": True, "days": args.soft_delete_days}
    properties = BareResource(
        "azure-native:storage:BlobServiceProperties",
        f"{place.name}-artifacts",
        {
            **within,
            "blobServicesName": "default",
            "isVersioningEnabled": True,
            "changeFeed": {"enabled": True, "retentionInDays": args.soft_delete_days},
            "deleteRetentionPolicy": kept,
            "containerDeleteRetentionPolicy": kept,
            "restorePolicy": {"enabled": True, "days": args.soft_delete_days - 1},
        },
        opts=keep,
    )
    made = BareResource(
        "azure-native:storage:BlobContainer",
        f"{place.name}-artifacts",
        {**within, "containerName": args.container, "publicAccess": "None"},
        opts=place.options(protect=place.args.deletion_protection, depends_on=[properties]),
        outputs=["name"],
    )
    last: pulumi.Resource = BareResource(
        "azure-native:storage:ManagementPolicy",
        f"{place.name}-artifacts",
        {**within, "managementPolicyName": "default", "policy": {"rules": [_old_versions(args.version_days)]}},
        opts=place.options(depends_on=[made]),
    )
    endpoint = facts.private_endpoint
    if endpoint is not None and endpoint.blob_dns_zone_id is not None:
        last = private_endpoint(place, "artifacts", account.id, "blob", endpoint.blob_dns_zone_id)
    if place.args.deletion_protection:
        lock(place, "artifacts", account.id, last)
    return Container(account.output("name"), made.output("name"), made.id, last)


def _account(place: Place, args: AzureContainerArgs, facts: AzureArgs) -> BareResource:
    endpoint = facts.private_endpoint
    closed = endpoint is not None and endpoint.blob_dns_zone_id is not None
    return BareResource(
        "azure-native:storage:StorageAccount",
        f"{place.name}-artifacts",
        {
            "resourceGroupName": facts.resource_group,
            "location": facts.location,
            "accountName": args.account_name if args.account_name is not None else _account_name(place),
            "kind": "StorageV2",
            "sku": {"name": args.replication.value},
            "accessTier": "Hot",
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": False,
            "allowCrossTenantReplication": False,
            "defaultToOAuthAuthentication": True,
            "enableHttpsTrafficOnly": True,
            "isLocalUserEnabled": False,
            "minimumTlsVersion": "TLS1_2",
            "publicNetworkAccess": "Disabled" if closed else "Enabled",
            "networkRuleSet": {
                "bypass": "None",
                "defaultAction": "Allow" if args.public_network else "Deny",
                "virtualNetworkRules": [
                    {"virtualNetworkResourceId": subnet, "action": "Allow"} for subnet in args.allowed_subnet_ids
                ],
            },
            "encryption": {
                "keySource": "Microsoft.Storage",
                "requireInfrastructureEncryption": True,
                "services": {"blob": {"enabled": True}},
            },
            "tags": facts.tags or None,
        },
        opts=place.options(protect=place.args.deletion_protection),
        outputs=["name"],
    )


def _account_name(place: Place) -> pulumi.Output[str]:
    # As well kept as the account: another suffix would be another account.
    keep = place.options(protect=place.args.deletion_protection)
    suffix = random.RandomString(f"{place.name}-artifacts", length=8, special=False, upper=False, opts=keep)
    start = re.sub(r"[^a-z0-9]", "", place.name)[: _ACCOUNT_LENGTH - 8]
    return suffix.result.apply(lambda text: f"{start}{text}")


def _old_versions(days: int) -> dict[str, Any]:
    return {
        "name": "old-versions",
        "enabled": True,
        "type": "Lifecycle",
        "definition": {
            "actions": {"version": {"delete": {"daysAfterCreationGreaterThan": days}}},
            "filters": {"blobTypes": ["blockBlob"]},
        },
    }
