"""A storage account with one container for artifacts, created by this stack."""

import enum
from collections.abc import Iterable

from pydantic import Field

from ..base import Input, Path, Problem, block
from ..checks import between, pattern, relative_path
from ..clouds.azure import SUBNET, SUBNET_FIX
from ..clouds.names import cloud_name
from ..kinds import ArtifactBlock, CloudName

__all__ = ["AzureContainerArgs", "AzureReplication"]


class AzureReplication(enum.Enum):
    """How Azure replicates the data."""

    LOCAL = "Standard_LRS"
    ZONES = "Standard_ZRS"
    REGIONS = "Standard_GRS"
    ZONES_AND_REGIONS = "Standard_GZRS"


@block
class AzureContainerArgs(ArtifactBlock):
    """A storage account with one container: no shared keys, no anonymous access."""

    made_on = CloudName.AZURE

    account_name: Input[str] | None = None
    """Name of the storage account, globally unique; derived from the component's name if not given."""
    container: str = "mlflow"
    """Name of the container."""
    prefix: Input[str] = ""
    """Path in the container under which artifacts are stored, without leading or trailing slash."""
    replication: AzureReplication = AzureReplication.ZONES
    """Replication; use `Standard_LRS` in regions without availability zones."""
    soft_delete_days: int = 30
    """How many days deleted files and containers can be restored; point-in-time restore of the whole container reaches back
    one day less."""
    version_days: int = 35
    """How many days overwritten versions are kept."""
    allowed_subnet_ids: list[Input[str]] = Field(default_factory=list)
    """Resource ids of the subnets that may reach the account if there is no private endpoint; they need the service
    endpoint Microsoft.Storage."""
    public_network: bool = False
    """Allow access from every network. It still requires a token of an identity with a role."""

    @property
    def versions(self) -> tuple[Path, int]:
        return ("version_days",), self.version_days

    def problems(self) -> Iterable[Problem]:
        fix = "use 3 to 24 lower-case letters and digits"
        yield from pattern(self.account_name, r"[a-z0-9]{3,24}", "account_name", "a name for a storage account", fix)
        yield from pattern(
            self.container,
            r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*",
            "container",
            "a name for a container",
            "use 3 to 63 lower-case letters, digits and single hyphens, starting and ending with a letter or digit",
        )
        yield from relative_path(self.prefix, "prefix")
        yield from between(self.soft_delete_days, 2, 365, "soft_delete_days", "days")
        yield from between(self.version_days, 1, 3650, "version_days", "days")
        if 2 <= self.soft_delete_days <= 365 and 1 <= self.version_days < self.soft_delete_days:
            message = f"{self.version_days} is less than softDeleteDays, {self.soft_delete_days}"
            fix = "raise it: a container is set back by means of its versions"
            yield Problem(("version_days",), message, fix)
        for index, subnet in enumerate(self.allowed_subnet_ids):
            what = "the resource id of a subnet"
            for problem in cloud_name(subnet, "azure", SUBNET, "subnet", what, SUBNET_FIX):
                yield Problem(("allowed_subnet_ids", index), problem.message, problem.fix)
        if self.allowed_subnet_ids and self.public_network:
            message = "makes allowedSubnetIds meaningless"
            yield Problem(("public_network",), message, "remove one of them")
