"""The Azure environment of a deployment."""

import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import pattern
from .names import AZURE_TAG, cloud_name, tags

__all__ = ["AzureArgs", "AzurePrivateEndpointArgs"]


# https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/resource-name-rules
NAME = r"[\w().-]+"
GROUP = rf"/subscriptions/{NAME}/resourceGroups/{NAME}/providers"
SUBNET = rf"(?i:{GROUP}/Microsoft\.Network/virtualNetworks/{NAME}/subnets/{NAME})"
CONTAINER = rf"(?i:{GROUP}/Microsoft\.Storage/storageAccounts/[a-z0-9]+/blobServices/default/containers/[a-z0-9-]+)"
_ZONE = rf"(?i:{GROUP}/Microsoft\.Network/privateDnsZones/{NAME})"
SUBNET_FIX = "write /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/subnets/…"
CONTAINER_FIX = "write /subscriptions/…/storageAccounts/<account>/blobServices/default/containers/<container>"
_ZONE_FIX = "write /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/privateDnsZones/…"


@block
class AzurePrivateEndpointArgs(Block):
    """Private endpoints: addresses in the cluster's network for services outside it."""

    subnet_id: Input[str]
    """Resource id of the subnet that the addresses are taken from."""
    database_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone `privatelink.postgres.database.azure.com` (or `…mysql…`), linked to the
    cluster's network. If given, the database gets a private endpoint instead of being injected into a delegated subnet."""
    blob_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone `privatelink.blob.core.windows.net`, linked to the cluster's network. If given,
    the storage account can only be reached through a private endpoint."""

    def problems(self) -> Iterable[Problem]:
        yield from cloud_name(self.subnet_id, "azure", SUBNET, "subnet_id", "the resource id of a subnet", SUBNET_FIX)
        for field in ("database_dns_zone_id", "blob_dns_zone_id"):
            what = "the resource id of a private DNS zone"
            yield from cloud_name(getattr(self, field), "azure", _ZONE, field, what, _ZONE_FIX)


@block
class AzureArgs(Block):
    """Where in Azure to create database, storage account and identity, and the network and cluster around them."""

    resource_group: Input[str]
    """Name of the resource group."""
    location: Input[str]
    """Region, for example `westeurope`."""
    delegated_subnet_id: Input[str] | None = None
    """Resource id of a subnet of the cluster's network that is delegated to flexible servers of the engine; the database is
    injected there."""
    private_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone of the injected database, linked to the cluster's network."""
    private_endpoint: AzurePrivateEndpointArgs | None = None
    """Private endpoints for the database, the storage account, or both."""
    aks_oidc_issuer_url: Input[str] | None = None
    """OIDC issuer of the cluster, as AKS reports it, for `identity.azureWorkloadIdentity`."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of every Azure resource that can have them."""

    def problems(self) -> Iterable[Problem]:
        # https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/resource-name-rules
        yield from cloud_name(
            self.resource_group,
            "azure",
            r"[\w().-]{0,89}[\w()-]",
            "resource_group",
            "the name of a resource group",
            "give the name alone: up to 90 letters, digits, '_', '-', '.', '(' and ')', not ending with a dot",
        )
        location = plain(self.location)
        simple = re.sub(r"[^a-z0-9]", "", location.lower()) if isinstance(location, str) else "westeurope"
        fix = f"write {simple!r}" if simple[:1].isalpha() else "write it as Azure does, for example westeurope"
        yield from pattern(self.location, r"[a-z][a-z0-9]+", "location", "a region of Azure", fix)
        what = "the resource id of a subnet"
        yield from cloud_name(self.delegated_subnet_id, "azure", SUBNET, "delegated_subnet_id", what, SUBNET_FIX)
        what = "the resource id of a private DNS zone"
        yield from cloud_name(self.private_dns_zone_id, "azure", _ZONE, "private_dns_zone_id", what, _ZONE_FIX)
        if (self.delegated_subnet_id is None) != (self.private_dns_zone_id is None):
            absent = "private_dns_zone_id" if self.private_dns_zone_id is None else "delegated_subnet_id"
            message = "is required with the other half of the injected database's network"
            yield Problem((absent,), message, "give delegatedSubnetId and privateDnsZoneId, or neither")
        endpoint = self.private_endpoint
        if self.delegated_subnet_id is not None and endpoint is not None and endpoint.database_dns_zone_id is not None:
            yield Problem(
                ("private_endpoint", "database_dns_zone_id"),
                "is given as well as delegatedSubnetId; a server that is injected into a network has no private endpoint",
                "keep one of them",
            )
        yield from _issuer(self.aks_oidc_issuer_url)
        # Keys of a storage account are shorter than those of other resources.
        yield from tags(self.tags, "tags", AZURE_TAG, 128, "microsoft|azure|windows", 50)


def _issuer(value: Input[str] | None) -> Iterable[Problem]:
    yield from pattern(
        value,
        r"(https://)?[\w.-]+\.[\w.-]+(/[^\s?#]*)?",
        "aks_oidc_issuer_url",
        "an OIDC issuer",
        "take it from the cluster: az aks show --query oidcIssuerProfile.issuerUrl",
    )


def issuer_url(value: str) -> str:
    """An issuer as its tokens name it: the comparison is exact, including the trailing slash."""
    url = value if value.startswith("https://") else f"https://{value}"
    return url if url.endswith("/") or ".oic.prod-aks.azure." not in url else f"{url}/"
