"""Roles that the pods assume on AWS, and on Alibaba Cloud."""

from collections.abc import Iterable

from ..base import Input, Problem, block
from ..checks import between, pattern
from ..kinds import IdentityBlock


@block
class IrsaArgs(IdentityBlock):
    """A role for the ServiceAccount by the cluster's OIDC provider (IRSA). It may use the bucket and its key, nothing else."""

    max_session_hours: int = 1
    """Longest life of the pods' credentials in hours (1 to 12); they are renewed by themselves."""

    def problems(self) -> Iterable[Problem]:
        yield from between(self.max_session_hours, 1, 12, "max_session_hours", "hours")


@block
class PodIdentityArgs(IdentityBlock):
    """A role for the ServiceAccount by EKS Pod Identity, whose agent must be installed (add-on `eks-pod-identity-agent`). It may
    use the bucket and its key, nothing else."""


@block
class AlibabaRamArgs(IdentityBlock):
    """A RAM role that exists already and trusts the deployment's ServiceAccount (RRSA on ACK). Nothing is made."""

    role_name: Input[str]
    """Name of the role."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.role_name, r"[A-Za-z0-9.-]{1,64}", "role_name", "the name of a RAM role",
            "give the name alone, not the ARN: at most 64 letters, digits, '.' and '-'",
        )  # fmt: skip
