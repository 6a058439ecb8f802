"""Databases on AWS, created by this stack: RDS and Aurora.

One module although it is long: instances and clusters share their blocks, checks and sizes.
"""

import enum
import math
import re
from collections.abc import Iterable, Iterator

from pydantic import Field

from .. import switches
from ..base import Block, Input, Path, Problem, block, plain, secret
from ..checks import between, certificate, counted, exactly_one, pattern
from ..kinds import CloudName, DatabaseBlock, granted_connections
from .restore import AwsRestoreArgs

__all__ = [
    "AuroraArgs",
    "AwsBackupArgs",
    "AwsDatabaseTlsArgs",
    "AwsEngine",
    "AwsMaintenanceArgs",
    "AwsMonitoringArgs",
    "CertificateAuthority",
    "ProvisionedArgs",
    "RdsArgs",
    "ServerlessV2Args",
]


class AwsEngine(enum.Enum):
    """Database engine."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


class CertificateAuthority(enum.Enum):
    """Authority that signs the database's certificate: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html."""

    RSA2048 = "rds-ca-rsa2048-g1"
    RSA4096 = "rds-ca-rsa4096-g1"
    ECC384 = "rds-ca-ecc384-g1"


# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
MONITORING_SECONDS = (0, 1, 5, 10, 15, 30, 60)
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_TIME = r"([01]\d|2[0-3]):([0-5]\d)"
_GIB = 1 << 30
_SIZES = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16}
"""Memory of general-purpose instances in GiB; memory-optimised ones have twice as much."""


@block
class AwsDatabaseTlsArgs(Block):
    """The database's certificate, and how it is verified."""

    authority: CertificateAuthority = CertificateAuthority.RSA2048
    """Authority that signs the database's certificate; AWS renews it without a restart."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form to verify it with; those of the region if not given. Required in regions opened
    after 2023, GovCloud and China, whose authorities are not shipped."""

    def problems(self) -> Iterable[Problem]:
        yield from certificate(self.ca_certificate, "ca_certificate")


