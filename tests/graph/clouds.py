"""What Google Cloud and Azure add to the resources that are made there."""

from collections.abc import Mapping
from typing import Any

from tests.configurations import CERTIFICATE

ISSUER = "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/"
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"


def computed(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs of a resource that are not among its inputs.

    Args:
        kind: Pulumi's type of the resource.
        name: Name of the resource.
        inputs: Its inputs.
    """
    package, module, what = kind.split(":")
    if package == "azure-native":
        return _azure(module, what, name, inputs)
    called = inputs.get("name") or f"{name}-1a2b3c4"
    made: dict[str, dict[str, Any]] = {
        "Cluster": {"endpoint": "10.9.0.4", "masterAuth": {"clusterCaCertificate": "Q0E="}},
        "Account": {"email": f"{inputs.get('accountId')}@project-of-tests.iam.gserviceaccount.com"},
        "Address": {"address": "10.9.0.2", "selfLink": f"https://www.googleapis.com/compute/v1/{name}"},
        "DatabaseInstance": {
            "privateIpAddress": "10.9.0.3",
            "pscServiceAttachmentLink": "projects/p/regions/r/serviceAttachments/a",
            "serverCaCerts": [{"cert": CERTIFICATE.replace("MIIB", serial)} for serial in ("MIIOLD", "MIINEW")],
        },
    }
    return {"name": called, **made.get(what, {})}


_NAMES = {
    "BlobContainer": "containerName",
    "Configuration": "configurationName",
    "Database": "databaseName",
    "PrivateEndpoint": "privateEndpointName",
    "Server": "serverName",
    "StorageAccount": "accountName",
    "UserAssignedIdentity": "resourceName",
}


def _azure(module: str, what: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    called = inputs.get(_NAMES.get(what, "")) or f"{name}1a2b3c4d"
    made: dict[str, Any] = {"name": called}
    if what == "Server":
        made["fullyQualifiedDomainName"] = f"{called}.{module.removeprefix('dbfor')}.database.azure.com"
    if what == "ManagedCluster":
        made["oidcIssuerProfile"] = {"enabled": True, "issuerURL": ISSUER}
    if what == "UserAssignedIdentity":
        made |= {"clientId": f"client-of-{called}", "principalId": f"principal-of-{called}"}
    return made


def identifier(kind: str, name: str) -> str:
    """What the cloud calls a resource. Azure's tell the subscription, a network of Google's its project."""
    what = kind.rpartition(":")[2]
    if kind.startswith("gcp:") and what == "Network":
        return f"projects/project-of-tests/global/networks/{name}"
    if not kind.startswith("azure-native:"):
        return f"{name}-id"
    path = {
        "Subnet": "resourceGroups/group/providers/Microsoft.Network/virtualNetworks/network/subnets",
        "PrivateZone": "resourceGroups/group/providers/Microsoft.Network/privateDnsZones",
    }
    return f"{SUBSCRIPTION}/{path.get(what, what)}/{name}"
