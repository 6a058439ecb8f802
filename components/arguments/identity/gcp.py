"""The identity of the pods on Google Cloud: Workload Identity."""

from collections.abc import Iterable

from ..base import Problem, block
from ..checks import pattern
from ..kinds import CloudName, IdentityBlock

__all__ = ["GcpDirectArgs", "GcpServiceAccountArgs"]


@block
class GcpServiceAccountArgs(IdentityBlock):
    """A Google service account that the pods impersonate through Workload Identity."""

    made_on = CloudName.GCP
    annotation = "iam.gke.io/gcp-service-account"

    account_id: str | None = None
    """Id of the service account; derived from the component's name if not given."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.account_id,
            r"[a-z][-a-z0-9]{4,28}[a-z0-9]",
            "account_id",
            "the id of a service account",
            "use 6 to 30 lower-case letters, digits and hyphens, starting with a letter, without domain",
        )


@block
class GcpDirectArgs(IdentityBlock):
    """The role is granted to the Kubernetes ServiceAccount itself: no Google service account, no impersonation."""

    made_on = CloudName.GCP
    needs = ("project_number",)
