"""Workload Identity: what the pods are on Google Cloud."""

from collections.abc import Iterable

from ..base import Problem, block
from ..checks import pattern
from ..kinds import CloudName, IdentityBlock

__all__ = ["GcpDirectArgs", "GcpServiceAccountArgs"]


@block
class GcpServiceAccountArgs(IdentityBlock):
    """A Google service account that the pods become by Workload Identity."""

    made_on = CloudName.GCP

    account_id: str | None = None
    """Its id; made from the component's name if not given."""

    @property
    def annotates(self) -> bool:
        return True

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
    """The Kubernetes ServiceAccount itself is given the role: no Google service account, nothing to impersonate."""

    made_on = CloudName.GCP
    needs = ("project_number",)