@block
class AwsBackupArgs(Block):
    """Backups of a database."""

    retention_days: int = 14
    """How far back point-in-time recovery reaches, in days (1 to 35)."""
    window: str | None = None
    """Daily backup window in UTC, for example `03:00-04:00`; chosen by AWS if not given."""
    final_snapshot: bool = True
    """Take a snapshot when the database is deleted."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.retention_days, 1, 35, "retention_days", "days")
        window = _daily(self.window)
        if self.window is not None and window is None:
            yield Problem(("window",), f"{self.window!r} is not a time of day", "write for example 03:00-04:00")
        elif window is not None and len(window) < 30:
            yield Problem(("window",), f"{self.window!r} is shorter than 30 minutes", "make it half an hour or more")


@block
class AwsMaintenanceArgs(Block):
    """When and how changes are applied to a database."""

    window: str | None = None
    """Weekly maintenance window in UTC, for example `sun:05:00-sun:06:00`; chosen by AWS if not given."""
    auto_minor_version_upgrade: bool = True
    """Let AWS install minor versions in the maintenance window."""
    allow_major_version_upgrade: bool = False
    """Allow a new `engineVersion` to upgrade the database to another major version. Requires `applyImmediately` as well: AWS
    does not delete the parameter group of the old version before the upgrade has happened."""
    apply_immediately: bool = False
    """Apply changes immediately instead of in the maintenance window; some restart the database."""

    def problems(self) -> Iterable[Problem]:
        if self.window is not None and _weekly(self.window) is None:
            message = f"{self.window!r} is not a time of the week"
            yield Problem(("window",), message, "write for example sun:05:00-sun:06:00")


@block
class AwsMonitoringArgs(Block):
    """Metrics and logs that AWS records of a database."""

    interval_seconds: int = 60
    """Interval of Enhanced Monitoring in seconds; 0 turns it off."""
    performance_insights: bool = True
    """Keep a week of Performance Insights, which is free of charge."""
    log_retention_days: int = 30
    """How long logs (errors, slow statements) are kept in CloudWatch, in days."""

    def problems(self) -> Iterable[Problem]:
        yield from _one_of(self.interval_seconds, MONITORING_SECONDS, "interval_seconds")
        yield from _one_of(self.log_retention_days, LOG_RETENTION_DAYS, "log_retention_days")


def _common(args: "RdsArgs | AuroraArgs", versions: dict[AwsEngine, tuple[str, ...]]) -> Iterator[Problem]:
    """Checks that instances and clusters share."""
    known = versions[args.engine]
    if args.engine_version is not None and args.engine_version not in known:
        message = f"{args.engine_version!r} is not a major version of {args.engine.value} that is known here"
        yield Problem(
            ("engine_version",), message, f"use one of: {', '.join(known)}; AWS keeps the minor version current"
        )
    yield from pattern(
        args.identifier,
        r"(?!.*--)[a-z][a-z0-9-]{0,61}[a-z0-9]",
        "identifier",
        "an identifier of RDS",
        "use 2 to 63 lower-case letters, digits and hyphens, starting with a letter, without '--' and a hyphen at the end",
    )
    for name, most, what in (
        ("database", 63, "the name of a database"),
        ("username", 63 if args.engine is AwsEngine.POSTGRESQL else 16, "a master user of RDS"),
    ):
        fix = f"use at most {most} letters, digits and underscores, starting with a letter"
        yield from pattern(getattr(args, name), rf"[A-Za-z]\w{{0,{most - 1}}}", name, what, fix)
    if args.username.lower() in ("admin", "rdsadmin", "root", "user", "postgres"):
        yield Problem(("username",), f"{args.username!r} is reserved", "choose another name, for example 'mlflow'")
    yield from _restore(args)
    password = plain(args.password)
    if isinstance(password, str) and not re.fullmatch(r"[!#-.0-?A-~]{8,41}", password):
        yield Problem(
            ("password",),
            f"has {counted(len(password), 'character')}, or one that RDS refuses",
            "use 8 to 41 printable ASCII characters without space, slash, double quote and at sign",
        )
    yield from between(args.port, 1150, 65_535, "port")
    yield from between(args.connection_limit, 1, 100_000, "connection_limit", "connections")
    if (_daily(args.backup.window) or set()) & (_weekly(args.maintenance.window) or set()):
        message = f"{args.backup.window!r} overlaps the maintenance window"
        yield Problem(("backup", "window"), message, "choose another time of day")
    yield from switches.parameter_names(args.parameters, "parameters", OWN_PARAMETERS)


def _restore(args: "RdsArgs | AuroraArgs") -> Iterator[Problem]:
    if args.restore is not None and args.snapshot_identifier is not None:
        yield Problem(("snapshot_identifier",), "is given as well as restore, which says the same", "keep restore")
    path: Path = ("snapshot_identifier",) if args.restore is None else ("restore", "snapshot")
    short = () if args.snapshot_identifier is None else AwsRestoreArgs(snapshot=args.snapshot_identifier).problems()
    yield from (Problem(path, each.message, each.fix) for each in short if args.restore is None)
    snapshot = (args.restored.snapshot if args.restored else None) or ""
    other = "snapshot" if isinstance(args, AuroraArgs) else "cluster-snapshot"
    if args.restore is not None and args.restore.source is not None:
        source = args.restore.source
        if source == args.identifier:
            message = f"{source!r} is the identifier of the new database, too, and a restore makes another one"
            yield Problem(("restore", "source"), message, "choose another identifier")
        if args.restore.deleted_source and source.startswith("cluster-") is not isinstance(args, AuroraArgs):
            kind = "a cluster of Aurora" if source.startswith("cluster-") else "an instance of RDS"
            yield Problem(
                ("restore", "source"),
                f"{source!r} is the resource id of {kind}",
                "restore it to the block of that kind",
            )
    # Aurora takes snapshots of instances of RDS as well, and then converts them, which is a migration and no restore.
    if re.match(rf"arn:[^:]+:rds:[^:]*:[^:]*:{other}:", snapshot):
        kind = "an instance of RDS" if other == "snapshot" else "a cluster of Aurora"
        yield Problem(path, f"{snapshot!r} is a snapshot of {kind}", "restore it to the block of that kind")


def _daily(window: str | None) -> set[int] | None:
    """Minutes of the day of a window such as `03:00-04:00`; None if it has another form."""
    match = re.fullmatch(rf"{_TIME}-{_TIME}", window or "")
    return _minutes(*match.groups()) if match else None


def _weekly(window: str | None) -> set[int] | None:
    """Minutes of the day of a window such as `sun:05:00-sun:06:00`; None if it has another form."""
    match = re.fullmatch(rf"{_DAY}:{_TIME}-{_DAY}:{_TIME}", window or "")
    return _minutes(*match.groups()) if match else None


def _minutes(hour: str, minute: str, end_hour: str, end_minute: str) -> set[int]:
    """Minutes of the day of a window."""
    # A window that ends before it starts extends past midnight.
    start, end = int(hour) * 60 + int(minute), int(end_hour) * 60 + int(end_minute)
    return {each % 1440 for each in range(start, end + (1440 if end <= start else 0))}


OWN_PARAMETERS = ("rds.force_ssl", "require_secure_transport", "log_bin_trust_function_creators")
"""Parameters that this component sets: to require TLS, and to permit the trigger in MLflow's schema."""


