"""Identities that exist already."""

from ..arguments import ExistingIdentityArgs
from ..contracts import Place, WorkloadIdentity
from .credentials import told_by


def identity(place: Place, args: ExistingIdentityArgs) -> WorkloadIdentity:
    """A role or identity that trusts the deployment's ServiceAccount. What the account and the pods carry anyway may name one too."""
    account, pod = place.args.service_account.annotations, place.args.pod.labels
    return WorkloadIdentity(
        service_account_annotations=args.service_account_annotations,
        pod_labels=args.pod_labels,
        credentials=told_by([*account, *args.service_account_annotations, *pod, *args.pod_labels]),
    )
