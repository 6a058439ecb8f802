"""How pods reach the created resources: by private endpoints in the cluster's network."""

import pulumi

from ..arguments import Input
from ..contracts import Place
from . import sdk


def private_endpoint(
    place: Place, what: str, resource_id: pulumi.Output[str], kind: str, dns_zone_id: Input[str]
) -> pulumi.Resource:
    """An address in the cluster's network for a service outside it, and a DNS record for it.

    Args:
        place: The deployment.
        what: Part of the resource names.
        resource_id: The resource behind the address.
        kind: Azure's group id of its service.
        dns_zone_id: Private DNS zone that overrides its public name.
    """
    facts = place.args.azure
    assert facts is not None and facts.private_endpoint is not None
    name = f"{place.name}-{what}"
    endpoint = sdk.PrivateEndpoint(
        name,
        resource_group_name=facts.resource_group,
        location=facts.location,
        subnet={"id": facts.private_endpoint.subnet_id},
        private_link_service_connections=[
            {"name": name, "private_link_service_id": resource_id, "group_ids": [kind]},
        ],
        tags=facts.tags or None,
        opts=place.options(),
    )
    return sdk.PrivateDnsZoneGroup(
        name,
        resource_group_name=facts.resource_group,
        # An id ends with the name: https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/overview.
        private_endpoint_name=endpoint.id.apply(lambda id: id.rsplit("/", 1)[-1]),
        private_dns_zone_group_name="default",
        private_dns_zone_configs=[{"name": "zone", "private_dns_zone_id": dns_zone_id}],
        opts=place.options(),
    )
