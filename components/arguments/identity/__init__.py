"""The identity that the pods assume on their cloud."""

from collections.abc import Iterable

from ..base import Problem, block
from ..kinds import Choice
from . import alibaba, aws, azure, existing, gcp
from .alibaba import *
from .aws import *
from .azure import *
from .existing import *
from .gcp import *

__all__ = ["IdentityArgs", "IdentityKind"]
__all__ += alibaba.__all__
__all__ += aws.__all__
__all__ += azure.__all__
__all__ += existing.__all__
__all__ += gcp.__all__


IdentityKind = (
    ExistingIdentityArgs
    | IrsaArgs
    | PodIdentityArgs
    | GcpServiceAccountArgs
    | GcpDirectArgs
    | AzureWorkloadIdentityArgs
    | AlibabaRamArgs
)


@block
class IdentityArgs(Choice[IdentityKind]):
    """Exactly one kind of identity."""

    existing: ExistingIdentityArgs | None = None
    """Existing role or identity."""
    irsa: IrsaArgs | None = None
    """IAM role on AWS, assumed through the cluster's OIDC provider (IRSA)."""
    pod_identity: PodIdentityArgs | None = None
    """IAM role on AWS, assumed through EKS Pod Identity."""
    gcp_service_account: GcpServiceAccountArgs | None = None
    """Google service account created by this stack, which the pods impersonate through Workload Identity."""
    gcp_direct: GcpDirectArgs | None = None
    """The Kubernetes ServiceAccount itself as principal on Google Cloud, through Workload Identity."""
    azure_workload_identity: AzureWorkloadIdentityArgs | None = None
    """Azure user-assigned identity created by this stack, which the pods use through Workload Identity."""
    alibaba_ram: AlibabaRamArgs | None = None
    """Existing RAM role on Alibaba Cloud."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`existing: {serviceAccountAnnotations: {…}}`")
