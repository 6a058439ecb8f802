"""Azure Database for PostgreSQL and for MySQL: a flexible server in a private network, with its database.

Subnets, DNS zones and their links belong to the network and are not made here. Nor is a second user: Azure's API knows the
administrator only, who on a flexible server is no superuser.
"""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_random as random

from ..arguments import AzureArgs, AzureFlexibleServerArgs, CloudEngine, TlsMode
from ..arguments.database.azure import DEFAULT_VERSIONS, tier_of
from ..bare_resource import BareResource
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, NetworkDestination, Place
from ..downgrades import refuse_downgrade
from .network import private_endpoint

_MODULES = {CloudEngine.POSTGRESQL: "azure-native:dbforpostgresql", CloudEngine.MYSQL: "azure-native:dbformysql"}
_KINDS = {CloudEngine.POSTGRESQL: "postgresqlServer", CloudEngine.MYSQL: "mysqlServer"}
"""What private endpoints call the servers."""
# CIS Microsoft Azure Database Services Benchmark, sections on flexible servers.
_PARAMETERS = {
    CloudEngine.POSTGRESQL: {
        "require_secure_transport": "on",
        "ssl_min_protocol_version": "TLSv1.2",
        "log_checkpoints": "on",
        "log_connections": "on",
        "log_disconnections": "on",
        "connection_throttle.enable": "on",
        "logfiles.retention_days": "7",
    },
    CloudEngine.MYSQL: {
        "require_secure_transport": "ON",
        "tls_version": "TLSv1.2,TLSv1.3",
        "audit_log_enabled": "ON",
        "audit_log_events": "CONNECTION",
        # A migration of MLflow makes a trigger, which needs the privilege SUPER while there is a binary log, or this.
        "log_bin_trust_function_creators": "ON",
    },
}
_AUTHORITIES = Path(__file__).with_name("certificates.pem")


def flexible_server(place: Place, args: AzureFlexibleServerArgs) -> DatabaseConnection:
    """A server with its database."""
    facts = place.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    password = pulumi.Output.secret(args.password) if args.password is not None else _password(place)
    server = _server(place, args, facts, password)
    last: pulumi.Resource = server
    if facts.delegated_subnet_id is None:
        last = _private_endpoint(place, args, facts, server)
    last = _configured(place, args, facts, server, last)
    postgresql = args.engine is CloudEngine.POSTGRESQL
    database = BareResource(
        f"{_MODULES[args.engine]}:Database",
        f"{place.name}-database",
        {
            "resourceGroupName": facts.resource_group,
            "serverName": server.output("name"),
            "databaseName": args.database,
            "charset": "UTF8" if postgresql else "utf8mb4",
            "collation": "en_US.utf8" if postgresql else "utf8mb4_0900_ai_ci",
        },
        opts=place.options(protect=place.args.deletion_protection, depends_on=[last]),
        outputs=["name"],
    )
    if place.args.deletion_protection:
        lock(place, "database", server.id, database)
    engine = Engine(args.engine.value)
    port = PORTS[engine]
    # Known only once the database is there, so that nothing connects before.
    host = pulumi.Output.all(server.output("fullyQualifiedDomainName"), database.id).apply(lambda parts: parts[0])
    return DatabaseConnection(
        engine=engine,
        driver=DRIVERS[engine],
        host=host,
        port=port,
        database=database.output("name"),
        username=args.username,
        password=password,
        tls_mode=TlsMode.VERIFY_FULL,
        # Not the image's own store, which may be absent, and of which libpq before 16 knows nothing.
        ca_certificate=args.ca_certificate if args.ca_certificate is not None else _AUTHORITIES.read_text(),
        network=NetworkDestination(host=host, port=port),
    )


def lock(place: Place, what: str, resource_id: pulumi.Output[str], after: pulumi.Resource) -> None:
    """Azure's own refusal to delete something, for whoever asks. Taken away first, so that the rest can be deleted."""
    BareResource(
        "azure-native:authorization:ManagementLockByScope",
        f"{place.name}-{what}",
        {
            "lockName": f"{place.name}-{what}",
            "scope": resource_id,
            "level": "CanNotDelete",
            "notes": "Holds data of MLflow. To delete it, set deletionProtection to false and run pulumi up.",
        },
        opts=place.options(depends_on=[after]),
    )


