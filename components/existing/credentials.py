"""Where the client libraries of each cloud fetch credentials: what network policies allow for identities and stores.

The node's credentials are in no list: a pod that can reach them can act as the node.
"""

from collections.abc import Iterable

from ..contracts import Credentials, NetworkDestination

_SERVICE = NetworkDestination(host="0.0.0.0", port=443)  # noqa: S104 - the clouds' services have no fixed addresses

# The web identity token is exchanged at STS: https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
IRSA: Credentials = {"aws": [_SERVICE]}
# One address of either family: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
POD_IDENTITY: Credentials = {
    "aws": [NetworkDestination(host="169.254.170.23", port=80), NetworkDestination(host="fd00:ec2::23", port=80)]
}
AWS: Credentials = {"aws": [*IRSA["aws"], *POD_IDENTITY["aws"]]}
"""Both, if it is unknown which of them applies."""

# GKE's own metadata server, in front of the node's. With Dataplane V2 a network policy sees the first address, without it the
# second one: https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy#network-policy-and-workload-identity
GCP: Credentials = {
    "gcp": [NetworkDestination(host="169.254.169.254", port=80), NetworkDestination(host="169.254.169.252", port=988)]
}
GCP_KEY_FILE: Credentials = {"gcp key file": [_SERVICE]}
"""With a key file, the library fetches a token from `oauth2.googleapis.com`, regardless of the pod's identity."""

# Microsoft's servers for sign-in: https://learn.microsoft.com/en-us/azure/aks/workload-identity-overview
AZURE: Credentials = {"azure": [_SERVICE]}

# STS, as on AWS: https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc
ALIBABA: Credentials = {"alibaba": [_SERVICE]}

_TOLD_BY = {
    "eks.amazonaws.com/role-arn": IRSA,
    "iam.gke.io/gcp-service-account": GCP,
    "azure.workload.identity/client-id": AZURE,
    "azure.workload.identity/use": AZURE,
    "pod-identity.alibabacloud.com/role-name": ALIBABA,
}
"""Annotations of ServiceAccounts and labels of pods that clouds' webhooks look for."""

_NOTHING: Credentials = {}
_OF_STORE = {
    # By the scheme of the store's URI: what it needs, variables that hold its own credentials, and what it needs with these.
    "s3": (AWS, {"AWS_ACCESS_KEY_ID"}, _NOTHING),
    "gs": (GCP, {"GOOGLE_APPLICATION_CREDENTIALS"}, GCP_KEY_FILE),
    "wasbs": (AZURE, {"AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCESS_KEY"}, _NOTHING),
}


def told_by(names: Iterable[str]) -> Credentials:
    """Where pods fetch credentials, by the annotations of the ServiceAccount and the labels of the pods."""
    return {cloud: places for name in names for cloud, places in _TOLD_BY.get(name, _NOTHING).items()}


def of_uri(scheme: str | None, variables: Iterable[str]) -> Credentials:
    """Where a store given by its URI fetches credentials.

    Args:
        scheme: The URI's; None if it is unknown, which allows only endpoints that give pods their own credentials.
        variables: Environment variables that come with it.
    """
    if scheme is None:
        return AWS
    alone, own, with_own = _OF_STORE.get(scheme, (_NOTHING, set[str](), _NOTHING))
    return with_own if own & set(variables) else alone
