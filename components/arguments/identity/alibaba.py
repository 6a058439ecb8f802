"""A role that the pods assume on Alibaba Cloud."""

from collections.abc import Iterable

from ..base import Input, Problem, block
from ..checks import pattern
from ..kinds import IdentityBlock

__all__ = ["AlibabaRamArgs"]


@block
class AlibabaRamArgs(IdentityBlock):
    """An existing RAM role that trusts the deployment's ServiceAccount (RRSA on ACK). Nothing is created."""

    annotation = "pod-identity.alibabacloud.com/role-name"

    role_name: Input[str]
    """Name of the role."""

    def problems(self) -> Iterable[Problem]:
        yield from pattern(
            self.role_name, r"[A-Za-z0-9.-]{1,64}", "role_name", "the name of a RAM role",
            "give the name alone, not the ARN: at most 64 letters, digits, '.' and '-'",
        )  # fmt: skip
