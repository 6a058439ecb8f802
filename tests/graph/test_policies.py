"""What network policies let through, for every kind: asked of traffic, since manifests tell only what was written."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from components import ArtifactsArgs, IdentityArgs
from components.arguments.kinds import choices
from tests.configurations import AWS, AZURE, GCP, PRODUCTION, changed, with_changes
from tests.graph.policies import Pod, allowed
from tests.graph.program import Graph, deploy

OUTSIDE = "198.51.100.9"
"""Somewhere, where no argument says that anything is."""
SERVICE = {(OUTSIDE, 443)}
"""STS of AWS and Alibaba Cloud, sign-in of Azure, tokens of Google: nobody knows their addresses."""
AGENT = {("169.254.170.23", 80), ("fd00:ec2::23", 80)}
METADATA = {("169.254.169.254", 80), ("169.254.169.252", 988)}
NODE = {
    ("169.254.169.254", 80),
    ("fd00:ec2::254", 80),
    ("fd20:ce::254", 80),
    ("100.100.100.200", 80),
    ("168.63.129.16", 80),
}
"""Where nodes get credentials and secrets on AWS, Azure and Google; AWS; Google; Alibaba Cloud; Azure."""
KNOWN = {
    "networkPolicy": {"databaseCidrs": ["10.8.0.0/16"], "artifactsCidrs": ["10.9.0.0/16"]},
    "garbageCollection": {},
}
"""Policies that leave nothing open by chance."""

KEYS = {"accessKeyId": "id", "secretAccessKey": "canary-key"}
ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/mlflow"}
GOOGLE = {"iam.gke.io/gcp-service-account": "mlflow@project-of-tests.iam.gserviceaccount.com"}
ENTRA = {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000001"}
RAM = {"pod-identity.alibabacloud.com/role-name": "mlflow"}
KEY_FILE = '{"type": "service_account", "private_key": "canary-key"}'
OSS = {"bucket": "models", "endpoint": "oss-eu-central-1.aliyuncs.com"}
BLOB = {"account": "models", "container": "mlflow"}


def existing(annotations: Mapping[str, str], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"existing": {"serviceAccountAnnotations": dict(annotations), "podLabels": dict(labels or {})}}


CASES: list[tuple[str, Mapping[str, Any], Mapping[str, Any], Collection[tuple[str, int]]]] = [
    # What it is; where the rest comes from; artifacts and identity; what servers and garbage collection need of a cloud.
    ("keys", PRODUCTION, {"artifacts": {"s3": {"bucket": "models", **KEYS}}}, ()),
    ("keys in a Secret", PRODUCTION, {"artifacts": {"s3": {"bucket": "models", "existingSecret": {"name": "s"}}}}, ()),
    ("no keys", PRODUCTION, {"artifacts": {"s3": {"bucket": "models"}}}, SERVICE | AGENT),
    ("no keys, endpoint", PRODUCTION, {"artifacts.s3": {"bucket": "models", "endpointUrl": "https://b.example.com"}}, SERVICE | AGENT),
    ("role by name", PRODUCTION, {"artifacts.s3": {"bucket": "models"}, "identity": existing(ROLE)}, SERVICE),
    ("role without a store", PRODUCTION, {"artifacts": {"minio": {}}, "identity": existing(ROLE)}, SERVICE),
    ("role of the account", PRODUCTION, {"artifacts.s3": {"bucket": "models"}, "serviceAccount.annotations": ROLE}, SERVICE),
    ("role with keys", PRODUCTION, {"artifacts.s3": {"bucket": "models", **KEYS}, "identity": existing(ROLE)}, SERVICE),
    ("association", PRODUCTION, {"artifacts.s3": {"bucket": "models"}, "identity": existing({})}, SERVICE | AGENT),
    ("irsa", AWS, {}, SERVICE),
    ("pod identity", AWS, {"identity": {"podIdentity": {}}}, AGENT),
    ("aws, existing", AWS, {"identity": existing({})}, SERVICE | AGENT),
    ("pod identity, existing bucket", AWS, {"artifacts": {"s3": {"bucket": "models"}}, "identity": {"podIdentity": {}}}, AGENT),
    ("google, no key", PRODUCTION, {"artifacts": {"gcs": {"bucket": "models"}}}, METADATA),
    ("google, key", PRODUCTION, {"artifacts": {"gcs": {"bucket": "models", "keyFile": KEY_FILE}}}, SERVICE),
    ("google, key in a Secret", PRODUCTION, {"artifacts": {"gcs": {"bucket": "models", "existingSecret": {"name": "s"}}}}, SERVICE),
    ("google, existing", PRODUCTION, {"artifacts": {"gcs": {"bucket": "models"}}, "identity": existing(GOOGLE)}, METADATA),
    ("google, of another", PRODUCTION, {"artifacts": {"gcs": {"bucket": "models"}}, "identity": {"alibabaRam": {"roleName": "r"}}}, METADATA | SERVICE),
    ("google, made", GCP, {}, METADATA),
    ("google, direct", GCP, {"identity": {"gcpDirect": {}}, "gcp.projectNumber": "123456789012"}, METADATA),
    ("azure, no key", PRODUCTION, {"artifacts": {"azureBlob": BLOB}}, SERVICE),
    ("azure, key", PRODUCTION, {"artifacts": {"azureBlob": {**BLOB, "accessKey": "canary-key"}}}, ()),
    ("azure, made", AZURE, {}, SERVICE),
    ("azure, client", PRODUCTION, {"artifacts": {"minio": {}}, "identity": existing(ENTRA)}, SERVICE),
    ("azure, label", PRODUCTION, {"artifacts": {"minio": {}}, "identity": existing({}, {"azure.workload.identity/use": "true"})}, SERVICE),
    ("alibaba, no keys", PRODUCTION, {"artifacts": {"oss": OSS}}, SERVICE),
    ("alibaba, keys", PRODUCTION, {"artifacts": {"oss": {**OSS, "accessKeyId": "id", "accessKeySecret": "canary-key"}}}, ()),
    ("alibaba, role", PRODUCTION, {"artifacts": {"oss": OSS}, "identity": {"alibabaRam": {"roleName": "r"}}}, SERVICE),
    ("alibaba, existing", PRODUCTION, {"artifacts": {"minio": {}}, "identity": existing(RAM)}, SERVICE),
    ("uri of s3", PRODUCTION, {"artifacts": {"uri": {"uri": "s3://models/a"}}}, SERVICE | AGENT),
    ("uri of s3, keys", PRODUCTION, {"artifacts": {"uri": {"uri": "s3://models/a", "env": {"AWS_ACCESS_KEY_ID": "id"}, "secretEnv": {"AWS_SECRET_ACCESS_KEY": "canary-key"}}}}, ()),
    ("uri of google", PRODUCTION, {"artifacts": {"uri": {"uri": "gs://models/a"}}}, METADATA),
    ("uri of google, key", PRODUCTION, {"artifacts": {"uri": {"uri": "gs://models", "secretEnv": {"GOOGLE_APPLICATION_CREDENTIALS": "/k"}}}}, SERVICE),
    ("uri of azure", PRODUCTION, {"artifacts": {"uri": {"uri": "wasbs://mlflow@models.blob.core.windows.net/a"}}}, SERVICE),
    ("uri of another", PRODUCTION, {"artifacts": {"uri": {"uri": "b2://models/a"}}}, ()),
    ("uri in a Secret", PRODUCTION, {"artifacts": {"uri": {"existingSecret": {"name": "s"}}}}, SERVICE | AGENT),
    ("minio", PRODUCTION, {"artifacts": {"minio": {}}}, ()),
    ("volume", PRODUCTION, {"artifacts": {"volume": {"accessMode": "ReadWriteMany"}}}, ()),
    ("nfs", PRODUCTION, {"artifacts": {"nfs": {"server": "10.9.0.1", "path": "/a"}}}, ()),
    ("sftp", PRODUCTION, {"artifacts": {"sftp": {"host": "10.9.0.1", "username": "u", "password": "canary", "knownHosts": "10.9.0.1 ssh-ed25519 AAAA"}}}, ()),
    ("ftp", PRODUCTION, {"artifacts": {"ftp": {"host": "10.9.0.1", "username": "u", "password": "canary"}}, "garbageCollection": None}, ()),
    ("hdfs", PRODUCTION, {"artifacts": {"hdfs": {"host": "10.9.0.1"}}, "image": {"repository": "registry.example.com/mlflow-hadoop"}}, ()),
]  # fmt: skip


def policies(graph: Graph) -> list[Mapping[str, Any]]:
    return [registration.inputs for registration in graph.of("NetworkPolicy")]


def pods(graph: Graph) -> dict[str, Pod]:
    """One pod of each kind."""
    templates = [template["metadata"]["labels"] for _, template in graph.pods()]
    return {labels["app.kubernetes.io/component"]: Pod(labels, "mlflow") for labels in templates}


def reached(graph: Graph, component: str, places: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Which of these places a pod can connect to."""
    made, pod = policies(graph), pods(graph)[component]
    return {(address, port) for address, port in places if allowed(made, pod, address, port)}


