"""The role that the pods assume on AWS, and what it may do."""

import re
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import eks, iam

from ..arguments import IdentityArgs, Input
from ..arguments.clouds.aws import OIDC_PROVIDER, issuer
from ..contracts import WorkloadIdentity
from ..existing.credentials import IRSA, POD_IDENTITY
from ..resources.refusals import Change, guard
from . import policies
from .resources import Aws


@dataclass(frozen=True)
class Role:
    """The pods' role, and the identity by which pods assume it."""

    resource: iam.Role
    identity: WorkloadIdentity


def role(aws: Aws, args: IdentityArgs) -> Role:
    """A role that only the deployment's ServiceAccount may assume, without any grants."""
    # The names from the arguments, not outputs: a trust policy must not depend on Kubernetes.
    account = {"namespace": aws.place.args.namespace, "account": aws.place.account_name}
    irsa = args.irsa
    if irsa is not None:
        trust = pulumi.Output.all(aws.facts.oidc_provider_arn, aws.facts.oidc_issuer_url).apply(
            lambda facts: policies.trust_of_issuer(facts[0], _issuer(*facts), **account)
        )
    else:
        cluster = pulumi.Output.from_input(aws.facts.cluster_name)
        trust = cluster.apply(lambda name: policies.trust_of_pod_identity(str(name), **account))
    made = iam.Role(
        f"{aws.place.name}-role",
        description=f"Pods of MLflow ({aws.place.name})",
        assume_role_policy=trust,
        max_session_duration=irsa.max_session_hours * 3600 if irsa else None,
        permissions_boundary=aws.facts.permissions_boundary,
        tags=aws.tags,
        opts=aws.place.options(),
    )
    if irsa is not None:
        annotations: dict[str, Input[str]] = {"eks.amazonaws.com/role-arn": made.arn}
        return Role(made, WorkloadIdentity(service_account_annotations=annotations, credentials=IRSA))
    association = eks.PodIdentityAssociation(
        f"{aws.place.name}-role",
        cluster_name=aws.facts.cluster_name,
        namespace=aws.place.args.namespace,
        service_account=aws.place.account_name,
        role_arn=made.arn,
        tags=aws.tags,
        opts=aws.place.options(),
    )
    # A pod gets its credentials when it is admitted: one from before the association has none until it is restarted.
    return Role(made, WorkloadIdentity(credentials=POD_IDENTITY, ready=[association]))


def grant(
    aws: Aws,
    role: iam.Role,
    bucket_arn: Input[str],
    prefix: Input[str],
    key_arn: Input[str] | None,
    purpose: str = "role",
) -> iam.RolePolicy:
    """Let the role use the bucket under the prefix, and the key that encrypts it.

    Args:
        aws: The AWS half of the deployment.
        role: The pods' role.
        bucket_arn: ARN of the bucket; with `arn:*:…`, it gets the role's partition.
        prefix: Path in the bucket.
        key_arn: The key; None if S3 encrypts with its own.
        purpose: Name of the grant.
    """

    def text(parts: list[Any]) -> str:
        role_arn, bucket, path, key, former = parts
        bucket = bucket.replace("arn:*:", f"arn:{role_arn.split(':')[1]}:")
        return policies.document(*policies.use_of_bucket(bucket, path), *policies.use_of_keys(key, former))

    def unreadable(change: Change) -> str | None:
        old, new = ((inputs or {}).get("policy") for inputs in (change.old_inputs, change.new_inputs))
        lost = policies.lost_key(old, new) if isinstance(old, str) and isinstance(new, str) else None
        return lost and (
            f"aws.kmsKeyArn: the pods could no longer read objects that are encrypted with {lost}; add it to aws.formerKmsKeyArns"
        )

    return iam.RolePolicy(
        f"{aws.place.name}-{purpose}",
        role=role.name,
        policy=pulumi.Output.all(role.arn, bucket_arn, prefix, key_arn, aws.facts.former_kms_key_arns).apply(text),
        opts=aws.place.options(hooks=guard(aws.place, "artifacts-key", unreadable)),
    )


def _issuer(provider_arn: str, url: str | None) -> str:
    if url:
        return issuer(url)
    match = re.fullmatch(OIDC_PROVIDER, provider_arn)
    if match is None:
        raise pulumi.RunError(f"{provider_arn!r} is not the ARN of an OIDC provider: give aws.oidcIssuerUrl as well")
    return match["issuer"]
