"""Workload Identity: what the pods are on Azure."""

from collections.abc import Iterable

from ..base import Input, Problem, block
from ..checks import pattern
from ..clouds.azure import GROUP
from ..clouds.names import cloud_name
from ..kinds import CloudName, IdentityBlock

__all__ = ["AzureWorkloadIdentityArgs"]

_CONTAINER = rf"(?i:{GROUP}/Microsoft\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+)"


@block
class AzureWorkloadIdentityArgs(IdentityBlock):
    """A user-assigned identity that the pods become by Workload Identity; the cluster must have it enabled."""

    made_on = CloudName.AZURE
    needs = ("aks_oidc_issuer_url",)

    name: Input[str] | None = None
    """Name of the identity; made by Pulumi if not given."""
    container_id: Input[str] | None = None
    """Resource id of an existing container that the identity may read and write; of the one that
    `artifacts.azureContainer` makes if not given."""

    @property
    def annotates(self) -> bool:
        return True

    @property
    def names_store(self) -> bool:
        return self.container_id is not None

    def problems(self) -> Iterable[Problem]:
        fix = "use 3 to 128 letters, digits, '-' and '_', starting with a letter or digit"
        yield from pattern(self.name, r"[A-Za-z0-9][\w-]{2,127}", "name", "a name for an identity", fix)
        yield from cloud_name(
            self.container_id,
            "azure",
            _CONTAINER,
            "container_id",
            "the resource id of a container",
            "write /subscriptions/…/storageAccounts/<account>/blobServices/default/containers/<container>",
        )
