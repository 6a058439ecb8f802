"""Roles that the pods assume on AWS."""

from collections.abc import Iterable

from ..base import Problem, block
from ..checks import between
from ..kinds import CloudName, IdentityBlock

__all__ = ["IrsaArgs", "PodIdentityArgs"]


@block
class IrsaArgs(IdentityBlock):
    """A role that the ServiceAccount assumes through the cluster's OIDC provider (IRSA), for the bucket and its key only."""

    made_on = CloudName.AWS
    needs = ("oidc_provider_arn",)
    annotation = "eks.amazonaws.com/role-arn"

    max_session_hours: int = 1
    """Maximum lifetime of the pods' credentials in hours (1 to 12); they are renewed automatically."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_session_hours, 1, 12, "max_session_hours", "hours")


@block
class PodIdentityArgs(IdentityBlock):
    """A role that the ServiceAccount assumes through EKS Pod Identity, for the bucket and its key only. The add-on
    `eks-pod-identity-agent` must be installed."""

    made_on = CloudName.AWS
    needs = ("cluster_name",)
