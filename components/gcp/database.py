"""Cloud SQL: an instance with a private address only, its database and its user.

Private services access, which the instance's network must have, is not created here: it belongs to the network, and other
instances share it. `_instance` is long since it is one list of the settings of one resource.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from ..arguments import CloudEngine, CloudSqlArgs, CloudSqlRestoreArgs, GcpArgs, Input, TlsMode
from ..arguments.database.gcp import DEFAULT_VERSIONS
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, NetworkDestination, Place
from ..resources.refusals import RESTORED_FROM, every, guard_restore, guard_version

# CIS Google Cloud Platform Foundation Benchmark, sections 6.1 and 6.2, as far as they suit a server with one client.
_FLAGS = {
    CloudEngine.POSTGRESQL: {
        "log_connections": "on",
        "log_disconnections": "on",
        "log_statement": "ddl",
        "log_min_messages": "warning",
        "log_min_error_statement": "error",
    },
    CloudEngine.MYSQL: {
        "local_infile": "off",
        "skip_show_database": "on",
        # MLflow's migrations create a trigger, which with binary logging needs the privilege SUPER, or this.
        "log_bin_trust_function_creators": "on",
    },
}


def cloud_sql(place: Place, args: CloudSqlArgs) -> DatabaseConnection:
    """An instance with its database and user."""
    facts = place.args.gcp
    assert facts is not None, "arguments hold the block of the cloud"
    keep = place.options(protect=place.args.deletion_protection)
    instance = _instance(place, args, facts)
    name = _database(place, args, facts, instance, keep)
    password = pulumi.Output.secret(args.password) if args.password is not None else _password(place)
    user = gcp.sql.User(
        f"{place.name}-database",
        instance=instance.name,
        name=args.username,
        password=password,
        project=facts.project,
        # A restored instance has the user already, and is given this password.
        # PostgreSQL refuses to drop a user that owns tables; it is deleted with the instance.
        deletion_policy="ABANDON",
        opts=keep,
    )
    host = _private_service_connect(place, args, facts, instance) if args.psc else instance.private_ip_address
    engine = Engine(args.engine.value)
    port = PORTS[engine]
    return DatabaseConnection(
        engine=engine,
        driver=DRIVERS[engine],
        host=host,
        port=port,
        database=name,
        username=user.name,
        password=password,
        # The certificate names the instance, not its address. Its authority belongs to the instance and signs nothing
        # else, so verifying the authority verifies the server.
        tls_mode=TlsMode.VERIFY_CA,
        ca_certificate=pulumi.Output.unsecret(instance.server_ca_certs).apply(_bundle),
        network=NetworkDestination(host=host, port=port),
        connection_limit=args.connections,
    )


def _database(
    place: Place,
    args: CloudSqlArgs,
    facts: GcpArgs,
    instance: gcp.sql.DatabaseInstance,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Name of the database, once it is there. A restored one is looked up: Cloud SQL makes no second one of that name."""
    if args.restore:
        path = pulumi.Output.concat(
            "projects/", facts.project, "/instances/", instance.name, f"/databases/{args.database}"
        )
        return gcp.sql.Database.get(f"{place.name}-database", path, opts=place.options()).name
    made = gcp.sql.Database(
        f"{place.name}-database",
        instance=instance.name,
        name=args.database,
        project=facts.project,
        # PostgreSQL refuses to drop a database with open connections; it is deleted with the instance.
        deletion_policy="ABANDON",
        opts=opts,
    )
    return made.name


def _restored(restore: CloudSqlRestoreArgs | None) -> dict[str, Any]:
    """What makes an instance from another one: a clone at a point in time, or a new one into which a backup is loaded."""
    if restore is None:
        return {}
    if restore.time:
        clone = gcp.sql.DatabaseInstanceCloneArgs(source_instance_name=restore.source, point_in_time=restore.time)
        return {"clone": clone}
    context = gcp.sql.DatabaseInstanceRestoreBackupContextArgs(
        backup_run_id=int(restore.snapshot or 0), instance_id=restore.source
    )
    return {"restore_backup_context": context}


def _label(restore: CloudSqlRestoreArgs) -> str:
    """What it is restored from, as a label, of which a long name loses its end:
    https://cloud.google.com/sql/docs/postgres/label-instance#requirements."""
    return re.sub(r"[^a-z0-9_-]+", "_", f"{restore.snapshot or restore.time} {restore.source}".lower())[:63]


def _guarded(place: Place, restore: CloudSqlRestoreArgs | None) -> pulumi.ResourceHookBinding:
    version = guard_version(place, "database.cloudSql.version", "databaseVersion")
    if restore is None:
        return version

    def recorded(inputs: Mapping[str, Any]) -> object:
        return ((inputs.get("settings") or {}).get("userLabels") or {}).get(RESTORED_FROM)

    return every(version, guard_restore(place, "database.cloudSql.restore", _label(restore), recorded))


