"""Azure: where things are made, and what makes the pods somebody there."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import pattern
from ..kinds import IdentityBlock
from .names import cloud_name, kept_as_long, needed

if TYPE_CHECKING:
    from ..deployment import MlflowDeploymentArgs

_GROUP = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
SUBNET = rf"(?i:{_GROUP}/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+)"
_ZONE = rf"(?i:{_GROUP}/Microsoft\.Network/privateDnsZones/[^/]+)"
_CONTAINER = rf"(?i:{_GROUP}/Microsoft\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+)"
SUBNET_FIX = "write /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/…/subnets/…"
_ZONE_FIX = "write /subscriptions/…/resourceGroups/…/providers/Microsoft.Network/privateDnsZones/…"


@block
class AzurePrivateEndpointArgs(Block):
    """Addresses in the cluster's network for what is not part of that network."""

    subnet_id: Input[str]
    """Resource id of the subnet that the addresses are taken from."""
    database_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone `privatelink.postgres.database.azure.com` (or `…mysql…`), linked to the
    cluster's network. If given, the database is reached so, instead of being injected into a delegated subnet."""
    blob_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone `privatelink.blob.core.windows.net`, linked to the cluster's network. If given,
    the storage account is reached so and by no other way."""

    def problems(self) -> Iterable[Problem]:
        yield from cloud_name(self.subnet_id, "azure", SUBNET, "subnet_id", "the resource id of a subnet", SUBNET_FIX)
        for field in ("database_dns_zone_id", "blob_dns_zone_id"):
            what = "the resource id of a private DNS zone"
            yield from cloud_name(getattr(self, field), "azure", _ZONE, field, what, _ZONE_FIX)


@block
class AzureArgs(Block):
    """Where in Azure database, storage account and identity are made, and what they must know of network and cluster."""

    resource_group: Input[str]
    """Name of the resource group."""
    location: Input[str]
    """Region, for example `westeurope`."""
    delegated_subnet_id: Input[str] | None = None
    """Resource id of a subnet that is delegated to flexible servers of the engine, in the cluster's network: the database
    is injected there."""
    private_dns_zone_id: Input[str] | None = None
    """Resource id of the private DNS zone of the injected database, linked to the cluster's network."""
    private_endpoint: AzurePrivateEndpointArgs | None = None
    """Private endpoints for the database, the storage account, or both."""
    aks_oidc_issuer_url: Input[str] | None = None
    """OIDC issuer of the cluster, as AKS tells it; `identity.azureWorkloadIdentity` needs it."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags of everything that is made and can have tags."""

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
        for key, value in self.tags.items():
            if not re.fullmatch(r"[^<>%&\\?/]{1,512}", key) or len(value) > 256:
                fix = "use up to 512 characters without '<>%&\\?/' in keys, and up to 256 in values"
                yield Problem(("tags", key), f"{key!r} is not a tag of Azure", fix)


def _issuer(value: Input[str] | None) -> Iterable[Problem]:
    yield from pattern(
        value,
        r"(https://)?[\w.-]+\.[\w.-]+(/[^\s?#]*)?",
        "aks_oidc_issuer_url",
        "an OIDC issuer",
        "take it from the cluster: az aks show --query oidcIssuerProfile.issuerUrl",
    )


def issuer_url(value: str) -> str:
    """An issuer as its tokens name it: tokens are compared with it letter by letter, final slash included."""
    url = value if value.startswith("https://") else f"https://{value}"
    return url if url.endswith("/") or ".oic.prod-aks.azure." not in url else f"{url}/"


