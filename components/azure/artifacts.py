"""A storage account without shared keys or anonymous access, and one container in it."""

import re
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from ..arguments import AzureArgs, AzureContainerArgs, AzureDomain
from ..contracts import Place
from . import sdk
from .database import lock
from .network import private_endpoint

_ACCOUNT_LENGTH = 24


@dataclass(frozen=True)
class Container:
    """A container: names of account and container, domain, resource id, and what must exist before it is used."""

    account: pulumi.Output[str]
    domain: pulumi.Output[str]
    name: pulumi.Output[str]
    id: pulumi.Output[str]
    ready: pulumi.Resource


def container(place: Place, args: AzureContainerArgs) -> Container:
    """A storage account with a container, without any grants."""
    facts = place.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    keep = place.options(protect=place.args.deletion_protection)
    account = _account(place, args, facts)
    properties = sdk.BlobServiceProperties(
        f"{place.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        blob_services_name="default",
        is_versioning_enabled=True,
        change_feed={"enabled": True, "retention_in_days": args.soft_delete_days},
        delete_retention_policy={"enabled": True, "days": args.soft_delete_days},
        container_delete_retention_policy={"enabled": True, "days": args.soft_delete_days},
        restore_policy={"enabled": True, "days": args.soft_delete_days - 1},
        opts=keep,
    )
    made = sdk.BlobContainer(
        f"{place.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        container_name=args.container,
        public_access=sdk.PublicAccess("None"),
        opts=place.options(protect=place.args.deletion_protection, depends_on=[properties]),
    )
    last: pulumi.Resource = sdk.ManagementPolicy(
        f"{place.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        management_policy_name="default",
        policy={
            "rules": [
                {
                    "name": "old-versions",
                    "enabled": True,
                    "type": "Lifecycle",
                    "definition": {
                        "actions": {"version": {"delete": {"days_after_creation_greater_than": args.version_days}}},
                        "filters": {"blob_types": ["blockBlob"]},
                    },
                }
            ]
        },
        opts=place.options(depends_on=[made]),
    )
    endpoint = facts.private_endpoint
    if endpoint is not None and endpoint.blob_dns_zone_id is not None:
        last = private_endpoint(place, "artifacts", account.id, "blob", endpoint.blob_dns_zone_id)
    if place.args.deletion_protection:
        lock(place, "artifacts", account.id, last)
    domain = pulumi.Output.from_input(facts.location).apply(lambda location: AzureDomain.of_region(location).value)
    return Container(account.name, domain, made.name, made.id, last)


def _account(place: Place, args: AzureContainerArgs, facts: AzureArgs) -> sdk.StorageAccount:
    endpoint = facts.private_endpoint
    closed = endpoint is not None and endpoint.blob_dns_zone_id is not None
    return sdk.StorageAccount(
        f"{place.name}-artifacts",
        resource_group_name=facts.resource_group,
        location=facts.location,
        account_name=args.account_name if args.account_name is not None else _account_name(place),
        kind="StorageV2",
        sku={"name": args.replication.value},
        access_tier=sdk.AccessTier("Hot"),
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        allow_cross_tenant_replication=False,
        default_to_o_auth_authentication=True,
        enable_https_traffic_only=True,
        is_local_user_enabled=False,
        minimum_tls_version="TLS1_2",
        public_network_access="Disabled" if closed else "Enabled",
        network_rule_set={
            "bypass": "None",
            "default_action": sdk.DefaultAction("Allow" if args.public_network else "Deny"),
            "virtual_network_rules": [
                {"virtual_network_resource_id": subnet, "action": sdk.Action("Allow")}
                for subnet in args.allowed_subnet_ids
            ],
        },
        encryption={
            "key_source": "Microsoft.Storage",
            "require_infrastructure_encryption": True,
            "services": {"blob": {"enabled": True}},
        },
        tags=facts.tags or None,
        opts=place.options(protect=place.args.deletion_protection),
    )


def _account_name(place: Place) -> pulumi.Output[str]:
    # Protected like the account: another suffix would mean another account.
    keep = place.options(protect=place.args.deletion_protection)
    suffix = random.RandomString(f"{place.name}-artifacts", length=8, special=False, upper=False, opts=keep)
    start = re.sub(r"[^a-z0-9]", "", place.name)[: _ACCOUNT_LENGTH - 8]
    return suffix.result.apply(lambda text: f"{start}{text}")
