"""Rules for Azure only."""

import re
from collections.abc import Iterator

from ..arguments import AzureArgs, AzureFlexibleServerArgs, CloudEngine, MlflowDeploymentArgs
from ..arguments.base import Problem, plain


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """Which container an identity may use, and who can reach database and storage account."""
    container = args.artifacts.azure_container
    identity = args.identity.azure_workload_identity if args.identity is not None else None
    if identity is not None and identity.container_id is None and args.artifacts.azure_blob is not None:
        message = "is required with artifacts.azureBlob: it names the container that the identity may use"
        yield Problem(("identity", "azure_workload_identity", "container_id"), message, "give its resource id")
    if identity is not None and identity.container_id is not None and container is not None:
        message = "is given as well as artifacts.azureContainer, which creates the container"
        yield Problem(("identity", "azure_workload_identity", "container_id"), message, "keep one of them")
    if args.azure is not None:
        yield from _network(args, args.azure)


def _zone(server: AzureFlexibleServerArgs, facts: AzureArgs) -> Iterator[Problem]:
    """A zone of the other engine, in whose names Azure would refuse to put the server."""
    other = {CloudEngine.POSTGRESQL: "mysql", CloudEngine.MYSQL: "postgres"}[server.engine]
    endpoint = facts.private_endpoint
    zones = {
        ("private_dns_zone_id",): facts.private_dns_zone_id,
        ("private_endpoint", "database_dns_zone_id"): endpoint.database_dns_zone_id if endpoint else None,
    }
    for path, zone in zones.items():
        if re.search(rf"[/.]{other}\.database\.[a-z.]+$", str(plain(zone)), re.IGNORECASE):
            message = f"is a zone for {'MySQL' if other == 'mysql' else 'PostgreSQL'}, and the engine is {server.engine.value}"
            yield Problem(("azure", *path), message, "give the zone of the engine")


def _network(args: MlflowDeploymentArgs, facts: AzureArgs) -> Iterator[Problem]:
    endpoint, container = facts.private_endpoint, args.artifacts.azure_container
    injected = facts.delegated_subnet_id is not None or facts.private_dns_zone_id is not None
    reached = injected or (endpoint is not None and endpoint.database_dns_zone_id is not None)
    if args.database.azure_flexible_server is not None:
        yield from _zone(args.database.azure_flexible_server, facts)
    if args.database.azure_flexible_server is not None and not reached:
        message = "names no private network for database.azureFlexibleServer"
        fix = "give delegatedSubnetId and privateDnsZoneId, or privateEndpoint.databaseDnsZoneId"
        yield Problem(("azure",), message, fix, either=(("azure", "private_endpoint"),))
    if container is None:
        return
    private = endpoint is not None and endpoint.blob_dns_zone_id is not None
    opened = "allowed_subnet_ids" if container.allowed_subnet_ids else "public_network"
    if not private and not container.allowed_subnet_ids and not container.public_network:
        fix = "give azure.privateEndpoint.blobDnsZoneId or allowedSubnetIds, or accept every network with publicNetwork: true"
        place = ("artifacts", "azure_container")
        yield Problem(place, "could not be reached by anyone", fix, either=(("azure", "private_endpoint"),))
    elif private and (container.allowed_subnet_ids or container.public_network):
        message = "contradicts azure.privateEndpoint.blobDnsZoneId, which closes every other way"
        yield Problem(("artifacts", "azure_container", opened), message, "keep one of them")