@pytest.mark.parametrize(("what", "base", "changes", "needed"), CASES, ids=[case[0] for case in CASES])
def test_credentials_are_fetched_where_they_come_from_and_nowhere_else(
    what: str, base: Mapping[str, Any], changes: Mapping[str, Any], needed: Collection[tuple[str, int]]
) -> None:
    graph = deploy(with_changes({**base, **KNOWN}, changes))
    places = SERVICE | AGENT | METADATA | NODE
    for component in {"server", "garbage-collection"} & set(pods(graph)):
        assert reached(graph, component, places) == set(needed), component
    others = set(pods(graph)) - {"server", "garbage-collection"}
    assert {component: found for component in others if (found := reached(graph, component, places))} == {}


def test_no_kind_of_store_or_identity_is_left_out() -> None:
    for block, choice in (("artifacts", ArtifactsArgs), ("identity", IdentityArgs)):
        configurations = [with_changes(base, changes) for _, base, changes, _ in CASES]
        named = {kind for each in configurations for kind in each.get(block) or {}}
        assert {to_camel(kind) for kind in choices(choice)} <= named


def test_where_credentials_come_from_can_be_narrowed() -> None:
    graph = deploy(with_changes({**AWS, **KNOWN}, {"networkPolicy.identityCidrs": ["10.7.0.0/16"]}))
    places = {("10.7.0.1", 443), ("10.7.0.1", 80), *SERVICE, *AGENT, *METADATA, *NODE}
    assert reached(graph, "server", places) == {("10.7.0.1", 443)} == reached(graph, "garbage-collection", places)


def test_the_credentials_of_the_node_can_be_opened() -> None:
    opened = [{"cidrs": ["169.254.169.254/32"], "ports": [80]}]
    graph = deploy(changed({**AWS, **KNOWN}, "networkPolicy.egress", opened))
    for component in ("server", "garbage-collection"):
        assert reached(graph, component, NODE) == {("169.254.169.254", 80)}
