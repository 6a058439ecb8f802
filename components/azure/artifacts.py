"""A storage account without keys and without public access, and one container in it."""

import re
from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_azure_native import storage

from ..arguments import AzureArgs, AzureContainerArgs
from ..kubernetes.objects import Scope
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


def container(scope: Scope, args: AzureContainerArgs) -> Container:
    """A storage account with a container that nobody may use yet."""
    facts = scope.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    keep = scope.options(protect=scope.args.deletion_protection)
    account = _account(scope, args, facts)
    properties = storage.BlobServiceProperties(
        f"{scope.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        blob_services_name="default",
        is_versioning_enabled=True,
        change_feed=storage.ChangeFeedArgs(enabled=True, retention_in_days=args.soft_delete_days),
        delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=args.soft_delete_days),
        container_delete_retention_policy=storage.DeleteRetentionPolicyArgs(enabled=True, days=args.soft_delete_days),
        restore_policy=storage.RestorePolicyPropertiesArgs(enabled=True, days=args.soft_delete_days - 1),
        opts=keep,
    )
    made = storage.BlobContainer(
        f"{scope.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        container_name=args.container,
        public_access=storage.PublicAccess.NONE,
        opts=scope.options(protect=scope.args.deletion_protection, depends_on=[properties]),
    )
    last: pulumi.Resource = storage.ManagementPolicy(
        f"{scope.name}-artifacts",
        resource_group_name=facts.resource_group,
        account_name=account.name,
        management_policy_name="default",
        policy=storage.ManagementPolicySchemaArgs(rules=[_old_versions(args.version_days)]),
        opts=scope.options(depends_on=[made]),
    )
    endpoint = facts.private_endpoint
    if endpoint is not None and endpoint.blob_dns_zone_id is not None:
        last = private_endpoint(scope, "artifacts", account.id, "blob", endpoint.blob_dns_zone_id)
    if scope.args.deletion_protection:
        lock(scope, "artifacts", account.id, last)
    return Container(account.name, made.name, made.id, last)


def _account(scope: Scope, args: AzureContainerArgs, facts: AzureArgs) -> storage.StorageAccount:
    endpoint = facts.private_endpoint
    closed = endpoint is not None and endpoint.blob_dns_zone_id is not None
    return storage.StorageAccount(
        f"{scope.name}-artifacts",
        resource_group_name=facts.resource_group,
        location=facts.location,
        account_name=args.account_name if args.account_name is not None else _account_name(scope),
        kind=storage.Kind.STORAGE_V2,
        sku=storage.SkuArgs(name=args.replication.value),
        access_tier=storage.AccessTier.HOT,
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        allow_cross_tenant_replication=False,
        default_to_o_auth_authentication=True,
        enable_https_traffic_only=True,
        is_local_user_enabled=False,
        minimum_tls_version="TLS1_2",
        public_network_access="Disabled" if closed else "Enabled",
        network_rule_set=storage.NetworkRuleSetArgs(
            bypass="None",
            default_action=storage.DefaultAction.ALLOW if args.public_network else storage.DefaultAction.DENY,
            virtual_network_rules=[
                storage.VirtualNetworkRuleArgs(virtual_network_resource_id=subnet, action=storage.Action.ALLOW)
                for subnet in args.allowed_subnet_ids
            ],
        ),
        encryption=storage.EncryptionArgs(
            key_source="Microsoft.Storage",
            require_infrastructure_encryption=True,
            services=storage.EncryptionServicesArgs(blob=storage.EncryptionServiceArgs(enabled=True)),
        ),
        tags=facts.tags or None,
        opts=scope.options(protect=scope.args.deletion_protection),
    )


def _account_name(scope: Scope) -> pulumi.Output[str]:
    # As well kept as the account: another suffix would be another account.
    keep = scope.options(protect=scope.args.deletion_protection)
    suffix = random.RandomString(f"{scope.name}-artifacts", length=8, special=False, upper=False, opts=keep)
    start = re.sub(r"[^a-z0-9]", "", scope.name)[: _ACCOUNT_LENGTH - 8]
    return suffix.result.apply(lambda text: f"{start}{text}")


def _old_versions(days: int) -> storage.ManagementPolicyRuleArgs:
    return storage.ManagementPolicyRuleArgs(
        name="old-versions",
        enabled=True,
        type="Lifecycle",
        definition=storage.ManagementPolicyDefinitionArgs(
            actions=storage.ManagementPolicyActionArgs(
                version=storage.ManagementPolicyVersionArgs(
                    delete=storage.DateAfterCreationArgs(days_after_creation_greater_than=days)
                )
            ),
            filters=storage.ManagementPolicyFilterArgs(blob_types=["blockBlob"]),
        ),
    )
