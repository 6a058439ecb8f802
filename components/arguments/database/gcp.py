"""A Cloud SQL instance created by this stack."""

import enum
import re
from collections.abc import Iterable

from pydantic import Field

from .. import switches
from ..base import Block, Input, Path, Problem, block, plain, secret
from ..checks import between
from ..clouds.names import CloudEngine, cloud_name, database_names
from ..kinds import CloudName, DatabaseBlock, granted_connections
from .restore import CloudSqlRestoreArgs

__all__ = ["CloudSqlArgs", "CloudSqlEdition", "CloudSqlPscArgs"]


class CloudSqlEdition(enum.Enum):
    """Edition, always set, since Cloud SQL's own default differs between versions of PostgreSQL."""

    ENTERPRISE = "ENTERPRISE"
    ENTERPRISE_PLUS = "ENTERPRISE_PLUS"


VERSIONS = {CloudEngine.POSTGRESQL: ("18", "17", "16", "15", "14", "13"), CloudEngine.MYSQL: ("8.4", "8.0")}
"""Versions of Cloud SQL that support MLflow's schema, newest first."""
DEFAULT_VERSIONS = {CloudEngine.POSTGRESQL: "17", CloudEngine.MYSQL: "8.4"}
DEFAULT_TIERS = {
    CloudSqlEdition.ENTERPRISE: "db-custom-2-7680",
    CloudSqlEdition.ENTERPRISE_PLUS: "db-perf-optimized-N-2",
}
_SHARED_CORES = {
    "db-f1-micro": {CloudEngine.POSTGRESQL: 25, CloudEngine.MYSQL: 250},
    "db-g1-small": {CloudEngine.POSTGRESQL: 50, CloudEngine.MYSQL: 1000},
}
_POSTGRESQL_CONNECTIONS = ((3.75, 100), (6, 200), (7.5, 400), (15, 500), (30, 600), (60, 800), (120, 1000))
_MYSQL_CONNECTIONS = 4000
"""Default of `max_connections`: by shared core, by GiB of memory for PostgreSQL (https://cloud.google.com/sql/docs/postgres/flags#postgres-m),
and for all other machines with MySQL (https://cloud.google.com/sql/docs/mysql/quotas#cloud-sql-for-mysql-connection-limits)."""


@block
class CloudSqlPscArgs(Block):
    """Private Service Connect: the instance is reached at an address in the cluster's own network."""

    subnetwork: Input[str]
    """Subnetwork that the address is taken from (`projects/…/regions/…/subnetworks/…`)."""

    def problems(self) -> Iterable[Problem]:
        yield from cloud_name(
            self.subnetwork,
            "gcp",
            r"(https://www\.googleapis\.com/compute/v1/)?projects/[^/]+/regions/[^/]+/subnetworks/[^/]+",
            "subnetwork",
            "a subnetwork",
            "write projects/<project>/regions/<region>/subnetworks/<name>",
        )