def _server(
    place: Place, args: AzureFlexibleServerArgs, facts: AzureArgs, password: pulumi.Output[str]
) -> BareResource:
    """The server. Each of the two APIs has one thing that the other has not, and a field that the other calls differently."""
    # Empty and default values are those that the SDK's classes write: without them every server made with an older version of this
    # would be changed.
    own: dict[str, Any]
    if args.engine is CloudEngine.POSTGRESQL:
        login = {"passwordAuth": "Enabled", "activeDirectoryAuth": "Disabled", "tenantId": ""}
        own, disk, standby = {"authConfig": login, "availabilityZone": ""}, {}, {"standbyAvailabilityZone": ""}
        zone = "privateDnsZoneArmResourceId"
    else:
        disk = {"autoIoScaling": "Enabled", "logOnDisk": "Disabled", "storageRedundancy": "LocalRedundancy"}
        own, standby = {}, {}
        zone = "privateDnsZoneResourceId"
    network: dict[str, Any] = {"publicNetworkAccess": "Disabled"}
    if facts.delegated_subnet_id is not None:
        network = {"delegatedSubnetResourceId": facts.delegated_subnet_id, zone: facts.private_dns_zone_id}
    return BareResource(
        f"{_MODULES[args.engine]}:Server",
        f"{place.name}-database",
        {
            "resourceGroupName": facts.resource_group,
            "location": facts.location,
            "serverName": args.name,
            "version": args.version or DEFAULT_VERSIONS[args.engine],
            "createMode": "Default",
            "administratorLogin": args.username,
            "administratorLoginPassword": password,
            **own,
            "sku": {"name": args.sku, "tier": pulumi.Output.from_input(args.sku).apply(tier_of)},
            "storage": {"storageSizeGB": args.storage_gb, "autoGrow": "Enabled", **disk},
            "backup": {
                "backupRetentionDays": args.backup_retention_days,
                "geoRedundantBackup": "Enabled" if args.geo_redundant_backup else "Disabled",
            },
            "highAvailability": {"mode": args.high_availability.value, **standby},
            "network": network,
            "maintenanceWindow": {
                "customWindow": "Enabled",
                "dayOfWeek": args.maintenance_day,
                "startHour": args.maintenance_hour,
                "startMinute": 0,
            },
            "tags": facts.tags or None,
        },
        opts=place.options(
            protect=place.args.deletion_protection,
            ignore_changes=[
                # A failover swaps the two zones.
                "availabilityZone",
                "highAvailability.standbyAvailabilityZone",
                # The disk grows by itself, and never shrinks.
                "storage.storageSizeGB",
            ],
            hooks=refuse_downgrade(place, "database.azureFlexibleServer.version", "version"),
        ),
        outputs=["name", "fullyQualifiedDomainName"],
    )


def _configured(
    place: Place, args: AzureFlexibleServerArgs, facts: AzureArgs, server: BareResource, last: pulumi.Resource
) -> pulumi.Resource:
    """Set the server's parameters one after the other: while one is being set, Azure refuses everything else."""
    for name, value in sorted({**_PARAMETERS[args.engine], **args.parameters}.items()):
        last = BareResource(
            f"{_MODULES[args.engine]}:Configuration",
            f"{place.name}-database-{name.replace('_', '-').replace('.', '-')}",
            {
                "resourceGroupName": facts.resource_group,
                "serverName": server.output("name"),
                "configurationName": name,
                "value": value,
                "source": "user-override",
            },
            opts=place.options(depends_on=[last]),
        )
    return last


def _private_endpoint(
    place: Place, args: AzureFlexibleServerArgs, facts: AzureArgs, server: BareResource
) -> pulumi.Resource:
    assert facts.private_endpoint is not None and facts.private_endpoint.database_dns_zone_id is not None
    return private_endpoint(
        place, "database", server.id, _KINDS[args.engine], facts.private_endpoint.database_dns_zone_id
    )


def _password(place: Place) -> pulumi.Output[str]:
    """Azure asks for three kinds of characters."""
    made = random.RandomPassword(
        f"{place.name}-database-password",
        length=40,
        special=False,
        min_lower=1,
        min_upper=1,
        min_numeric=1,
        opts=place.options(protect=place.args.deletion_protection),
    )
    return made.result