def _one_of(value: int, allowed: tuple[int, ...], path: str) -> Iterator[Problem]:
    if value not in allowed:
        nearest = min(allowed, key=lambda each: abs(each - value))
        yield Problem(
            (path,),
            f"{value} is not a value that AWS takes",
            f"use {nearest}, or another of: {', '.join(map(str, allowed))}",
        )


def instance_class(value: Input[str], path: str) -> Iterator[Problem]:
    """`db.<family>.<size>`, as RDS names its instance classes."""
    yield from pattern(
        value,
        r"db\.[a-z][a-z0-9-]*\.[a-z0-9]+",
        path,
        "an instance class of RDS",
        "write for example db.t4g.medium or db.m7g.large",
    )


def memory_gib(instance: Input[str]) -> float | None:
    """Memory of an instance class; None if unknown."""
    known = plain(instance)
    match = re.fullmatch(
        r"db\.([a-z])\w*\.(micro|small|medium|large|(\d*)xlarge)", known if isinstance(known, str) else ""
    )
    if not match or match[1] not in "tmr":
        return None
    size = _SIZES["xlarge"] * int(match[3] or 1) if match[2].endswith("xlarge") else _SIZES[match[2]]
    return size * (2 if match[1] == "r" else 1)


def max_connections(engine: AwsEngine, gib: float | None, aurora: bool) -> int | None:
    """The default of `max_connections` for an instance's memory, a fifth of which the system takes:
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections."""
    if gib is None:
        return None
    size = gib * _GIB * 0.8
    if engine is AwsEngine.POSTGRESQL:
        return min(int(size / 9_531_392), 5000)
    if not aurora:
        return int(size / 12_582_880)
    return int(max(math.log2(size / 805_306_368) * 45, math.log2(size / 8_187_281_408) * 1000))


RDS_VERSIONS = {AwsEngine.POSTGRESQL: ("13", "14", "15", "16", "17"), AwsEngine.MYSQL: ("8.0", "8.4")}
AURORA_VERSIONS = {AwsEngine.POSTGRESQL: ("13", "14", "15", "16", "17"), AwsEngine.MYSQL: ("8.0",)}
"""Major versions, oldest first; the newest is the default."""


