"""Azure Database for PostgreSQL and for MySQL: a flexible server in a private network, with its database.

Subnets, DNS zones and their links belong to the network and are not created here. Nor is a second user: Azure's API only
knows the administrator, who is not a superuser on a flexible server.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_random as random

from ..arguments import AzureArgs, AzureFlexibleServerArgs, AzureRestoreArgs, CloudEngine, Input, TlsMode
from ..arguments.database.azure import DEFAULT_VERSIONS, tier_of
from ..arguments.outputs import read
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, NetworkDestination, Place
from ..resources.refusals import RESTORED_FROM, every, guard, guard_restore, guard_version
from . import sdk
from .network import private_endpoint

_KINDS = {CloudEngine.POSTGRESQL: "postgresqlServer", CloudEngine.MYSQL: "mysqlServer"}
"""Group ids of the servers for private endpoints."""
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
        # MLflow's migrations create a trigger, which with binary logging needs the privilege SUPER, or this.
        "log_bin_trust_function_creators": "ON",
    },
}
_AUTHORITIES = Path(__file__).with_name("certificates.pem")


def flexible_server(place: Place, args: AzureFlexibleServerArgs) -> DatabaseConnection:
    """A server with its database."""
    facts = place.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    password = pulumi.Output.secret(args.password) if args.password is not None else _password(place)
    postgresql = args.engine is CloudEngine.POSTGRESQL
    make = _postgresql_server if postgresql else _mysql_server
    server = make(place, args, facts, password)
    last: pulumi.Resource = server
    if facts.delegated_subnet_id is None:
        last = _private_endpoint(place, args, facts, server)
    last = _configured(place, args, facts, server, last)
    make_database = sdk.PostgresqlDatabase if postgresql else sdk.MysqlDatabase
    # A restored server has its database already, which is looked up: the provider makes no second one of that name.
    there = pulumi.Output.concat(server.id, f"/databases/{args.database}") if args.restore else None
    database = make_database(
        f"{place.name}-database",
        resource_group_name=facts.resource_group,
        server_name=server.name,
        database_name=args.database,
        charset="UTF8" if postgresql else "utf8mb4",
        collation="en_US.utf8" if postgresql else "utf8mb4_0900_ai_ci",
        opts=place.options(id=there, protect=place.args.deletion_protection and there is None, depends_on=[last]),
    )
    if place.args.deletion_protection:
        lock(place, "database", server.id, database)
    engine = Engine(args.engine.value)
    port = PORTS[engine]
    # Known only once the database exists, so that nothing connects earlier.
    host = pulumi.Output.all(server.fully_qualified_domain_name, database.id).apply(lambda parts: parts[0])
    return DatabaseConnection(
        engine=engine,
        driver=DRIVERS[engine],
        host=host,
        port=port,
        database=database.name,
        username=args.username,
        password=password,
        tls_mode=TlsMode.VERIFY_FULL,
        # Not the image's trust store, which may be missing, and which libpq before version 16 cannot use.
        ca_certificate=args.ca_certificate if args.ca_certificate is not None else _AUTHORITIES.read_text(),
        network=NetworkDestination(host=host, port=port),
    )


def lock(place: Place, what: str, resource_id: pulumi.Output[str], after: pulumi.Resource) -> None:
    """Azure's own deletion lock, which applies to everybody. A destroy removes it first, since it depends on the rest."""
    sdk.ManagementLockByScope(
        f"{place.name}-{what}",
        lock_name=f"{place.name}-{what}",
        scope=resource_id,
        level="CanNotDelete",
        notes="Holds data of MLflow. To delete it, set deletionProtection to false and run pulumi up.",
        opts=place.options(depends_on=[after]),
    )


# Empty and default values are those that the SDK's classes send: without them, an update would change every server that an
# older version of this component created.
def _postgresql_server(
    place: Place, args: AzureFlexibleServerArgs, facts: AzureArgs, password: pulumi.Output[str]
) -> sdk.PostgresqlServer:
    return sdk.PostgresqlServer(
        f"{place.name}-database",
        resource_group_name=facts.resource_group,
        location=facts.location,
        server_name=args.name,
        version=args.version or DEFAULT_VERSIONS[args.engine],
        **_restored(args.restore, "point_in_time_utc"),
        administrator_login=args.username,
        administrator_login_password=password,
        auth_config={"password_auth": "Enabled", "active_directory_auth": "Disabled", "tenant_id": ""},
        availability_zone="",
        sku={"name": args.sku, "tier": _tier(args)},
        storage={"storage_size_gb": args.storage_gb, "auto_grow": "Enabled"},
        backup={
            "backup_retention_days": args.backup_retention_days,
            "geo_redundant_backup": "Enabled" if args.geo_redundant_backup else "Disabled",
        },
        high_availability={"mode": args.high_availability.value, "standby_availability_zone": ""},
        network={"public_network_access": "Disabled"}
        if facts.delegated_subnet_id is None
        else {
            "delegated_subnet_resource_id": facts.delegated_subnet_id,
            "private_dns_zone_arm_resource_id": facts.private_dns_zone_id,
        },
        maintenance_window={
            "custom_window": "Enabled",
            "day_of_week": args.maintenance_day,
            "start_hour": args.maintenance_hour,
            "start_minute": 0,
        },
        tags=_tags(facts, args.restore),
        opts=_server_options(place, args.restore),
    )


