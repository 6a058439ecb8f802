"""Existing identities."""

from ..arguments import ExistingIdentityArgs
from ..contracts import Place, WorkloadIdentity
from .credentials import told_by


def identity(place: Place, args: ExistingIdentityArgs) -> WorkloadIdentity:
    """A role or identity that trusts the deployment's ServiceAccount. The user's annotations and labels may also name one."""
    account, pod = place.args.service_account.annotations, place.args.pod.labels
    return WorkloadIdentity(
        service_account_annotations=args.service_account_annotations,
        pod_labels=args.pod_labels,
        credentials=told_by([*account, *args.service_account_annotations, *pod, *args.pod_labels]),
    )
