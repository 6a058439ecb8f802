"""Databases on AWS: an RDS instance, or an Aurora cluster. Private, encrypted, TLS only, backed up, hard to delete.

`instance` and `cluster` are long since each is one list of the settings of a resource, which splitting would only scatter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_random as random
from pulumi_aws import iam, rds

from ..arguments import AuroraArgs, AwsEngine, AwsMaintenanceArgs, AwsRestoreArgs, Input, RdsArgs, TlsMode
from ..contracts import DRIVERS, PORTS, DatabaseConnection, Engine, NetworkDestination
from ..resources.refusals import RESTORED_FROM, every, guard_restore, guard_version, is_older
from . import certificates, network, policies, sdk
from .resources import Aws, when_ready


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One engine, in the terms of RDS and of MLflow.

    Attributes:
        name, aurora: Its name in RDS, and that of its Aurora variant.
        engine: The engine in MLflow's terms.
        family: Prefix of its parameter group families.
        parameters: Those that force TLS, and those that MLflow's migrations need.
        logs, aurora_logs: Logs sent to CloudWatch: errors, slow queries and upgrades, but no other statements.
    """

    name: str
    aurora: str
    engine: Engine
    family: str
    parameters: dict[str, str]
    logs: Sequence[str]
    aurora_logs: Sequence[str]


_KINDS = {
    AwsEngine.POSTGRESQL: _Kind(
        name="postgres",
        aurora="aurora-postgresql",
        engine=Engine.POSTGRESQL,
        family="postgres",
        parameters={"rds.force_ssl": "1"},
        logs=("postgresql", "upgrade"),
        aurora_logs=("postgresql",),
    ),
    AwsEngine.MYSQL: _Kind(
        name="mysql",
        aurora="aurora-mysql",
        engine=Engine.MYSQL,
        family="mysql",
        # MLflow's schema has a trigger, which MySQL with binary logging otherwise lets nobody create.
        parameters={"require_secure_transport": "1", "log_bin_trust_function_creators": "1", "slow_query_log": "1"},
        logs=("error", "slowquery"),
        aurora_logs=("error", "slowquery"),
    ),
}


_FOR_LIFE = ["kmsKeyId", "performanceInsightsKmsKeyId", "snapshotIdentifier", "restoreToPointInTime"]
"""What a database keeps for life: its keys, which encrypt its backups as well, and what it was restored from. A change would replace it by
an empty one."""


@dataclass(frozen=True)
class _Surroundings:
    """What both an instance and a cluster need, created before them.

    Attributes:
        kind: The engine.
        identifier: Name of the instance or cluster in AWS.
        unique: The same with a random part, where the name is given: what is left of an earlier database has its name.
        password: Password of the master user.
        port: Where it listens.
        subnets: Name of the subnet group where it is; only known if its certificate can be verified.
        group: Who can reach it.
        authorities: Who signs its certificate.
        monitoring_role: ARN of the role that Enhanced Monitoring writes with; None if that is off.
        before: What must exist first: rules of the group, the role's permission, and the log groups, which RDS would
            otherwise create itself and keep for ever.
    """

    kind: _Kind
    identifier: pulumi.Output[str]
    unique: pulumi.Output[str]
    password: pulumi.Output[str]
    port: int
    subnets: pulumi.Output[str]
    authorities: pulumi.Output[str]
    group: sdk.SecurityGroup
    monitoring_role: pulumi.Output[str] | None
    before: Sequence[pulumi.Resource]


