"""Identities that exist already."""

from ..arguments import ExistingIdentityArgs
from ..contracts import WorkloadIdentity


def identity(args: ExistingIdentityArgs) -> WorkloadIdentity:
    """A role or identity that trusts the deployment's ServiceAccount."""
    return WorkloadIdentity(service_account_annotations=args.service_account_annotations, pod_labels=args.pod_labels)
