"""What network policies let through, for every kind: asked of traffic, since manifests tell only what was written."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from components import ArtifactsArgs, AuthArgs, DatabaseArgs, IdentityArgs
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

MODELS = {"bucket": "models", "region": "eu-central-1"}
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
    ("keys", PRODUCTION, {"artifacts": {"s3": {**MODELS, **KEYS}}}, ()),
    ("keys in a Secret", PRODUCTION, {"artifacts": {"s3": {**MODELS, "existingSecret": {"name": "s"}}}}, ()),
    ("no keys", PRODUCTION, {"artifacts": {"s3": MODELS}}, SERVICE | AGENT),
    ("no keys, endpoint", PRODUCTION, {"artifacts.s3": {"bucket": "models", "endpointUrl": "https://b.example.com"}}, SERVICE | AGENT),
    ("role by name", PRODUCTION, {"artifacts.s3": MODELS, "identity": existing(ROLE)}, SERVICE),
    ("role without a store", PRODUCTION, {"artifacts": {"minio": {}}, "identity": existing(ROLE)}, SERVICE),
    ("role of the account", PRODUCTION, {"artifacts.s3": MODELS, "serviceAccount.annotations": ROLE}, SERVICE),
    ("role with keys", PRODUCTION, {"artifacts.s3": {**MODELS, **KEYS}, "identity": existing(ROLE)}, SERVICE),
    ("association", PRODUCTION, {"artifacts.s3": MODELS, "identity": existing({})}, SERVICE | AGENT),
    ("irsa", AWS, {}, SERVICE),
    ("pod identity", AWS, {"identity": {"podIdentity": {}}}, AGENT),
    ("aws, existing", AWS, {"identity": existing({})}, SERVICE | AGENT),
    ("pod identity, existing bucket", AWS, {"artifacts": {"s3": MODELS}, "identity": {"podIdentity": {}}}, AGENT),
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
    ("uri of any characters", PRODUCTION, {"artifacts": {"uri": {"uri": "s3://[models"}}}, SERVICE | AGENT),
    ("uri in a Secret", PRODUCTION, {"artifacts": {"uri": {"existingSecret": {"name": "s"}}}}, SERVICE | AGENT),
    ("minio", PRODUCTION, {"artifacts": {"minio": {}}}, ()),
    ("volume", PRODUCTION, {"artifacts": {"volume": {"accessMode": "ReadWriteMany"}}}, ()),
    ("nfs", PRODUCTION, {"artifacts": {"nfs": {"server": "10.9.0.1", "path": "/a"}}}, ()),
    ("sftp", PRODUCTION, {"artifacts": {"sftp": {"host": "10.9.0.1", "username": "u", "password": "canary", "knownHosts": "10.9.0.1 ssh-ed25519 AAAA"}}}, ()),
    ("ftp", PRODUCTION, {"artifacts": {"ftp": {"host": "10.9.0.1", "username": "u", "password": "canary"}}, "garbageCollection": None}, ()),
    ("hdfs", PRODUCTION, {"artifacts": {"hdfs": {"host": "10.9.0.1"}}, "image": {"repository": "registry.example.com/mlflow-hadoop"}}, ()),
]  # fmt: skip


DNS = OUTSIDE
"""Where a DNS name may lead, with addresses of either family."""
POSTGRESQL = {"postgresql": {"host": "db.example.com", "port": 6432, "password": "canary"}}
SERVER, MIGRATION, COLLECTOR, CREATION = "server", "migration", "garbage-collection", "database-creation"
ALL = (SERVER, MIGRATION, COLLECTOR)
STORES = (SERVER, COLLECTOR)
LOGIN = {"issuerUrl": "https://login.example.com", "redirectUrl": "https://mlflow.example.com/oauth2/callback", "clientId": "mlflow", "clientSecret": "canary", "emailDomains": ["*"]}  # fmt: skip
GITHUB = {**{key: value for key, value in LOGIN.items() if key != "issuerUrl"}, "provider": "github"}
ENDPOINTS = {"loginUrl": "https://[fd00:3::1]/authorize", "redeemUrl": "https://[fd00:3::9]:8443/token"}
DIRECTORY = {"uri": "ldaps://ldap.example.com", "userDn": "uid=%s,ou=people,dc=example,dc=com", "userGroup": "cn=u,dc=example,dc=com", "adminGroup": "cn=a,dc=example,dc=com"}  # fmt: skip

USED: list[tuple[str, Mapping[str, Any], Mapping[str, Any], Collection[str], tuple[str, int]]] = [
    # What it is; where the rest comes from; the changes; who uses it; its address.
    ("postgresql", PRODUCTION, {"database": POSTGRESQL}, ALL, (DNS, 6432)),
    ("postgresql by IPv4", PRODUCTION, {"database.postgresql.host": "10.3.0.5"}, ALL, ("10.3.0.5", 5432)),
    ("postgresql by IPv6", PRODUCTION, {"database.postgresql.host": "fd00:3::5"}, ALL, ("fd00:3::5", 5432)),
    ("postgresql, made", PRODUCTION, {"database": {"postgresql": {"host": "db.example.com", "port": 6432, "create": {"existingSecret": {"name": "admin"}}}}}, (*ALL, CREATION), (DNS, 6432)),
    ("mysql", PRODUCTION, {"database": {"mysql": {"host": "db.example.com", "password": "canary"}}}, ALL, (DNS, 3306)),
    ("SQL Server", PRODUCTION, {"database": {"sqlServer": {"host": "db.example.com", "password": "canary"}}}, ALL, (DNS, 1433)),
    ("mssql", PRODUCTION, {"database": {"mssql": {"value": "mssql+pymssql://u:canary@db.example.com/m"}}}, ALL, (DNS, 1433)),
    ("uri", PRODUCTION, {"database": {"uri": {"value": "mysql+pymysql://u:canary@db.example.com:3307/m"}}}, ALL, (DNS, 3307)),
    ("uri by IPv6", PRODUCTION, {"database": {"uri": {"value": "postgresql+psycopg2://u:canary@[fd00:3::5]:6432/m"}}}, ALL, ("fd00:3::5", 6432)),
    ("uri in a Secret", PRODUCTION, {"database": {"uri": {"existingSecret": {"name": "s"}, "port": 6432}}}, ALL, (DNS, 6432)),
    ("registry", PRODUCTION, {"database.registry": {"value": "mysql+pymysql://u:canary@registry.example.com/m"}}, ALL, (DNS, 3306)),
    ("users", PRODUCTION, {"auth": {"basic": {}, "database": POSTGRESQL}}, (SERVER, MIGRATION), (DNS, 6432)),
    ("users by URI in a Secret", PRODUCTION, {"auth": {"basic": {}, "database": {"uri": {"existingSecret": {"name": "s"}, "port": 6432}}}}, (SERVER, MIGRATION), (DNS, 6432)),
    ("workspaces", PRODUCTION, {"server.workspaces": {"storeUri": "postgresql+psycopg2://u:canary@[fd00:3::6]:6433/w"}}, STORES, ("fd00:3::6", 6433)),
    ("workspaces of a plugin", PRODUCTION, {"server.workspaces": {"storeUri": "plugin://[fd00:3::6]:7000/w"}}, STORES, ("fd00:3::6", 7000)),
    ("read replica", PRODUCTION, {"server.secretEnv": {"MLFLOW_READ_REPLICA_BACKEND_STORE_URI": "postgresql+psycopg2://u:canary@[fd00:3::6]:5433/m"}}, STORES, ("fd00:3::6", 5433)),
    ("rds", AWS, {}, ALL, (DNS, 5432)),
    ("rds mysql", AWS, {"database.rds.engine": "mysql"}, ALL, (DNS, 3306)),
    ("aurora", AWS, {"database": {"aurora": {"engine": "postgresql", "serverlessV2": {}}}}, ALL, (DNS, 5432)),
    ("cloud sql", GCP, {}, ALL, ("10.9.0.3", 5432)),
    ("flexible server", AZURE, {}, ALL, (DNS, 5432)),
    ("s3", PRODUCTION, {"artifacts": {"s3": MODELS}}, STORES, (DNS, 443)),
    ("s3 endpoint", PRODUCTION, {}, STORES, (DNS, 9000)),
    ("s3 endpoint by HTTP", PRODUCTION, {"artifacts.s3.endpointUrl": "http://[fd00:3::9]"}, STORES, ("fd00:3::9", 80)),
    ("aws bucket", AWS, {}, STORES, (DNS, 443)),
    ("gcs", GCP, {"artifacts": {"gcs": {"bucket": "models"}}}, STORES, (DNS, 443)),
    ("gcp bucket", GCP, {}, STORES, (DNS, 443)),
    ("azure blob", PRODUCTION, {"artifacts": {"azureBlob": BLOB}}, STORES, (DNS, 443)),
    ("azure container", AZURE, {}, STORES, (DNS, 443)),
    ("oss", PRODUCTION, {"artifacts": {"oss": OSS}}, STORES, (DNS, 443)),
    ("uri of a store", PRODUCTION, {"artifacts": {"uri": {"uri": "b2://models"}}}, STORES, (DNS, 443)),
    ("ftp", PRODUCTION, {"artifacts": {"ftp": {"host": "files.example.com", "username": "u", "password": "canary"}}}, (SERVER,), (DNS, 21)),
    ("sftp", PRODUCTION, {"artifacts": {"sftp": {"host": "fd00:3::7", "username": "u", "password": "canary", "knownHosts": "fd00:3::7 ssh-ed25519 AAAA"}}}, STORES, ("fd00:3::7", 22)),
    ("hdfs", PRODUCTION, {"artifacts": {"hdfs": {"host": "names.example.com"}}, "image": {"repository": "registry.example.com/mlflow-hadoop"}}, STORES, (DNS, 8020)),
    ("oidc", PRODUCTION, {"auth": {"oidc": LOGIN}}, (SERVER,), (DNS, 443)),
    ("oidc on another port", PRODUCTION, {"auth": {"oidc": {**LOGIN, "issuerUrl": "https://[fd00:3::8]:8443/realms/a"}}}, (SERVER,), ("fd00:3::8", 8443)),
    ("oidc without discovery", PRODUCTION, {"auth": {"oidc": {**LOGIN, "endpoints": {**ENDPOINTS, "jwksUrl": "https://[fd00:3::9]:9443/keys"}}}}, (SERVER,), ("fd00:3::9", 9443)),
    ("oauth at github.com", PRODUCTION, {"auth": {"oidc": {**GITHUB}}}, (SERVER,), (DNS, 443)),
    ("oauth elsewhere", PRODUCTION, {"auth": {"oidc": {**GITHUB, "endpoints": {**ENDPOINTS, "validateUrl": "https://[fd00:3::9]:8443/api/v3"}}}}, (SERVER,), ("fd00:3::9", 8443)),
    ("sessions", PRODUCTION, {"auth": {"oidc": {**LOGIN, "redis": {"url": "rediss://u:canary@redis.example.com:6380/0"}}}}, (SERVER,), (DNS, 6380)),
    ("sessions by IPv6", PRODUCTION, {"auth": {"oidc": {**LOGIN, "redis": {"url": "redis://[fd00:3::7]"}}}}, (SERVER,), ("fd00:3::7", 6379)),
    ("sessions, URL in a Secret", PRODUCTION, {"auth": {"oidc": {**LOGIN, "redis": {"existingSecret": {"name": "s"}, "port": 6390}}}}, (SERVER,), (DNS, 6390)),
    ("ldap", PRODUCTION, {"auth": {"ldap": DIRECTORY}}, (SERVER,), (DNS, 636)),
    ("ldap with StartTLS", PRODUCTION, {"auth": {"ldap": {**DIRECTORY, "uri": "ldap://ldap.example.com"}}}, (SERVER,), (DNS, 389)),
    ("ldap by IPv6", PRODUCTION, {"auth": {"ldap": {**DIRECTORY, "uri": "ldap://[fd00:3::6]:1389"}}}, (SERVER,), ("fd00:3::6", 1389)),
]  # fmt: skip
"""Everything outside the cluster that a deployment names."""
INSIDE: list[tuple[str, Mapping[str, Any], Collection[str], tuple[str, int]]] = [
    ("postgresql", {"database": {"inClusterPostgresql": {}}}, ALL, ("database", 5432)),
    ("mariadb", {"database": {"inClusterMysql": {}}}, ALL, ("database", 3306)),
    ("minio", {"artifacts": {"minio": {}}}, (SERVER, COLLECTOR, "minio-bucket"), ("minio", 9000)),
]


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


def test_further_destinations_are_open_by_protocol_range_and_network_but_for_the_exceptions() -> None:
    rules = [
        {"cidrs": ["10.7.0.0/16", "fd00:7::/32"], "exceptCidrs": ["10.7.7.0/24", "fd00:7:7::/48"], "ports": [3000]},
        {"cidrs": ["10.6.0.0/16"], "portRanges": [{"port": 3000, "endPort": 3009}], "ports": [3100], "protocol": "UDP"},
        {"cidrs": ["10.6.0.0/16"], "ports": [3868], "protocol": "SCTP"},
        {"exceptCidrs": ["10.0.0.0/8"], "ports": [5000]},
        {"cidrs": ["0.0.0.0/0", "::/0"], "ports": [80]},
        {"pods": [{"podLabels": {"app": "mail"}}], "ports": [25]},
    ]
    graph = deploy(changed({**PRODUCTION, **KNOWN}, "networkPolicy.egress", rules))
    made, found = policies(graph), pods(graph)
    for component in ("server", "garbage-collection"):
        pod = found[component]
        for address in ("10.7.0.1", "fd00:7::1"):
            assert allowed(made, pod, address, 3000) and not allowed(made, pod, address, 3000, "UDP")
        assert not allowed(made, pod, "10.7.7.1", 3000) and not allowed(made, pod, "fd00:7:7::1", 3000)
        assert [port for port in range(2990, 3110) if allowed(made, pod, "10.6.0.1", port, "UDP")] == [
            *range(3000, 3010),
            3100,
        ]
        assert not allowed(made, pod, "10.6.0.1", 3005) and allowed(made, pod, "10.6.0.1", 3868, "SCTP")
        assert allowed(made, pod, OUTSIDE, 5000) and not allowed(made, pod, "10.1.1.1", 5000)
        assert not allowed(made, pod, Pod({"app": "x"}, "other"), 5000)
        assert allowed(made, pod, OUTSIDE, 80) and allowed(made, pod, "2001:db8::1", 80)
        assert reached(graph, component, NODE) == set()
        assert allowed(made, pod, Pod({"app": "mail"}, "mlflow"), 25)
    assert not allowed(made, found["migration"], "10.7.0.1", 3000)


@pytest.mark.parametrize(("what", "base", "changes", "users", "place"), USED, ids=[case[0] for case in USED])
def test_whoever_uses_something_outside_the_cluster_reaches_it_and_nobody_else(
    what: str,
    base: Mapping[str, Any],
    changes: Mapping[str, Any],
    users: Collection[str],
    place: tuple[str, int],
) -> None:
    configuration = with_changes({**base, "networkPolicy": {}}, changes)
    if COLLECTOR in users:
        configuration["garbageCollection"] = {}
    graph = deploy(configuration)
    places = {place, ("2001:db8::9", place[1])} if place[0] == DNS else {place}
    assert {component for component in pods(graph) if reached(graph, component, places) == places} >= set(users)
    if place[1] != 443:  # where much else is as well
        # The preflight, which connects to nothing, is a job like those that do.
        jobs = {"preflight"} if {"migration", "database-creation"} & set(users) else set()
        assert {component for component in pods(graph) if reached(graph, component, places)} == {*users, *jobs}


@pytest.mark.parametrize(("what", "changes", "users", "place"), INSIDE, ids=[case[0] for case in INSIDE])
def test_whoever_uses_something_inside_the_cluster_reaches_it_and_nobody_else(
    what: str, changes: Mapping[str, Any], users: Collection[str], place: tuple[str, int]
) -> None:
    graph = deploy(with_changes({**PRODUCTION, "networkPolicy": {}, "garbageCollection": {}}, changes))
    made, found = policies(graph), pods(graph)
    inside, port = place
    callers = {name for name, pod in found.items() if name != inside and allowed(made, pod, found[inside], port)}
    # Whatever job there is may reach what is part of the deployment.
    assert set(users) <= callers
    strangers = [Pod({"app": "x"}, "mlflow"), Pod({"app": "x"}, "other"), Pod(found["server"].labels, "other"), OUTSIDE]
    assert not [each for each in strangers if allowed(made, each, found[inside], port)]
    assert not allowed(made, found["server"], found[inside], 22) and not allowed(made, found[inside], OUTSIDE, 443)


def test_no_kind_of_database_or_login_is_left_out() -> None:
    inside = [with_changes(PRODUCTION, changes) for _, changes, _, _ in INSIDE]
    configurations = [*(with_changes(base, changes) for _, base, changes, *_ in USED), *inside]
    local = {"database": {"sqlite", "none"}, "artifacts": {"volume", "nfs"}, "auth": {"basic", "app"}}
    for block, choice in (("database", DatabaseArgs), ("artifacts", ArtifactsArgs), ("auth", AuthArgs)):
        named = {kind for each in configurations for kind in each.get(block) or {}}
        assert {to_camel(kind) for kind in choices(choice)} <= named | local[block]


def test_prometheus_scrapes_every_pod_where_requests_enter_it() -> None:
    monitoring = {"prometheus": True, "serviceMonitor": {}}
    for changes, entrance in (({}, 5000), ({"auth": {"oidc": LOGIN}}, 8080), ({"server.port": 8080, "auth": {"ldap": DIRECTORY}}, 8081)):  # fmt: skip
        configuration = {**PRODUCTION, "monitoring": monitoring, "networkPolicy": {"allowNamespaces": ["monitoring"]}}
        graph = deploy(with_changes(configuration, changes))
        made, server = policies(graph), pods(graph)["server"]
        assert allowed(made, Pod({}, "monitoring"), server, entrance)
        assert not allowed(made, Pod({}, "other"), server, entrance) and not allowed(
            made, Pod({}, "monitoring"), server, 22
        )