def instance(aws: Aws, args: RdsArgs) -> DatabaseConnection:
    """An RDS instance."""
    around = _surroundings(aws, args, "instance", _KINDS[args.engine].logs)
    kind, restored = around.kind, args.restored
    name = f"{aws.place.name}-database"
    parameters = rds.ParameterGroup(
        name,
        family=f"{kind.family}{args.version}",
        description="MLflow",
        parameters=[
            # Not every parameter can change while the database runs; at a restart all can.
            rds.ParameterGroupParameterArgs(name=key, value=value, apply_method="pending-reboot")
            for key, value in sorted({**kind.parameters, **args.parameters}.items())
        ],
        tags=aws.tags,
        opts=aws.place.options(),
    )
    made = rds.Instance(
        name,
        identifier=around.identifier,
        engine=kind.name,
        engine_version=args.version,
        instance_class=args.instance_class,
        multi_az=args.multi_az,
        storage_type="gp3",
        # A restore takes its source's key and no other, and a disk that is not smaller:
        # https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBInstanceFromDBSnapshot.html
        allocated_storage=None if restored else args.storage_gb,
        max_allocated_storage=args.max_storage_gb,
        storage_encrypted=True,
        kms_key_id=None if restored else aws.key,
        # What is restored brings its own names.
        db_name=None if restored else args.database,
        username=None if restored else args.username,
        password=around.password,
        snapshot_identifier=restored.snapshot if restored else None,
        restore_to_point_in_time=_instance_at(restored) if restored and restored.time else None,
        port=around.port,
        publicly_accessible=False,
        db_subnet_group_name=around.subnets,
        vpc_security_group_ids=[around.group.id],
        parameter_group_name=parameters.name,
        ca_cert_identifier=args.tls.authority.value,
        iam_database_authentication_enabled=True,
        backup_retention_period=args.backup.retention_days,
        backup_window=args.backup.window,
        copy_tags_to_snapshot=True,
        delete_automated_backups=False,
        deletion_protection=aws.protect,
        skip_final_snapshot=not args.backup.final_snapshot,
        final_snapshot_identifier=_final_snapshot(around, args.backup.final_snapshot),
        maintenance_window=args.maintenance.window,
        auto_minor_version_upgrade=args.maintenance.auto_minor_version_upgrade,
        allow_major_version_upgrade=args.maintenance.allow_major_version_upgrade,
        apply_immediately=args.maintenance.apply_immediately,
        enabled_cloudwatch_logs_exports=list(kind.logs),
        monitoring_interval=args.monitoring.interval_seconds,
        monitoring_role_arn=around.monitoring_role,
        performance_insights_enabled=args.monitoring.performance_insights,
        performance_insights_kms_key_id=aws.key if args.monitoring.performance_insights else None,
        performance_insights_retention_period=7 if args.monitoring.performance_insights else None,
        tags=_tags(aws, restored),
        opts=aws.place.options(
            protect=aws.protect,
            depends_on=[*around.before],
            # The disk grows automatically.
            ignore_changes=["allocatedStorage", *_FOR_LIFE, *_untouched(restored)],
            hooks=_guarded(aws, args.maintenance, "database.rds", restored),
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="120m", delete="60m"),
        ),
    )
    return _connection(args, around, made.address)


