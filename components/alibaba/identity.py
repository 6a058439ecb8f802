"""RAM roles of Alibaba Cloud, which exist already."""

from ..arguments import AlibabaRamArgs, Input
from ..contracts import WorkloadIdentity
from ..existing.credentials import ALIBABA


def identity(args: AlibabaRamArgs) -> WorkloadIdentity:
    """A role that trusts the deployment's ServiceAccount (RRSA on ACK)."""
    # https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/use-rrsa-to-authorize-pods-to-access-different-cloud-services
    annotations: dict[str, Input[str]] = {"pod-identity.alibabacloud.com/role-name": args.role_name}
    return WorkloadIdentity(service_account_annotations=annotations, credentials=ALIBABA)
