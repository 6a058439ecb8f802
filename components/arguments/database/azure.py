"""An Azure Database flexible server that is made for MLflow."""

import enum
import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Input, Path, Problem, block, plain, secret
from ..checks import between, pattern
from ..clouds.names import CloudEngine, cloud_name, database_names
from ..kinds import CloudName, DatabaseBlock

__all__ = ["AzureFlexibleServerArgs", "AzureHighAvailability"]


class AzureHighAvailability(enum.Enum):
    """Where the standby is. Azure has no zones in some regions."""

    ZONE_REDUNDANT = "ZoneRedundant"
    SAME_ZONE = "SameZone"
    DISABLED = "Disabled"


VERSIONS = {CloudEngine.POSTGRESQL: ("18", "17", "16", "15", "14", "13"), CloudEngine.MYSQL: ("8.4", "8.0.21")}
"""Versions of flexible servers that MLflow's schema fits, newest first."""
DEFAULT_VERSIONS = {CloudEngine.POSTGRESQL: "17", CloudEngine.MYSQL: "8.0.21"}
_TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}
_POSTGRESQL_SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16_384, 32_767)


@block
class AzureFlexibleServerArgs(DatabaseBlock):
    """A flexible server with its database: in a private network, TLS only, backed up, locked against deletion."""

    made_on = CloudName.AZURE

    engine: CloudEngine = CloudEngine.POSTGRESQL
    """Kind of database."""
    version: str | None = None
    """Version: PostgreSQL 17 or MySQL 8.0.21 if not given. It can be raised later, never lowered."""
    name: Input[str] | None = None
    """Name of the server, unique among all of Azure; made by Pulumi if not given."""
    sku: Input[str] = "Standard_D2ds_v5"
    """Machine: `Standard_B…` (burstable), `Standard_D…` (general purpose) or `Standard_E…` (memory optimised)."""
    high_availability: AzureHighAvailability = AzureHighAvailability.ZONE_REDUNDANT
    """A standby to which Azure fails over by itself; doubles the price of the server."""
    storage_gb: int = 64
    """Initial size of the disk in GiB; it grows by itself and never shrinks."""
    backup_retention_days: int = 14
    """For how many days the database can be restored to any second: 7 to 35."""
    geo_redundant_backup: bool = False
    """Keep backups in the paired region as well. It cannot be changed later."""
    maintenance_day: int = 0
    """Day on which Azure may restart the server for updates: 0 for Sunday to 6 for Saturday."""
    maintenance_hour: int = 3
    """Hour of that day, UTC."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Parameters of the database server, over those that this component sets."""
    database: str = "mlflow"
    """Name of the database."""
    username: str = "mlflow"
    """Administrator of the server, as whom MLflow connects."""
    password: Input[str] | None = secret()
    """Password of the administrator; generated if not given."""
    ca_certificate: Input[str] | None = None
    """Certificate authorities in PEM form; the public ones that Azure's servers use if not given."""

    @property
    def backups(self) -> tuple[Path, int]:
        return ("backup_retention_days",), self.backup_retention_days

    def problems(self) -> Iterable[Problem]:
        versions = VERSIONS[self.engine]
        if self.version is not None and self.version not in versions:
            message = f"{self.version!r} is not a version of {self.engine.value} on flexible servers"
            yield Problem(("version",), message, f"use one of: {', '.join(versions)}")
        yield from pattern(
            self.name,
            r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
            "name",
            "a name for a server",
            "use 3 to 63 lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
        )
        fix = "use for example 'Standard_D2ds_v5', or 'Standard_B2s' for development"
        yield from cloud_name(self.sku, "azure", r"Standard_[BDE]\d+\w*", "sku", "a machine of flexible servers", fix)
        burstable = str(plain(self.sku)).startswith("Standard_B")
        if burstable and self.high_availability is not AzureHighAvailability.DISABLED:
            message = f"{plain(self.sku)!r} is burstable, which Azure does not make highly available"
            yield Problem(("sku",), message, "use a Standard_D… machine, or set highAvailability to Disabled")
        if self.engine is CloudEngine.MYSQL:
            yield from between(self.storage_gb, 20, 16_384, "storage_gb", "GiB")
        elif self.storage_gb not in _POSTGRESQL_SIZES:
            sizes = ", ".join(map(str, _POSTGRESQL_SIZES))
            yield Problem(("storage_gb",), f"{self.storage_gb} is not a size of disks", f"use one of: {sizes}")
        yield from between(self.backup_retention_days, 7, 35, "backup_retention_days", "days")
        yield from between(self.maintenance_day, 0, 6, "maintenance_day")
        yield from between(self.maintenance_hour, 0, 23, "maintenance_hour")
        for name in self.parameters:
            if not re.fullmatch(r"[a-z][a-z0-9_.]*", name):
                fix = "use lower-case letters, digits, '_' and '.'"
                yield Problem(("parameters", name), "is not the name of a parameter", fix)
        taken = r"(azure_\w+|admin|administrator|root|guest|public|sa|postgres|mysql|pg_\w+)"
        yield from database_names(self, reserved=taken)
        certificate = plain(self.ca_certificate)
        if isinstance(certificate, str) and "-----BEGIN CERTIFICATE-----" not in certificate:
            fix = "paste the text from '-----BEGIN CERTIFICATE-----' on"
            yield Problem(("ca_certificate",), "is not a PEM certificate", fix)


def tier_of(sku: str) -> str:
    """The tier that a machine belongs to, by the first letter of its series."""
    return _TIERS[sku.removeprefix("Standard_")[0]]
