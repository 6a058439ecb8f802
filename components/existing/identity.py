"""Identities that exist already."""

from ..arguments import IdentityArgs
from ..contracts import WorkloadIdentity


def identity(args: IdentityArgs) -> WorkloadIdentity:
    """A role or identity that trusts the deployment's ServiceAccount."""
    if args.existing is not None:
        existing = args.existing
        return WorkloadIdentity(
            service_account_annotations=existing.service_account_annotations, pod_labels=existing.pod_labels
        )
    assert args.alibaba_ram is not None, "arguments hold exactly one choice"
    # https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/use-rrsa-to-authorize-pods-to-access-different-cloud-services
    return WorkloadIdentity(
        service_account_annotations={"pod-identity.alibabacloud.com/role-name": args.alibaba_ram.role_name}
    )
