"""Workload Identity: what makes the pods somebody on Google Cloud, and what that somebody may do."""

import pulumi
import pulumi_gcp as gcp
import pulumi_random as random

from ..arguments import GcpArgs, GcpServiceAccountArgs, Input
from ..contracts import NetworkDestination, WorkloadIdentity
from ..pods.objects import Scope

OBJECT_ROLE = "roles/storage.objectUser"
"""Reads, lists, writes and deletes objects; changes neither the bucket nor who may use it."""
_ACCOUNT_ID_LENGTH = 30
# Where pods ask for tokens. With Dataplane V2 a network policy sees the first address, without it the second one:
# https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy#network-policy-and-workload-identity
_METADATA_SERVER = (
    NetworkDestination(host="169.254.169.254", port=80),
    NetworkDestination(host="169.254.169.252", port=988),
)


def service_account(scope: Scope, args: GcpServiceAccountArgs, bucket: Input[str]) -> WorkloadIdentity:
    """A Google service account that exactly this deployment's Kubernetes ServiceAccount may become."""
    facts = _facts(scope)
    account = gcp.serviceaccount.Account(
        f"{scope.name}-identity",
        account_id=args.account_id if args.account_id is not None else _account_id(scope),
        display_name=f"MLflow {scope.args.namespace}/{scope.name}",
        project=facts.project,
        opts=scope.options(),
    )
    trust = gcp.serviceaccount.IAMMember(
        f"{scope.name}-identity",
        service_account_id=account.name,
        role="roles/iam.workloadIdentityUser",
        member=_pool(facts).apply(lambda pool: f"serviceAccount:{pool}[{scope.args.namespace}/{scope.account_name}]"),
        opts=scope.options(),
    )
    return WorkloadIdentity(
        service_account_annotations={"iam.gke.io/gcp-service-account": account.email},
        ready=[trust, _grant(scope, account.email.apply(lambda email: f"serviceAccount:{email}"), bucket)],
        endpoints=_METADATA_SERVER,
    )


def direct(scope: Scope, bucket: Input[str]) -> WorkloadIdentity:
    """The Kubernetes ServiceAccount by its name in the cluster's workload identity pool."""
    facts = _facts(scope)
    subject = f"subject/ns/{scope.args.namespace}/sa/{scope.account_name}"
    member = pulumi.Output.all(facts.project_number, _pool(facts)).apply(
        lambda parts: (
            f"principal://iam.googleapis.com/projects/{parts[0]}/locations/global/workloadIdentityPools/{parts[1]}/{subject}"
        )
    )
    return WorkloadIdentity(ready=[_grant(scope, member, bucket)], endpoints=_METADATA_SERVER)


def _grant(scope: Scope, member: Input[str], bucket: Input[str]) -> pulumi.Resource:
    """Let somebody use the objects of one bucket; others who may are left alone."""
    return gcp.storage.BucketIAMMember(
        f"{scope.name}-artifacts", bucket=bucket, role=OBJECT_ROLE, member=member, opts=scope.options()
    )


def _facts(scope: Scope) -> GcpArgs:
    assert scope.args.gcp is not None, "arguments hold the block of the cloud"
    return scope.args.gcp


def _pool(facts: GcpArgs) -> pulumi.Output[str]:
    project = facts.cluster_project if facts.cluster_project is not None else facts.project
    return pulumi.Output.from_input(project).apply(lambda project: f"{project}.svc.id.goog")


def _account_id(scope: Scope) -> pulumi.Output[str]:
    """Unique in the project, also among those deleted lately, whose grants a namesake would not inherit."""
    suffix = random.RandomString(f"{scope.name}-identity", length=6, special=False, upper=False, opts=scope.options())
    start = scope.name[: _ACCOUNT_ID_LENGTH - 7].rstrip("-")
    return suffix.result.apply(lambda text: f"{start}-{text}")
