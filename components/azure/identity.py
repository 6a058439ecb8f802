"""Workload Identity: what makes the pods somebody on Azure, and what that somebody may do."""

import pulumi
import pulumi_random as random
from pulumi_azure_native import managedidentity

from ..arguments import AzureWorkloadIdentityArgs, Input
from ..arguments.clouds.azure import issuer_url
from ..bare_resource import BareResource
from ..contracts import NetworkDestination, WorkloadIdentity
from ..pods.objects import Scope

BLOB_ROLE = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor: https://learn.microsoft.com/en-us/azure/role-based-access-control/built-in-roles/storage."""
_AUDIENCE = "api://AzureADTokenExchange"


def workload_identity(scope: Scope, args: AzureWorkloadIdentityArgs, container_id: Input[str]) -> WorkloadIdentity:
    """A user-assigned identity that exactly this deployment's ServiceAccount may become."""
    facts = scope.args.azure
    assert facts is not None and facts.aks_oidc_issuer_url is not None, "arguments hold the block of the cloud"
    identity = managedidentity.UserAssignedIdentity(
        f"{scope.name}-identity",
        resource_group_name=facts.resource_group,
        location=facts.location,
        resource_name_=args.name,
        tags=facts.tags or None,
        opts=scope.options(),
    )
    trust = managedidentity.FederatedIdentityCredential(
        f"{scope.name}-identity",
        resource_group_name=facts.resource_group,
        resource_name_=identity.name,
        federated_identity_credential_resource_name=scope.name,
        issuer=pulumi.Output.from_input(facts.aks_oidc_issuer_url).apply(issuer_url),
        subject=f"system:serviceaccount:{scope.args.namespace}:{scope.account_name}",
        audiences=[_AUDIENCE],
        opts=scope.options(),
    )
    return WorkloadIdentity(
        service_account_annotations={"azure.workload.identity/client-id": identity.client_id},
        # The cluster's webhook gives a token to pods with this label, and to no others.
        pod_labels={"azure.workload.identity/use": "true"},
        ready=[trust, _grant(scope, identity.principal_id, container_id)],
        # Microsoft's servers for sign-in, which have no fixed addresses.
        endpoints=[NetworkDestination(host="0.0.0.0", port=443)],  # noqa: S104
    )


def _grant(scope: Scope, principal: Input[str], container_id: Input[str]) -> pulumi.Resource:
    """Let somebody use the blobs of one container."""
    name = random.RandomUuid(
        f"{scope.name}-artifacts",
        # An assignment cannot be changed, and its name can be used again only after its deletion.
        keepers={"principal": principal, "scope": container_id},
        opts=scope.options(),
    )
    return BareResource(
        "azure-native:authorization:RoleAssignment",
        f"{scope.name}-artifacts",
        {
            "roleAssignmentName": name.result,
            "scope": container_id,
            "roleDefinitionId": pulumi.Output.from_input(container_id).apply(_role),
            "principalId": principal,
            # Said, since Azure would otherwise look a principal up that it may not have heard of yet.
            "principalType": "ServicePrincipal",
        },
        opts=scope.options(),
    )


def _role(container_id: str) -> str:
    """Resource id of the role, in the subscription of the container."""
    subscription = "/".join(container_id.split("/")[:3])
    return f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_ROLE}"