@block
class CloudSqlArgs(DatabaseBlock):
    """A Cloud SQL instance with its database and user: private, encrypted, backed up, protected against deletion."""

    made_on = CloudName.GCP
    needs = ("network",)

    engine: CloudEngine = CloudEngine.POSTGRESQL
    """Database engine."""
    version: str | None = None
    """Major version: PostgreSQL 17 or MySQL 8.4 if not given. It can be raised later, never lowered."""
    edition: CloudSqlEdition = CloudSqlEdition.ENTERPRISE
    """Edition. `ENTERPRISE_PLUS` keeps logs for up to 35 days, has its own tiers and costs about twice as much."""
    tier: Input[str] | None = None
    """Machine type: `db-custom-<vCPUs>-<MiB>` in ENTERPRISE (2 vCPUs and 7.5 GiB if not given),
    `db-perf-optimized-N-<vCPUs>` in ENTERPRISE_PLUS (2 vCPUs if not given)."""
    high_availability: bool = True
    """Keep a standby in another zone, to which Cloud SQL fails over automatically; doubles the price of the instance."""
    storage_gb: int = 20
    """Initial size of the disk in GiB; it grows automatically and never shrinks."""
    storage_limit_gb: int = 0
    """Size up to which the disk grows, in GiB; 0 for no limit."""
    backup_retention_days: int = 14
    """How many daily backups are kept. The last ones outlive the instance."""
    log_retention_days: int = 7
    """How many days back point-in-time recovery reaches: up to 7 in ENTERPRISE, up to 35 in ENTERPRISE_PLUS."""
    maintenance_day: int = 7
    """Day on which Cloud SQL may restart the instance for updates: 1 for Monday to 7 for Sunday."""
    maintenance_hour: int = 3
    """Hour of that day, UTC."""
    insights: bool = True
    """Query Insights: the slowest queries with their plans, kept for a week free of charge."""
    flags: dict[str, str] = Field(default_factory=dict)
    """Database flags, which override those that this component sets."""
    restore: CloudSqlRestoreArgs | None = None
    """Make the instance from a backup of another one, or from another one at a point in time, of the same version. Its database and
    user must have the names given here; the password becomes the one given here. Leave the entry in place: it also says that the
    database was there. Refused for an instance that exists."""
    psc: CloudSqlPscArgs | None = None
    """Private Service Connect; private services access is used if not given."""
    database: str = "mlflow"
    """Name of the database."""
    username: str = "mlflow"
    """Name of the user."""
    password: Input[str] | None = secret()
    """Password of the user; generated if not given."""

    @property
    def backups(self) -> tuple[Path, int]:
        return ("backup_retention_days",), self.backup_retention_days

    @property
    def machine(self) -> Input[str]:
        """The tier, or the edition's default."""
        return self.tier if self.tier is not None else DEFAULT_TIERS[self.edition]

    @property
    def connections(self) -> int | None:
        """Connections that the server grants, where they can be told from the tier."""
        return granted_connections(self.flags, self._default_connections)

    @property
    def _default_connections(self) -> int | None:
        machine = str(plain(self.machine))
        if machine in _SHARED_CORES:
            return _SHARED_CORES[machine][self.engine]
        custom = re.fullmatch(r"db-custom-\d+-(\d+)", machine)
        # Both have 8 GiB for each CPU: https://cloud.google.com/sql/docs/postgres/machine-series-overview.
        plus = re.fullmatch(r"db-(?:perf-optimized-N|c4a-highmem)-(\d+)", machine)
        if custom is None and plus is None:
            return None
        if self.engine is CloudEngine.MYSQL:
            return _MYSQL_CONNECTIONS
        memory = int(custom[1]) / 1024 if custom else 8 * int(plus[1]) if plus else 0
        return max((limit for least, limit in _POSTGRESQL_CONNECTIONS if memory >= least), default=None)

    def insecure(self) -> Iterable[Problem]:
        yield from switches.insecure("flags", self.flags, switches.parameter)

    def problems(self) -> Iterable[Problem]:
        versions = VERSIONS[self.engine]
        if self.version is not None and self.version not in versions:
            message = f"{self.version!r} is not a version of {self.engine.value} on Cloud SQL"
            yield Problem(("version",), message, f"use one of: {', '.join(versions)}")
        yield from self._tier()
        yield from between(self.storage_gb, 10, 65_536, "storage_gb", "GiB")
        if self.storage_limit_gb and self.storage_limit_gb < self.storage_gb:
            message = f"{self.storage_limit_gb} is less than storageGb, {self.storage_gb}"
            yield Problem(("storage_limit_gb",), message, "raise it, or use 0 for no limit")
        yield from between(self.backup_retention_days, 7, 365, "backup_retention_days", "days")
        longest = 35 if self.edition is CloudSqlEdition.ENTERPRISE_PLUS else 7
        yield from between(self.log_retention_days, 1, longest, "log_retention_days", f"days in {self.edition.value}")
        if 7 <= self.backup_retention_days < self.log_retention_days <= longest:
            message = (
                f"{self.log_retention_days} days need a backup that old, and {self.backup_retention_days} are kept"
            )
            yield Problem(("log_retention_days",), message, "lower it, or raise backupRetentionDays")
        yield from between(self.maintenance_day, 1, 7, "maintenance_day")
        yield from between(self.maintenance_hour, 0, 23, "maintenance_hour")
        yield from switches.parameter_names(self.flags, "flags")
        yield from database_names(self, reserved=r"(postgres|root|cloudsql.*|pg_.*|mysql\..*)")

    def _tier(self) -> Iterable[Problem]:
        tier = plain(self.tier)
        if not isinstance(tier, str):
            return
        shared = re.fullmatch(r"db-(f1-micro|g1-small)", tier)
        custom = re.fullmatch(r"db-custom-(\d+)-(\d+)", tier)
        plus = re.fullmatch(r"db-(perf-optimized-N|c4a-highmem)-\d+", tier)
        fix = f"use for example {DEFAULT_TIERS[self.edition]!r}"
        if not (shared or custom or plus):
            yield from cloud_name(tier, "gcp", "", "tier", "a tier of Cloud SQL", fix)
        elif bool(plus) != (self.edition is CloudSqlEdition.ENTERPRISE_PLUS):
            yield Problem(("tier",), f"{tier!r} does not exist in the edition {self.edition.value}", fix)
        elif shared and self.high_availability:
            message = f"{tier!r} is a shared core, for which Google gives no warranty, and it has highAvailability"
            yield Problem(("tier",), message, f"{fix}, or set highAvailability to false")
        elif custom and (wrong := _wrong_machine(int(custom[1]), int(custom[2]))):
            yield Problem(("tier",), f"{tier!r}: {wrong}", fix)


def _wrong_machine(cpus: int, mebibytes: int) -> str | None:
    """https://cloud.google.com/sql/docs/postgres/create-instance#machine-types."""
    if cpus != 1 and (cpus % 2 or not 2 <= cpus <= 96):
        return f"{cpus} vCPUs are neither 1 nor an even number up to 96"
    if mebibytes < 3840 or mebibytes % 256:
        return f"{mebibytes} MiB are not a multiple of 256 from 3840 on"
    if not 0.9 * 1024 * cpus <= mebibytes <= 6.5 * 1024 * cpus:
        return f"{mebibytes} MiB are not between 0.9 and 6.5 GiB for each of {cpus} vCPUs"
    return None