@block
class RdsArgs(DatabaseBlock):
    """An RDS instance: private, encrypted, TLS only, backed up."""

    made_on = CloudName.AWS
    needs = ("vpc_id", "subnet_ids", "cluster_security_group_ids")

    engine: AwsEngine
    """`postgresql` or `mysql`."""
    engine_version: str | None = None
    """Major version, for example `17` for PostgreSQL or `8.4` for MySQL; the newest known if not given. AWS chooses the
    minor version and keeps it current. It can only be raised, with `maintenance.allowMajorVersionUpgrade` and
    `maintenance.applyImmediately`."""
    identifier: str | None = None
    """Name of the instance in AWS; derived from the deployment's name if not given. Changing it renames the instance."""
    port: int | None = None
    """TCP port, 1150 to 65535; the engine's default if not given. Changing it restarts the database."""
    database: str = "mlflow"
    """Name of the database to create."""
    username: str = "mlflow"
    """Master user, which MLflow connects as."""
    password: Input[str] | None = secret()
    """Password of the user, 8 to 41 printable characters without space, `/`, `"` and `@`. Generated if not given."""
    restore: AwsRestoreArgs | None = None
    """Make the database from a snapshot, or from another database at a point in time, of the same major version. Its database and
    user must have the names given here; the password becomes the one given here. Refused for a database that exists."""
    snapshot_identifier: str | None = None
    """Short for `restore: {snapshot: …}`."""
    tls: AwsDatabaseTlsArgs = AwsDatabaseTlsArgs()
    """Certificates. The database refuses connections without TLS, and MLflow verifies the server."""
    backup: AwsBackupArgs = AwsBackupArgs()
    """Backups and point-in-time recovery."""
    maintenance: AwsMaintenanceArgs = AwsMaintenanceArgs()
    """When and how changes are applied to the database."""
    monitoring: AwsMonitoringArgs = AwsMonitoringArgs()
    """Metrics and logs."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Additional database parameters. They take effect when the database restarts."""
    connection_limit: int | None = None
    """Connections that the database grants; estimated from its memory if not given. A configuration that could exceed it
    is refused."""
    instance_class: Input[str] = "db.t4g.medium"
    """Size of the instance."""
    multi_az: bool = True
    """Keep a standby in a second zone, to which AWS fails over within a minute or two; doubles the instance's price."""
    storage_gb: int = 20
    """Initial size of the disk in GiB (gp3); it grows automatically."""
    max_storage_gb: int = 200
    """Size up to which the disk grows, in GiB."""

    @property
    def backups(self) -> tuple[Path, int]:
        return ("backup", "retention_days"), self.backup.retention_days

    @property
    def restored(self) -> AwsRestoreArgs | None:
        """What the database is restored from, whichever way it is written."""
        if self.restore is None and self.snapshot_identifier is not None:
            return AwsRestoreArgs(snapshot=self.snapshot_identifier)
        return self.restore

    @property
    def version(self) -> str:
        """The major version, given or the newest known."""
        return self.engine_version or RDS_VERSIONS[self.engine][-1]

    @property
    def connections(self) -> int | None:
        """Connections that the database grants, if known."""
        estimate = max_connections(self.engine, memory_gib(self.instance_class), aurora=False)
        return self.connection_limit or granted_connections(self.parameters, estimate)

    def insecure(self) -> Iterable[Problem]:
        yield from switches.insecure("parameters", self.parameters, switches.parameter)

    def problems(self) -> Iterable[Problem]:
        yield from _common(self, RDS_VERSIONS)
        yield from instance_class(self.instance_class, "instance_class")
        yield from between(self.storage_gb, 20, 65_536, "storage_gb", "GiB")
        if 20 <= self.storage_gb <= 65_536 and not self.storage_gb * 1.1 <= self.max_storage_gb <= 65_536:
            message = f"{self.max_storage_gb} leaves no room for the disk to grow from {self.storage_gb} GiB"
            least = math.ceil(self.storage_gb * 1.1)
            yield Problem(
                ("max_storage_gb",), message, f"use {least} to 65536; AWS requires a tenth more than storageGb"
            )
        small = re.search(r"\.t\w+\.(micro|small)$", str(plain(self.instance_class)))
        if small and self.monitoring.performance_insights and self.engine is AwsEngine.MYSQL:
            message = f"there are none for MySQL on {plain(self.instance_class)}"
            yield Problem(("monitoring", "performance_insights"), message, "set it to false, or use db.t4g.medium")


@block
class ProvisionedArgs(Block):
    """Aurora instances of a fixed size."""

    instance_class: Input[str] = "db.r7g.large"
    """Size of each instance."""

    def problems(self) -> Iterable[Problem]:
        yield from instance_class(self.instance_class, "instance_class")


