"""Azure Database for PostgreSQL and for MySQL: a flexible server in a private network, with its database.

Subnets, DNS zones and their links belong to the network and are not made here. Nor is a second user: Azure's API knows the
administrator only, who on a flexible server is no superuser.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
import pulumi_random as random
from pulumi_azure_native import dbformysql, dbforpostgresql

from ..arguments import AzureArgs, AzureFlexibleServerArgs, CloudEngine, TlsMode
from ..arguments.azure_database import DEFAULT_VERSIONS, tier_of
from ..bare_resource import BareResource
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, NetworkDestination
from ..downgrades import refuse_downgrade
from ..kubernetes.objects import Scope
from .network import private_endpoint

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


def flexible_server(scope: Scope, args: AzureFlexibleServerArgs) -> DatabaseConnection:
    """A server with its database."""
    facts = scope.args.azure
    assert facts is not None, "arguments hold the block of the cloud"
    password = pulumi.Output.secret(args.password) if args.password is not None else _password(scope)
    postgresql = args.engine is CloudEngine.POSTGRESQL
    api = dbforpostgresql if postgresql else dbformysql
    server = _server(scope, args, facts, api, password)
    last: pulumi.Resource = server
    if facts.delegated_subnet_id is None:
        last = _private_endpoint(scope, args, facts, server)
    last = _configured(scope, args, facts, api, server, last)
    database = api.Database(
        f"{scope.name}-database",
        resource_group_name=facts.resource_group,
        server_name=server.name,
        database_name=args.database,
        charset="UTF8" if postgresql else "utf8mb4",
        collation="en_US.utf8" if postgresql else "utf8mb4_0900_ai_ci",
        opts=scope.options(protect=scope.args.deletion_protection, depends_on=[last]),
    )
    if scope.args.deletion_protection:
        lock(scope, "database", server.id, database)
    engine = Engine(args.engine.value)
    port = PORTS[engine]
    # Known only once the database is there, so that nothing connects before.
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
        # Not the image's own store, which may be absent, and of which libpq before 16 knows nothing.
        ca_certificate=args.ca_certificate if args.ca_certificate is not None else _AUTHORITIES.read_text(),
        network=NetworkDestination(host=host, port=port),
    )


def lock(scope: Scope, what: str, resource_id: pulumi.Output[str], after: pulumi.Resource) -> None:
    """Azure's own refusal to delete something, for whoever asks. Taken away first, so that the rest can be deleted."""
    BareResource(
        "azure-native:authorization:ManagementLockByScope",
        f"{scope.name}-{what}",
        {
            "lockName": f"{scope.name}-{what}",
            "scope": resource_id,
            "level": "CanNotDelete",
            "notes": "Holds data of MLflow. To delete it, set deletionProtection to false and run pulumi up.",
        },
        opts=scope.options(depends_on=[after]),
    )


def _server(
    scope: Scope, args: AzureFlexibleServerArgs, facts: AzureArgs, api: ModuleType, password: pulumi.Output[str]
) -> Any:
    """The server. Its two APIs call a class and a field differently, and each has one thing that the other has not."""
    postgresql = api is dbforpostgresql
    sku = api.SkuArgs if postgresql else api.MySQLServerSkuArgs
    zone = "private_dns_zone_arm_resource_id" if postgresql else "private_dns_zone_resource_id"
    login, disk = {}, {}
    if postgresql:
        login = {"auth_config": api.AuthConfigArgs(password_auth="Enabled", active_directory_auth="Disabled")}  # noqa: S106
    else:
        disk = {"auto_io_scaling": "Enabled"}
    return api.Server(
        f"{scope.name}-database",
        resource_group_name=facts.resource_group,
        location=facts.location,
        server_name=args.name,
        version=args.version or DEFAULT_VERSIONS[args.engine],
        create_mode="Default",
        administrator_login=args.username,
        administrator_login_password=password,
        **login,
        sku=sku(name=args.sku, tier=pulumi.Output.from_input(args.sku).apply(tier_of)),
        storage=api.StorageArgs(storage_size_gb=args.storage_gb, auto_grow="Enabled", **disk),
        backup=api.BackupArgs(
            backup_retention_days=args.backup_retention_days,
            geo_redundant_backup="Enabled" if args.geo_redundant_backup else "Disabled",
        ),
        high_availability=api.HighAvailabilityArgs(mode=args.high_availability.value),
        network=api.NetworkArgs(
            delegated_subnet_resource_id=facts.delegated_subnet_id, **{zone: facts.private_dns_zone_id}
        )
        if facts.delegated_subnet_id is not None
        else api.NetworkArgs(public_network_access="Disabled"),
        maintenance_window=api.MaintenanceWindowArgs(
            custom_window="Enabled", day_of_week=args.maintenance_day, start_hour=args.maintenance_hour, start_minute=0
        ),
        tags=facts.tags or None,
        opts=scope.options(
            protect=scope.args.deletion_protection,
            ignore_changes=[
                # A failover swaps the two zones.
                "availabilityZone",
                "highAvailability.standbyAvailabilityZone",
                # The disk grows by itself, and never shrinks.
                "storage.storageSizeGB",
            ],
            hooks=refuse_downgrade(scope, "database.azureFlexibleServer.version", "version"),
        ),
    )


def _configured(
    scope: Scope,
    args: AzureFlexibleServerArgs,
    facts: AzureArgs,
    api: ModuleType,
    server: Any,
    last: pulumi.Resource,
) -> pulumi.Resource:
    """Set the server's parameters one after the other: while one is being set, Azure refuses everything else."""
    for name, value in sorted({**_PARAMETERS[args.engine], **args.parameters}.items()):
        last = api.Configuration(
            f"{scope.name}-database-{name.replace('_', '-').replace('.', '-')}",
            resource_group_name=facts.resource_group,
            server_name=server.name,
            configuration_name=name,
            value=value,
            source="user-override",
            opts=scope.options(depends_on=[last]),
        )
    return last


def _private_endpoint(scope: Scope, args: AzureFlexibleServerArgs, facts: AzureArgs, server: Any) -> pulumi.Resource:
    assert facts.private_endpoint is not None and facts.private_endpoint.database_dns_zone_id is not None
    return private_endpoint(
        scope, "database", server.id, _KINDS[args.engine], facts.private_endpoint.database_dns_zone_id
    )


def _password(scope: Scope) -> pulumi.Output[str]:
    """Azure asks for three kinds of characters."""
    made = random.RandomPassword(
        f"{scope.name}-database-password",
        length=40,
        special=False,
        min_lower=1,
        min_upper=1,
        min_numeric=1,
        opts=scope.options(protect=scope.args.deletion_protection),
    )
    return made.result