def cluster(aws: Aws, args: AuroraArgs) -> DatabaseConnection:
    """An Aurora cluster with its instances."""
    around = _surroundings(aws, args, "cluster", _KINDS[args.engine].aurora_logs)
    kind, restored = around.kind, args.restored
    name = f"{aws.place.name}-database"
    parameters = rds.ClusterParameterGroup(
        name,
        family=f"{kind.aurora}{args.version}",
        description="MLflow",
        parameters=[
            rds.ClusterParameterGroupParameterArgs(name=key, value=value, apply_method="pending-reboot")
            for key, value in sorted({**kind.parameters, **args.parameters}.items())
        ],
        tags=aws.tags,
        opts=aws.place.options(),
    )
    serverless = args.serverless_v2
    made = rds.Cluster(
        name,
        cluster_identifier=around.identifier,
        engine=kind.aurora,
        engine_version=args.version,
        serverlessv2_scaling_configuration=rds.ClusterServerlessv2ScalingConfigurationArgs(
            min_capacity=serverless.min_capacity, max_capacity=serverless.max_capacity
        )
        if serverless
        else None,
        storage_encrypted=True,
        kms_key_id=aws.key,
        database_name=None if restored else args.database,
        master_username=None if restored else args.username,
        master_password=around.password,
        snapshot_identifier=restored.snapshot if restored else None,
        restore_to_point_in_time=_cluster_at(restored) if restored and restored.time else None,
        port=around.port,
        db_subnet_group_name=around.subnets,
        vpc_security_group_ids=[around.group.id],
        db_cluster_parameter_group_name=parameters.name,
        iam_database_authentication_enabled=True,
        backup_retention_period=args.backup.retention_days,
        preferred_backup_window=args.backup.window,
        copy_tags_to_snapshot=True,
        delete_automated_backups=False,
        deletion_protection=aws.protect,
        skip_final_snapshot=not args.backup.final_snapshot,
        final_snapshot_identifier=_final_snapshot(around, args.backup.final_snapshot),
        preferred_maintenance_window=args.maintenance.window,
        allow_major_version_upgrade=args.maintenance.allow_major_version_upgrade,
        apply_immediately=args.maintenance.apply_immediately,
        enabled_cloudwatch_logs_exports=list(kind.aurora_logs),
        tags=_tags(aws, restored),
        opts=aws.place.options(
            protect=aws.protect,
            depends_on=[*around.before],
            ignore_changes=[*_FOR_LIFE, *_untouched(restored)],
            hooks=_guarded(aws, args.maintenance, "database.aurora", restored),
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="120m", delete="60m"),
        ),
    )
    instances = [
        rds.ClusterInstance(
            f"{name}-{index}",
            identifier=pulumi.Output.concat(around.identifier, f"-{index}"),
            cluster_identifier=made.cluster_identifier,
            engine=kind.aurora,  # type: ignore[arg-type] - the cluster's engine, as a string
            engine_version=made.engine_version,
            instance_class=args.provisioned.instance_class if args.provisioned else "db.serverless",
            # Failover prefers the first ones.
            promotion_tier=min(index, 15),
            publicly_accessible=False,
            db_subnet_group_name=around.subnets,
            ca_cert_identifier=args.tls.authority.value,
            auto_minor_version_upgrade=args.maintenance.auto_minor_version_upgrade,
            apply_immediately=args.maintenance.apply_immediately,
            copy_tags_to_snapshot=True,
            monitoring_interval=args.monitoring.interval_seconds,
            monitoring_role_arn=around.monitoring_role,
            performance_insights_enabled=args.monitoring.performance_insights,
            performance_insights_kms_key_id=aws.key if args.monitoring.performance_insights else None,
            performance_insights_retention_period=7 if args.monitoring.performance_insights else None,
            tags=aws.tags,
            opts=aws.place.options(
                ignore_changes=["performanceInsightsKmsKeyId"],
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="120m", delete="60m"),
            ),
        )
        for index in range(args.instances)
    ]
    # A cluster has its address before it has an instance that listens there.
    return _connection(args, around, when_ready(made.endpoint, *instances))


def _surroundings(aws: Aws, args: RdsArgs | AuroraArgs, what: str, logs: Sequence[str]) -> _Surroundings:
    place = aws.place
    name = f"{place.name}-database"
    kind = _KINDS[args.engine]
    # The names of log groups and of the final snapshot derive from the identifier, so it is known before the database. The
    # random part allows recreating a deleted deployment while the final snapshot of the old one exists.
    suffix = random.RandomId(f"{name}-suffix", byte_length=4, opts=place.options())
    unique = pulumi.Output.concat(f"{args.identifier or aws.physical_name}-", suffix.hex)
    identifier = unique if args.identifier is None else suffix.hex.apply(lambda _: str(args.identifier))
    password = random.RandomPassword(
        f"{name}-password", length=32, special=False, opts=place.options(protect=aws.protect)
    ).result if args.password is None else pulumi.Output.secret(args.password)  # fmt: skip
    port = args.port or PORTS[kind.engine]
    group, before = network.security_group(aws, port)
    before = [
        *before,
        *(
            sdk.LogGroup(
                f"{name}-log-{log}",
                name=identifier.apply(lambda made, log=log: f"/aws/rds/{what}/{made}/{log}"),
                retention_in_days=args.monitoring.log_retention_days,
                tags=aws.tags,
                opts=place.options(),
            )
            for log in logs
        ),
    ]
    monitoring_role = None
    if args.monitoring.interval_seconds:
        role, permission = _monitoring_role(aws)
        monitoring_role = role.arn
        before.append(permission)
    subnets = network.subnet_group(aws)
    argument = f"database.{'rds' if what == 'instance' else 'aurora'}.tls.caCertificate"
    authorities = (
        subnets.region.apply(lambda region: certificates.of_region(region, argument))
        if args.tls.ca_certificate is None
        else pulumi.Output.from_input(args.tls.ca_certificate)
    )
    return _Surroundings(
        kind=kind,
        identifier=identifier,
        unique=unique,
        password=password,
        # No database is created whose certificate nobody could verify.
        subnets=pulumi.Output.all(subnets.name, authorities).apply(lambda parts: parts[0]),
        authorities=authorities,
        port=port,
        group=group,
        monitoring_role=monitoring_role,
        before=before,
    )


