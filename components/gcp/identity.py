"""Workload Identity on Google Cloud: the identity of the pods, and what it may do."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from ..arguments import GcpArgs, GcpServiceAccountArgs, Input
from ..contracts import Place, WorkloadIdentity
from ..existing.credentials import GCP

OBJECT_ROLE = "roles/storage.objectUser"
"""Reads, lists, writes and deletes objects, but cannot change the bucket or its IAM policy."""
_ACCOUNT_ID_LENGTH = 30


@dataclass(frozen=True)
class Principal:
    """The identity that the pods assume, and its name in IAM policies."""

    identity: WorkloadIdentity
    member: pulumi.Output[str]


def service_account(place: Place, args: GcpServiceAccountArgs) -> Principal:
    """A Google service account that only this deployment's Kubernetes ServiceAccount may impersonate."""
    facts = _facts(place)
    account = gcp.serviceaccount.Account(
        f"{place.name}-identity",
        account_id=args.account_id if args.account_id is not None else _account_id(place),
        display_name=f"MLflow {place.args.namespace}/{place.name}",
        project=facts.project,
        opts=place.options(),
    )
    trust = gcp.serviceaccount.IAMMember(
        f"{place.name}-identity",
        service_account_id=account.name,
        role="roles/iam.workloadIdentityUser",
        member=_pool(facts).apply(lambda pool: f"serviceAccount:{pool}[{place.args.namespace}/{place.account_name}]"),
        opts=place.options(),
    )
    identity = WorkloadIdentity(
        service_account_annotations={"iam.gke.io/gcp-service-account": account.email},
        ready=[trust],
        credentials=GCP,
    )
    return Principal(identity, account.email.apply(lambda email: f"serviceAccount:{email}"))


def direct(place: Place) -> Principal:
    """The Kubernetes ServiceAccount by its name in the cluster's workload identity pool."""
    facts = _facts(place)
    subject = f"subject/ns/{place.args.namespace}/sa/{place.account_name}"
    member = pulumi.Output.all(facts.project_number, _pool(facts)).apply(
        lambda parts: (
            f"principal://iam.googleapis.com/projects/{parts[0]}/locations/global/workloadIdentityPools/{parts[1]}/{subject}"
        )
    )
    return Principal(WorkloadIdentity(credentials=GCP), member)


def grant(place: Place, member: Input[str], bucket: Input[str], purpose: str) -> pulumi.Resource:
    """Let a principal use the objects of one bucket; other grants are left alone. `purpose` names the grant."""
    return gcp.storage.BucketIAMMember(
        f"{place.name}-{purpose}", bucket=bucket, role=OBJECT_ROLE, member=member, opts=place.options()
    )


def _facts(place: Place) -> GcpArgs:
    assert place.args.gcp is not None, "arguments hold the block of the cloud"
    return place.args.gcp


def _pool(facts: GcpArgs) -> pulumi.Output[str]:
    project = facts.cluster_project if facts.cluster_project is not None else facts.project
    return pulumi.Output.from_input(project).apply(lambda project: f"{project}.svc.id.goog")


def _account_id(place: Place) -> pulumi.Output[str]:
    """Unique in the project, including recently deleted accounts, whose grants a namesake would not inherit."""
    suffix = random.RandomString(f"{place.name}-identity", length=6, special=False, upper=False, opts=place.options())
    start = place.name[: _ACCOUNT_ID_LENGTH - 7].rstrip("-")
    return suffix.result.apply(lambda text: f"{start}-{text}")
