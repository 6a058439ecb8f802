"""Workload Identity on Azure: the identity of the pods, and what it may do."""

from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_azure_native import managedidentity

from ..arguments import AzureWorkloadIdentityArgs, Input
from ..arguments.clouds.azure import issuer_url
from ..contracts import Place, WorkloadIdentity
from ..existing.credentials import AZURE
from . import sdk

BLOB_ROLE = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor: https://learn.microsoft.com/en-us/azure/role-based-access-control/built-in-roles/storage."""
_AUDIENCE = "api://AzureADTokenExchange"


@dataclass(frozen=True)
class Principal:
    """The identity that the pods assume, and its id in role assignments."""

    identity: WorkloadIdentity
    id: pulumi.Output[str]


def workload_identity(place: Place, args: AzureWorkloadIdentityArgs) -> Principal:
    """A user-assigned identity that only this deployment's ServiceAccount may assume."""
    facts = place.args.azure
    assert facts is not None and facts.aks_oidc_issuer_url is not None, "arguments hold the block of the cloud"
    made = managedidentity.UserAssignedIdentity(
        f"{place.name}-identity",
        resource_group_name=facts.resource_group,
        location=facts.location,
        resource_name_=args.name,
        tags=facts.tags or None,
        opts=place.options(),
    )
    trust = managedidentity.FederatedIdentityCredential(
        f"{place.name}-identity",
        resource_group_name=facts.resource_group,
        resource_name_=made.name,
        # Azure requires three characters.
        federated_identity_credential_resource_name=place.name.ljust(3, "0"),
        issuer=pulumi.Output.from_input(facts.aks_oidc_issuer_url).apply(issuer_url),
        subject=f"system:serviceaccount:{place.args.namespace}:{place.account_name}",
        audiences=[_AUDIENCE],
        opts=place.options(),
    )
    identity = WorkloadIdentity(
        service_account_annotations={"azure.workload.identity/client-id": made.client_id},
        # The cluster's webhook only injects a token into pods with this label.
        pod_labels={"azure.workload.identity/use": "true"},
        ready=[trust],
        credentials=AZURE,
    )
    return Principal(identity, made.principal_id)


def grant(place: Place, principal: Input[str], container_id: Input[str], locked: bool, purpose: str) -> pulumi.Resource:
    """Let a principal use the blobs of one container.

    Args:
        place: The deployment.
        principal: Id of the identity.
        container_id: Resource id of the container.
        locked: Whether a management lock keeps the container from being deleted.
        purpose: Name of the grant.
    """
    name = random.RandomUuid(
        f"{place.name}-{purpose}",
        # An assignment cannot be changed, and its name cannot be reused before it is deleted.
        keepers={"principal": principal, "scope": container_id},
        opts=place.options(),
    )
    return sdk.RoleAssignment(
        f"{place.name}-{purpose}",
        role_assignment_name=name.result,
        scope=container_id,
        role_definition_id=pulumi.Output.from_input(container_id).apply(_role),
        principal_id=principal,
        # Without it, Azure looks up the principal, which may not have been replicated yet.
        principal_type="ServicePrincipal",
        # A lock also prevents the deletion of role assignments, so an update that replaces one would fail halfway. What stays is
        # an assignment of a deleted identity: https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/lock-resources.
        opts=place.options(retain_on_delete=locked),
    )


def _role(container_id: str) -> str:
    """Resource id of the role, in the subscription of the container."""
    subscription = "/".join(container_id.split("/")[:3])
    return f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_ROLE}"