@block
class ServerlessV2Args(Block):
    """Aurora Serverless v2 instances, which scale with their load."""

    min_capacity: float = 0.5
    """Minimum capacity of each instance in ACU (2 GiB of memory each), in steps of 0.5; with 0 it pauses when idle, and the
    first request after that waits about 15 seconds."""
    max_capacity: float = 4
    """Maximum capacity of each instance in ACU, in steps of 0.5."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.min_capacity, 0, 256, "min_capacity", "ACU")
        yield from between(self.max_capacity, 1, 256, "max_capacity", "ACU")
        for name in ("min_capacity", "max_capacity"):
            if getattr(self, name) % 0.5:
                yield Problem(
                    (name,), f"{getattr(self, name)} is not a multiple of a half", "use halves, for example 0.5 or 2"
                )
        if self.min_capacity > self.max_capacity >= 1:
            message = f"{self.min_capacity} is more than maxCapacity, {self.max_capacity}"
            yield Problem(("min_capacity",), message, "lower it, or raise maxCapacity")


@block
class AuroraArgs(DatabaseBlock):
    """An Aurora cluster: private, encrypted, TLS only, backed up. Its storage spans three zones; with two or more instances,
    another one takes over when the writer fails."""

    made_on = CloudName.AWS
    one_of = ("provisioned", "serverless_v2")
    needs = ("vpc_id", "subnet_ids", "cluster_security_group_ids")

    engine: AwsEngine
    """`postgresql` or `mysql`."""
    engine_version: str | None = None
    """Major version, for example `17` for PostgreSQL or `8.0` for MySQL; the newest known if not given. AWS chooses the
    minor version and keeps it current. It can only be raised, with `maintenance.allowMajorVersionUpgrade` and
    `maintenance.applyImmediately`."""
    identifier: str | None = None
    """Name of the cluster in AWS; derived from the deployment's name if not given. Changing it renames the cluster."""
    port: int | None = None
    """TCP port, 1150 to 65535; the engine's default if not given. Changing it restarts the database."""
    database: str = "mlflow"
    """Name of the database to create."""
    username: str = "mlflow"
    """Master user, which MLflow connects as."""
    password: Input[str] | None = secret()
    """Password of the user, 8 to 41 printable characters without space, `/`, `"` and `@`. Generated if not given."""
    restore: AwsRestoreArgs | None = None
    """Make the database from a snapshot, or from another database at a point in time, of the same major version. Its database and
    user must have the names given here; the password becomes the one given here. Refused for a database that exists."""
    snapshot_identifier: str | None = None
    """Short for `restore: {snapshot: …}`."""
    tls: AwsDatabaseTlsArgs = AwsDatabaseTlsArgs()
    """Certificates. The database refuses connections without TLS, and MLflow verifies the server."""
    backup: AwsBackupArgs = AwsBackupArgs()
    """Backups and point-in-time recovery."""
    maintenance: AwsMaintenanceArgs = AwsMaintenanceArgs()
    """When and how changes are applied to the database."""
    monitoring: AwsMonitoringArgs = AwsMonitoringArgs()
    """Metrics and logs."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Additional database parameters. They take effect when the database restarts."""
    connection_limit: int | None = None
    """Connections that the database grants; estimated from its memory if not given. A configuration that could exceed it
    is refused."""
    provisioned: ProvisionedArgs | None = None
    """Instances of a fixed size."""
    serverless_v2: ServerlessV2Args | None = None
    """Serverless instances, which scale with their load."""
    instances: int = 2
    """Number of instances (1 to 16): one writes, the others take over."""

    @property
    def backups(self) -> tuple[Path, int]:
        return ("backup", "retention_days"), self.backup.retention_days

    @property
    def restored(self) -> AwsRestoreArgs | None:
        """What the database is restored from, whichever way it is written."""
        if self.restore is None and self.snapshot_identifier is not None:
            return AwsRestoreArgs(snapshot=self.snapshot_identifier)
        return self.restore

    @property
    def version(self) -> str:
        """The major version, given or the newest known."""
        return self.engine_version or AURORA_VERSIONS[self.engine][-1]

    @property
    def connections(self) -> int | None:
        """Connections that the database grants, if known."""
        gib = memory_gib(self.provisioned.instance_class) if self.provisioned else None
        if self.serverless_v2:
            gib = 2 * self.serverless_v2.max_capacity
        return self.connection_limit or granted_connections(
            self.parameters, max_connections(self.engine, gib, aurora=True)
        )

    def insecure(self) -> Iterable[Problem]:
        yield from switches.insecure("parameters", self.parameters, switches.parameter)

    def problems(self) -> Iterable[Problem]:
        yield from _common(self, AURORA_VERSIONS)
        yield from exactly_one(self, self.one_of, "`serverlessV2: {}`")
        yield from between(self.instances, 1, 16, "instances")
