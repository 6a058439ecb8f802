"""The identity that the pods assume towards their cloud."""

from collections.abc import Iterable

from pydantic import Field

from ..base import Input, Problem, block
from ..checks import labels, qualified_keys
from ..clouds.azure import AzureWorkloadIdentityArgs
from ..clouds.gcp import GcpDirectArgs, GcpServiceAccountArgs
from ..kinds import Choice, IdentityBlock
from .aws import AlibabaRamArgs, IrsaArgs, PodIdentityArgs


@block
class ExistingIdentityArgs(IdentityBlock):
    """A role or identity that exists already and trusts the deployment's ServiceAccount."""

    service_account_annotations: dict[str, Input[str]] = Field(default_factory=dict)
    """Annotations of the ServiceAccount, for example `eks.amazonaws.com/role-arn`."""
    pod_labels: dict[str, str] = Field(default_factory=dict)
    """Labels that every pod needs, for example `azure.workload.identity/use: "true"`."""

    def problems(self) -> Iterable[Problem]:
        yield from qualified_keys(self.service_account_annotations, "service_account_annotations")
        yield from labels(self.pod_labels, "pod_labels")


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