@block
class AzureWorkloadIdentityArgs(IdentityBlock):
    """A user-assigned identity that the pods become by Workload Identity; the cluster must have it enabled."""

    name: Input[str] | None = None
    """Name of the identity; made by Pulumi if not given."""
    container_id: Input[str] | None = None
    """Resource id of an existing container that the identity may read and write; of the one that
    `artifacts.azureContainer` makes if not given."""

    def problems(self) -> Iterable[Problem]:
        fix = "use 3 to 128 letters, digits, '-' and '_', starting with a letter or digit"
        yield from pattern(self.name, r"[A-Za-z0-9][\w-]{2,127}", "name", "a name for an identity", fix)
        yield from cloud_name(
            self.container_id,
            "azure",
            _CONTAINER,
            "container_id",
            "the resource id of a container",
            "write /subscriptions/…/storageAccounts/<account>/blobServices/default/containers/<container>",
        )


def choices(root: "MlflowDeploymentArgs") -> dict[str, Block]:
    """What is made on Azure, by its configuration path."""
    among = {
        "database.azureFlexibleServer": root.database.azure_flexible_server,
        "artifacts.azureContainer": root.artifacts.azure_container,
        "identity.azureWorkloadIdentity": root.identity.azure_workload_identity if root.identity is not None else None,
    }
    return {path: choice for path, choice in among.items() if choice is not None}


def problems_of(root: "MlflowDeploymentArgs") -> Iterable[Problem]:
    """Rules that join the blocks of Azure."""
    for path in choices(root):
        fields = ("aks_oidc_issuer_url",) if path == "identity.azureWorkloadIdentity" else ()
        yield from needed(root.azure, fields, path, "azure")
    database, container = root.database.azure_flexible_server, root.artifacts.azure_container
    if root.azure is not None:
        yield from _network(root, root.azure)
    if container is not None and root.identity is None:
        message = "is required: nobody may read or write the container that artifacts.azureContainer makes"
        yield Problem(("identity",), message, "use azureWorkloadIdentity or existing")
    identity = root.identity.azure_workload_identity if root.identity is not None else None
    if identity is not None and container is None and identity.container_id is None:
        message = "would be allowed nothing: artifacts.azureContainer makes no container"
        fix = "use artifacts.azureContainer, or name an existing container in containerId"
        yield Problem(("identity", "azure_workload_identity"), message, fix, either=(("artifacts",),))
    if identity is not None and container is not None and identity.container_id is not None:
        message = "is given as well as artifacts.azureContainer, which makes the container"
        yield Problem(("identity", "azure_workload_identity", "container_id"), message, "keep one of them")
    if container is not None and database is not None:
        days = database.backup_retention_days
        path = ("artifacts", "azure_container", "version_days")
        yield from kept_as_long(container.version_days, days, path, "azure_flexible_server")


def _network(root: "MlflowDeploymentArgs", facts: AzureArgs) -> Iterable[Problem]:
    """Who reaches database and storage account."""
    endpoint, container = facts.private_endpoint, root.artifacts.azure_container
    injected = facts.delegated_subnet_id is not None or facts.private_dns_zone_id is not None
    reached = injected or (endpoint is not None and endpoint.database_dns_zone_id is not None)
    if root.database.azure_flexible_server is not None and not reached:
        message = "tells no private network for database.azureFlexibleServer"
        fix = "give delegatedSubnetId and privateDnsZoneId, or privateEndpoint.databaseDnsZoneId"
        yield Problem(("azure",), message, fix, either=(("azure", "private_endpoint"),))
    if container is None:
        return
    private = endpoint is not None and endpoint.blob_dns_zone_id is not None
    opened = "allowed_subnet_ids" if container.allowed_subnet_ids else "public_network"
    if not private and not container.allowed_subnet_ids and not container.public_network:
        fix = "give azure.privateEndpoint.blobDnsZoneId or allowedSubnetIds, or accept every network with publicNetwork: true"
        place = ("artifacts", "azure_container")
        yield Problem(place, "could be reached by nobody", fix, either=(("azure", "private_endpoint"),))
    elif private and (container.allowed_subnet_ids or container.public_network):
        message = "contradicts azure.privateEndpoint.blobDnsZoneId, which closes every other way"
        yield Problem(("artifacts", "azure_container", opened), message, "keep one of them")
