"""The identity that the pods assume towards their cloud."""

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
    """Role or identity that exists already."""
    irsa: IrsaArgs | None = None
    """IAM role on AWS, by the cluster's OIDC provider."""
    pod_identity: PodIdentityArgs | None = None
    """IAM role on AWS, by EKS Pod Identity."""
    gcp_service_account: GcpServiceAccountArgs | None = None
    """Google service account that is made, and that the pods become by Workload Identity."""
    gcp_direct: GcpDirectArgs | None = None
    """On Google Cloud, the Kubernetes ServiceAccount itself by Workload Identity."""
    azure_workload_identity: AzureWorkloadIdentityArgs | None = None
    """User-assigned identity of Azure that is made, and that the pods become by Workload Identity."""
    alibaba_ram: AlibabaRamArgs | None = None
    """RAM role on Alibaba Cloud, which exists already."""

    def problems(self) -> Iterable[Problem]:
        yield from self.choice_problems("`existing: {serviceAccountAnnotations: {…}}`")