def _mysql_server(
    place: Place, args: AzureFlexibleServerArgs, facts: AzureArgs, password: pulumi.Output[str]
) -> sdk.MysqlServer:
    return sdk.MysqlServer(
        f"{place.name}-database",
        resource_group_name=facts.resource_group,
        location=facts.location,
        server_name=args.name,
        version=args.version or DEFAULT_VERSIONS[args.engine],
        **_restored(args.restore, "restore_point_in_time"),
        administrator_login=args.username,
        administrator_login_password=password,
        sku={"name": args.sku, "tier": _tier(args)},
        storage={
            "storage_size_gb": args.storage_gb,
            "auto_grow": "Enabled",
            "auto_io_scaling": "Enabled",
            "log_on_disk": "Disabled",
            "storage_redundancy": "LocalRedundancy",
        },
        backup={
            "backup_retention_days": args.backup_retention_days,
            "geo_redundant_backup": "Enabled" if args.geo_redundant_backup else "Disabled",
        },
        high_availability={"mode": args.high_availability.value},
        network={"public_network_access": "Disabled"}
        if facts.delegated_subnet_id is None
        else {
            "delegated_subnet_resource_id": facts.delegated_subnet_id,
            "private_dns_zone_resource_id": facts.private_dns_zone_id,
        },
        maintenance_window={
            "custom_window": "Enabled",
            "day_of_week": args.maintenance_day,
            "start_hour": args.maintenance_hour,
            "start_minute": 0,
        },
        tags=_tags(facts, args.restore),
        opts=_server_options(place, args.restore),
    )


def _restored(restore: AzureRestoreArgs | None, time: str) -> dict[str, Any]:
    """How a server is made, and changed. The point in time has another name on each engine."""
    if restore is None or restore.completed:
        return {"create_mode": "Default"}
    return {"create_mode": "PointInTimeRestore", "source_server_resource_id": restore.source, time: restore.time}


def _tags(facts: AzureArgs, restore: AzureRestoreArgs | None) -> Mapping[str, Input[str]] | None:
    return {**facts.tags, RESTORED_FROM: restore.origin} if restore else facts.tags or None


def _guarded(place: Place, restore: AzureRestoreArgs | None) -> pulumi.ResourceHookBinding:
    version = guard_version(place, "database.azureFlexibleServer.version", "version")
    if restore is None:
        return version

    def recorded(inputs: Mapping[str, Any]) -> object:
        return (inputs.get("tags") or {}).get(RESTORED_FROM)

    argument = "database.azureFlexibleServer.restore"
    hooks = [version, guard_restore(place, argument, restore.origin, recorded)]
    if not restore.completed:
        reason = f"{argument}.completed: the server is there, and Azure restores into new ones only; set it to true to change the server"
        hooks.append(guard(place, "database-restored", lambda _: reason))
    return every(*hooks)


def _server_options(place: Place, restore: AzureRestoreArgs | None) -> pulumi.ResourceOptions:
    return place.options(
        protect=place.args.deletion_protection,
        ignore_changes=[
            # A failover swaps the two zones.
            "availabilityZone",
            "highAvailability.standbyAvailabilityZone",
            # The disk grows automatically and never shrinks.
            "storage.storageSizeGB",
            # From what it was made.
            "sourceServerResourceId",
            "pointInTimeUTC",
            "restorePointInTime",
            *([] if restore else [f'tags["{RESTORED_FROM}"]']),
        ],
        hooks=_guarded(place, restore),
    )


def _configured(
    place: Place,
    args: AzureFlexibleServerArgs,
    facts: AzureArgs,
    server: sdk.PostgresqlServer | sdk.MysqlServer,
    last: pulumi.Resource,
) -> pulumi.Resource:
    """Set the server's parameters one after the other, since Azure refuses concurrent changes to a server."""
    make = sdk.PostgresqlConfiguration if args.engine is CloudEngine.POSTGRESQL else sdk.MysqlConfiguration
    for name, value in sorted({**_PARAMETERS[args.engine], **args.parameters}.items()):
        last = make(
            f"{place.name}-database-{name.replace('_', '-').replace('.', '-')}",
            resource_group_name=facts.resource_group,
            server_name=server.name,
            configuration_name=name,
            value=value,
            source="user-override",
            opts=place.options(depends_on=[last]),
        )
    return last


def _tier(args: AzureFlexibleServerArgs) -> pulumi.Output[str]:
    path, fix = "database.azureFlexibleServer.sku", "use for example 'Standard_D2ds_v5'"
    return read(args.sku, tier_of, path, "is not a machine of flexible servers", fix)


def _private_endpoint(
    place: Place,
    args: AzureFlexibleServerArgs,
    facts: AzureArgs,
    server: sdk.PostgresqlServer | sdk.MysqlServer,
) -> pulumi.Resource:
    assert facts.private_endpoint is not None and facts.private_endpoint.database_dns_zone_id is not None
    return private_endpoint(
        place, "database", server.id, _KINDS[args.engine], facts.private_endpoint.database_dns_zone_id
    )


def _password(place: Place) -> pulumi.Output[str]:
    """Azure requires three character classes."""
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