def _instance_at(restored: AwsRestoreArgs) -> rds.InstanceRestoreToPointInTimeArgs:
    deleted = restored.deleted_source
    return rds.InstanceRestoreToPointInTimeArgs(
        restore_time=restored.time,
        source_db_instance_identifier=None if deleted else restored.source,
        source_dbi_resource_id=restored.source if deleted else None,
    )


def _cluster_at(restored: AwsRestoreArgs) -> rds.ClusterRestoreToPointInTimeArgs:
    deleted = restored.deleted_source
    return rds.ClusterRestoreToPointInTimeArgs(
        restore_to_time=restored.time,
        # The provider sends an empty one otherwise.
        restore_type="full-copy",
        source_cluster_identifier=None if deleted else restored.source,
        source_cluster_resource_id=restored.source if deleted else None,
    )


def _tags(aws: Aws, restored: AwsRestoreArgs | None) -> Mapping[str, Input[str]]:
    return {**aws.tags, RESTORED_FROM: restored.origin} if restored else aws.tags


def _untouched(restored: AwsRestoreArgs | None) -> list[str]:
    """The tag stays when the entry goes."""
    return [] if restored else [f'tags["{RESTORED_FROM}"]']


def _guarded(
    aws: Aws, maintenance: AwsMaintenanceArgs, block: str, restored: AwsRestoreArgs | None
) -> pulumi.ResourceHookBinding:
    """Refuse version changes that AWS would reject, or that would fail halfway, and a restore of what exists."""

    def upgraded(old: str, new: str) -> str | None:
        if not is_older(old, new):
            return None
        upgrade = f"{new!r} is a major upgrade of {old!r}, which runs"
        if not maintenance.allow_major_version_upgrade:
            return f"{upgrade}; take a snapshot, then set {block}.maintenance.allowMajorVersionUpgrade to true"
        if not maintenance.apply_immediately:
            # AWS deletes no parameter group that a database uses: https://github.com/hashicorp/terraform/issues/29233.
            return (
                f"{upgrade}, and would wait for the maintenance window: until then AWS refuses to delete the parameter group of the "
                f"old version, and pulumi up fails; choose a quiet hour, set {block}.maintenance.applyImmediately to true, run pulumi "
                "up, and set it back"
            )
        return None

    argument = f"{block}.engineVersion"
    version = guard_version(aws.place, argument, "engineVersion", "engineVersionActual", refused=upgraded)
    if restored is None:
        return version

    def recorded(inputs: Mapping[str, Any]) -> object:
        # Earlier versions set no tag.
        return (inputs.get("tags") or {}).get(RESTORED_FROM) or inputs.get("snapshotIdentifier")

    return every(version, guard_restore(aws.place, f"{block}.restore", restored.origin, recorded))


def _final_snapshot(around: _Surroundings, wanted: bool) -> pulumi.Output[str] | None:
    return pulumi.Output.concat(around.unique, "-final") if wanted else None


def _monitoring_role(aws: Aws) -> tuple[iam.Role, iam.RolePolicyAttachment]:
    """The role with which RDS writes the metrics of Enhanced Monitoring."""
    # Pulumi adds 8 characters, and IAM allows 64: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html.
    name = f"{aws.place.name[:36]}-database-monitoring"
    role = iam.Role(
        name,
        description="Enhanced Monitoring of the database of MLflow",
        assume_role_policy=policies.trust_of_service("monitoring.rds.amazonaws.com"),
        permissions_boundary=aws.facts.permissions_boundary,
        tags=aws.tags,
        opts=aws.place.options(),
    )
    permission = iam.RolePolicyAttachment(
        name,
        role=role.name,
        policy_arn=role.arn.apply(
            lambda arn: f"arn:{arn.split(':')[1]}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
        ),
        opts=aws.place.options(),
    )
    return role, permission


def _connection(args: RdsArgs | AuroraArgs, around: _Surroundings, host: pulumi.Output[str]) -> DatabaseConnection:
    return DatabaseConnection(
        engine=around.kind.engine,
        driver=DRIVERS[around.kind.engine],
        host=host,
        port=around.port,
        database=args.database,
        username=args.username,
        password=around.password,
        tls_mode=TlsMode.VERIFY_FULL,
        ca_certificate=around.authorities,
        network=NetworkDestination(host=host, port=around.port),
        connection_limit=args.connections,
    )