def _instance(place: Place, args: CloudSqlArgs, facts: GcpArgs) -> gcp.sql.DatabaseInstance:
    restore = args.restore
    labels = {**facts.labels, RESTORED_FROM: _label(restore)} if restore else facts.labels
    protected = place.args.deletion_protection
    version = args.version or DEFAULT_VERSIONS[args.engine]
    product = "POSTGRES" if args.engine is CloudEngine.POSTGRESQL else "MYSQL"
    mysql = args.engine is CloudEngine.MYSQL
    sql = gcp.sql
    return sql.DatabaseInstance(
        f"{place.name}-database",
        database_version=f"{product}_{version.replace('.', '_')}",
        project=facts.project,
        region=facts.region,
        # A clone has the key of its source.
        encryption_key_name=None if restore and restore.time else facts.kms_key,
        **_restored(restore),
        # Two switches: this one stops the Pulumi provider, the one in the settings everybody else.
        deletion_protection=protected,
        settings=sql.DatabaseInstanceSettingsArgs(
            edition=args.edition.value,
            tier=args.machine,
            availability_type="REGIONAL" if args.high_availability else "ZONAL",
            disk_size=args.storage_gb,
            disk_autoresize=True,
            disk_autoresize_limit=args.storage_limit_gb,
            deletion_protection_enabled=protected,
            retain_backups_on_delete=True,
            final_backup_config=sql.DatabaseInstanceSettingsFinalBackupConfigArgs(
                enabled=True, retention_days=args.backup_retention_days
            ),
            ip_configuration=sql.DatabaseInstanceSettingsIpConfigurationArgs(
                ipv4_enabled=False,
                ssl_mode="ENCRYPTED_ONLY",
                server_ca_mode="GOOGLE_MANAGED_INTERNAL_CA",
                private_network=None if args.psc else facts.network,
                psc_configs=[
                    sql.DatabaseInstanceSettingsIpConfigurationPscConfigArgs(
                        psc_enabled=True, allowed_consumer_projects=[facts.cluster_project or facts.project]
                    )
                ]
                if args.psc
                else None,
            ),
            backup_configuration=sql.DatabaseInstanceSettingsBackupConfigurationArgs(
                enabled=True,
                start_time="01:00",
                # Point-in-time recovery has a different name for each engine.
                point_in_time_recovery_enabled=None if mysql else True,
                binary_log_enabled=True if mysql else None,
                transaction_log_retention_days=args.log_retention_days,
                backup_retention_settings=sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
                    retained_backups=args.backup_retention_days, retention_unit="COUNT"
                ),
            ),
            maintenance_window=sql.DatabaseInstanceSettingsMaintenanceWindowArgs(
                day=args.maintenance_day, hour=args.maintenance_hour, update_track="stable"
            ),
            insights_config=sql.DatabaseInstanceSettingsInsightsConfigArgs(query_insights_enabled=args.insights),
            database_flags=[
                sql.DatabaseInstanceSettingsDatabaseFlagArgs(name=name, value=value)
                for name, value in sorted({**_FLAGS[args.engine], **args.flags}.items())
            ],
            user_labels=labels or None,
        ),
        opts=place.options(
            protect=protected,
            ignore_changes=[
                # The disk grows automatically, and an instance keeps its key for life: another size or key would replace the instance.
                "encryptionKeyName",
                "settings.diskSize",
                # A backup would be loaded over the data of an instance that exists.
                "restoreBackupContext",
                "clone",
                *([] if restore else [f'settings.userLabels["{RESTORED_FROM}"]']),
            ],
            hooks=_guarded(place, restore),
        ),
    )


def _private_service_connect(
    place: Place, args: CloudSqlArgs, facts: GcpArgs, instance: gcp.sql.DatabaseInstance
) -> pulumi.Output[str]:
    """An address in the cluster's network that forwards to the instance."""
    assert args.psc is not None
    project: Input[str] = facts.cluster_project or facts.project
    address = gcp.compute.Address(
        f"{place.name}-database",
        address_type="INTERNAL",
        subnetwork=args.psc.subnetwork,
        region=facts.region,
        project=project,
        labels=facts.labels or None,
        opts=place.options(),
    )
    rule = gcp.compute.ForwardingRule(
        f"{place.name}-database",
        ip_address=address.self_link,
        load_balancing_scheme="",
        network=facts.network,
        target=instance.psc_service_attachment_link,
        region=facts.region,
        project=project,
        labels=facts.labels or None,
        opts=place.options(),
    )
    # Known only once the rule exists, so that nothing connects earlier.
    return pulumi.Output.all(address.address, rule.id).apply(lambda parts: parts[0])


def _password(place: Place) -> pulumi.Output[str]:
    made = random.RandomPassword(
        f"{place.name}-database-password",
        length=40,
        special=False,
        opts=place.options(protect=place.args.deletion_protection),
    )
    return made.result


def _bundle(certificates: Sequence[gcp.sql.outputs.DatabaseInstanceServerCaCert]) -> str:
    """All authorities of the instance: during a rotation there are two."""
    return "".join(f"{(each.cert or '').strip()}\n" for each in certificates)
