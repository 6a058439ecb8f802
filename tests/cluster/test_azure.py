"""The production stack on Azure through the real engine, down to a run that is read back; the provider is a stand-in.

Pods are somebody as on AKS: the cluster's token of their ServiceAccount is exchanged for one of the identity, which alone opens
the container.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import own_values
from tests.support import (
    azure,
    azure_login,
    azure_provider,
    certificates,
    client,
    configurations,
    earlier,
    mariadb,
    postgresql,
)
from tests.support.addresses import leading_to
from tests.support.azure_provider import SUBSCRIPTION, Azure
from tests.support.deployed import Deployed
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.managed import Managed, Mysql, Postgresql
from tests.support.pulumi import Stack, cloud_stack
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

STACK = ROOT / "examples" / "Pulumi.prod-azure.yaml"
"""The profile that users copy."""
POSTGRESQL, MYSQL = "azure-native:dbforpostgresql:Server", "azure-native:dbformysql:Server"
IDENTITY = "mlflow-of-tests"
TOKENS = "/var/run/secrets/azure/tokens"


@dataclass(frozen=True)
class World:
    """Azure on this machine.

    Attributes:
        cloud: What the stand-in has made.
        servers: Real database servers by the type of the managed ones.
        blobs: Azurite, and a container in it.
        addresses: Addresses in the cluster by the names that lead there.
        authority: Authority of their certificates.
        variables: Environment of Pulumi.
    """

    cloud: Azure
    servers: dict[str, Managed]
    blobs: azure.Container
    addresses: dict[str, str]
    authority: str
    variables: dict[str, str]

    def configuration(self, kubectl: Kubectl) -> dict[str, Any]:
        """What lets pods reach this machine instead of Azure, and what the webhook of AKS adds to them."""
        issuer = json.loads(kubectl.text("get", "--raw", "/.well-known/openid-configuration"))["issuer"]
        values = own_values(STACK)
        token = {"audience": azure_login.AUDIENCE, "path": "azure-identity-token"}
        return {
            **values,
            "namespace": unique_name(),
            "azure": {**values["azure"], "aksOidcIssuerUrl": issuer},
            "identity": {"azureWorkloadIdentity": {"name": IDENTITY}},
            "pod": {
                "hostAliases": [{"ip": ip, "hostnames": [name]} for name, ip in self.addresses.items()],
                "volumes": [
                    {"name": "authority", "configMap": {"name": "authority"}},
                    {"name": "identity", "projected": {"sources": [{"serviceAccountToken": token}]}},
                ],
                "mounts": [
                    {"name": "authority", "mountPath": "/etc/authority"},
                    {"name": "identity", "mountPath": TOKENS},
                ],
            },
            "server": {
                **configurations.SERVER,
                "env": {
                    "REQUESTS_CA_BUNDLE": "/etc/authority/ca.pem",
                    "AZURE_AUTHORITY_HOST": f"https://{azure_login.HOST}/",
                    "AZURE_CLIENT_ID": azure_provider.uuid(f"clientId {IDENTITY}"),
                    "AZURE_TENANT_ID": azure_login.TENANT,
                    "AZURE_FEDERATED_TOKEN_FILE": f"{TOKENS}/azure-identity-token",
                },
            },
            "extraObjects": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "authority"},
                    "data": {"ca.pem": self.authority},
                }
            ],
        }


class RealStores:
    """Makes what the stand-in only remembers: databases in real servers, containers in Azurite."""

    def __init__(self, servers: dict[str, Managed], blobs: azure.Container) -> None:
        self.servers, self.blobs = servers, blobs
        self.owners: dict[str, str] = {}

    def __call__(self, token: str, state: dict[str, Any]) -> None:
        if token in self.servers:
            self.owners[state["name"]] = state["administratorLogin"]
            self.servers[token].user(state["administratorLogin"], state["administratorLoginPassword"])
        elif token.endswith(":Database"):
            server = self.servers[token.replace(":Database", ":Server")]
            server.database(state["databaseName"])
            server.allow(self.owners[state["serverName"]], state["databaseName"])
        elif token.endswith(":BlobContainer"):
            self.blobs.client(state["containerName"]).create_container()


@pytest.fixture(scope="module")
def world(session: Session, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Databases, blobs and sign-in, with certificates in the names that pods know them by."""
    host, folder = str(session.host_address), tmp_path_factory.mktemp("azure")
    spaces = {token: unique_name() for token in (POSTGRESQL, MYSQL)}
    names = {token: f"database.{namespace}.svc.cluster.local" for token, namespace in spaces.items()}
    account = f"{azure.ACCOUNT}.blob.core.windows.net"
    made = certificates.make(host, account, azure_login.HOST)
    for file, content in {
        "authority.pem": made.authority,
        "server.crt": made.certificate,
        "server.key": made.key,
    }.items():
        (folder / file).write_text(content)
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(postgresql.serve(host, names[POSTGRESQL]))
        maria = stack.enter_context(mariadb.serve(host, names[MYSQL]))
        servers: dict[str, Managed] = {POSTGRESQL: Postgresql(postgres), MYSQL: Mysql(maria)}
        stack.enter_context(leading_to(kubectl, 5432, postgres.port, spaces[POSTGRESQL]))
        stack.enter_context(leading_to(kubectl, 3306, maria.port, spaces[MYSQL]))
        program = session.emulators["azurite-blob"]
        blobs = stack.enter_context(azure.serve(program, host, folder / "log", folder))
        cloud = Azure(names, RealStores(servers, blobs))
        login = stack.enter_context(azure_login.serve(cloud, kubectl, folder / "server.crt", folder / "server.key"))
        addresses = {
            account: stack.enter_context(leading_to(kubectl, 443, blobs.port)).ip,
            azure_login.HOST: stack.enter_context(leading_to(kubectl, 443, login)).ip,
        }
        variables = stack.enter_context(azure_provider.serve(cloud))
        yield World(cloud, servers, blobs, addresses, made.authority, variables)


@contextlib.contextmanager
def new_stack(session: Session, kubectl: Kubectl, world: World, folder: Path) -> Iterator[Stack]:
    """A stack on it."""
    with cloud_stack(session, "azure-native", folder, kubectl.kubeconfig, variables=world.variables) as stack:
        yield stack


@pytest.fixture(scope="module")
def deployed(
    session: Session, kubectl: Kubectl, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The stack, up."""
    values = world.configuration(kubectl)
    values["database"]["azureFlexibleServer"]["caCertificate"] = world.servers[POSTGRESQL].ca_certificate
    values["artifacts"]["azureContainer"]["accountName"] = azure.ACCOUNT
    with new_stack(session, kubectl, world, tmp_path_factory.mktemp("stack")) as stack:
        try:
            up = stack.configure(values).up().succeeded()
            earlier.record(stack, "azure")
            yield Deployed(stack, values, {}, up)
        finally:
            if any(each["type"] == POSTGRESQL for each in stack.resources()):
                stack.configure({**values, "deletionProtection": False}).up().succeeded()


@pytest.mark.feature("art-azure", "db-azure")
def test_a_client_logs_a_run_and_reads_it_back(
    deployed: Deployed, kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as uri:
        logged = client.log(uri)
        client.read_back(uri, logged)
    names = [str(name) for name in world.blobs.client("mlflow").list_blob_names()]
    assert any(name.endswith("model/weights.bin") for name in names)
    assert world.servers[POSTGRESQL].runs("mlflow") == 1


def test_again_changes_nothing(deployed: Deployed, kubectl: Kubectl) -> None:
    # The autoscaler's second pod is awaited, since a refresh tells of pods that are not ready.
    kubectl.wait("jsonpath={.status.availableReplicas}=2", "deployment", "--all", "--namespace", deployed.namespace)
    deployed.stack.up("--refresh", "--expect-no-changes").succeeded()


def test_the_identity_is_granted_one_container_and_trusts_one_account(deployed: Deployed, world: World) -> None:
    (grant,), (trust,), (identity,) = (
        world.cloud.of("RoleAssignment"),
        world.cloud.of("FederatedIdentityCredential"),
        world.cloud.of("UserAssignedIdentity"),
    )
    assert grant["scope"].endswith(f"/{azure.ACCOUNT}/blobServices/default/containers/mlflow")
    assert grant["roleDefinitionId"] == (
        f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe"
    )
    assert (grant["principalId"], grant["principalType"]) == (identity["principalId"], "ServicePrincipal")
    assert trust["subject"] == f"system:serviceaccount:{deployed.namespace}:mlflow"
    assert trust["audiences"] == ["api://AzureADTokenExchange"]


def test_another_account_of_the_cluster_is_given_no_token(deployed: Deployed, kubectl: Kubectl, world: World) -> None:
    def ask(account: str, audience: str) -> int:
        arguments = ("create", "token", account, "--namespace", deployed.namespace, f"--audience={audience}")
        form = {"client_assertion": kubectl.text(*arguments).strip()}
        form["client_id"] = azure_provider.uuid(f"clientId {IDENTITY}")
        return azure_login.exchange(world.cloud, kubectl, form)[0]

    assert ask("mlflow", azure_login.AUDIENCE) == 200
    assert ask("default", azure_login.AUDIENCE) == 400
    assert ask("mlflow", "https://example.com") == 400


def test_every_pod_is_marked_for_the_identity(deployed: Deployed, kubectl: Kubectl) -> None:
    pods = [*kubectl.pods(deployed.namespace), *kubectl.pods(deployed.namespace, "migration")]
    assert pods
    assert {pod["metadata"]["labels"]["azure.workload.identity/use"] for pod in pods} == {"true"}


def test_a_longer_retention_is_one_update(deployed: Deployed, world: World) -> None:
    server = {**deployed.values["database"]["azureFlexibleServer"], "backupRetentionDays": 21}
    stack = deployed.reconfigure(database={"azureFlexibleServer": server})
    before = len(world.cloud.calls)
    # Not the preview: it does not know that a changed server keeps its name.
    summary = stack.up().succeeded().output.rpartition("Resources:")[2]
    assert "~ 1 updated" in summary and "replaced" not in summary
    assert world.cloud.calls[before:] == [("update", "Server")]
    (made,) = world.cloud.of("Server")
    assert made["backup"]["backupRetentionDays"] == 21


def test_a_change_that_would_replace_the_data_is_refused(deployed: Deployed, world: World) -> None:
    before = list(world.cloud.calls)
    facts = {**deployed.values["azure"], "location": "northeurope"}
    output = deployed.reconfigure(azure=facts).preview().failed().output
    assert "unable to replace resource" in output and "as it is currently marked for protection" in output
    assert world.cloud.calls == before
    deployed.reconfigure()


def test_an_older_engine_is_refused_by_the_preview(deployed: Deployed, world: World) -> None:
    before = list(world.cloud.calls)
    database = {**deployed.values["database"]["azureFlexibleServer"], "version": "16"}
    output = deployed.reconfigure(database={"azureFlexibleServer": database}).preview().failed().output
    assert "database.azureFlexibleServer.version: '16' is older than '17'" in output
    assert world.cloud.calls == before
    deployed.reconfigure()


@pytest.mark.parametrize("path", earlier.states("azure"), ids=lambda path: path.stem)
def test_an_update_from_an_earlier_version_keeps_the_data(
    session: Session, unreachable: Path, world: World, tmp_path: Path, path: Path
) -> None:
    with (
        # Of what the state holds in Kubernetes, nothing exists in the cluster of the tests.
        cloud_stack(session, "azure-native", tmp_path, unreachable, variables=world.variables) as stack,
        earlier.imported(stack, path, {}) as stack,
    ):
        assert earlier.harm(stack) == []


def test_a_wrong_input_is_refused_by_the_sdks_types() -> None:
    """The judge of every input that the other tests send."""
    inputs = {"resourceGroupName": "g", "version": "9", "sku": {"name": "Standard_D2ds_v5"}, "colour": "red"}
    assert azure_provider.misfits(MYSQL, inputs) == [
        ".version: '9' is none of ['5.7', '8.0.21']",
        ".sku.tier: is required",
        ".colour: is unknown",
    ]


def test_destroy_is_refused_until_the_protection_is_lifted(deployed: Deployed, world: World) -> None:
    """The last of this stack: nothing is left of it."""
    cloud = world.cloud
    output = deployed.stack.destroy().failed().output
    assert "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`" in output
    kept = ("Server", "Database", "StorageAccount", "BlobContainer")
    assert [len(cloud.of(kind)) for kind in kept] == [1, 1, 1, 1]
    deployed.stack.up().succeeded()
    assert len(cloud.of("ManagementLockByScope")) == 2
    deployed.stack.configure({**deployed.values, "deletionProtection": False}).up().succeeded()
    assert cloud.of("ManagementLockByScope") == []
    deployed.stack.destroy().succeeded()
    assert cloud.made == {}
    assert deployed.stack.left() == []


@pytest.mark.feature("art-azure", "db-azure")
def test_mysql_and_a_container_that_exists(
    session: Session, kubectl: Kubectl, world: World, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The database by a private endpoint, the container with the account's key."""
    values = world.configuration(kubectl)
    endpoint = values["azure"]["privateEndpoint"]
    zone = endpoint.pop("blobDnsZoneId")
    facts = {key: values["azure"][key] for key in ("resourceGroup", "location", "privateEndpoint")}
    facts["privateEndpoint"] = {**endpoint, "databaseDnsZoneId": zone}
    for key in ("identity", "autoscaling"):
        del values[key]
    authority = world.servers[MYSQL].ca_certificate
    values |= {
        "azure": facts,
        "database": {"azureFlexibleServer": {"engine": "mysql", "caCertificate": authority}},
        "artifacts": {"azureBlob": {"account": azure.ACCOUNT, "container": world.blobs.name, "prefix": "team/a"}},
        "deletionProtection": False,
    }
    secrets = {"artifacts.azureBlob.accessKey": world.blobs.key}
    with new_stack(session, kubectl, world, tmp_path_factory.mktemp("stack")) as stack:
        stack.configure(values, secrets).up().succeeded()
        stack.preview("--expect-no-changes").succeeded()
        with kubectl.forward(values["namespace"], "mlflow", tmp_path) as uri:
            logged = client.log(uri)
            client.read_back(uri, logged)
        (name,) = [
            name for name in world.blobs.objects() if name.endswith(f"{logged.run_id}/artifacts/model/weights.bin")
        ]
        assert name.startswith("team/a/") and world.blobs.read(name) == logged.artifact
        assert world.servers[MYSQL].runs("mlflow") == 1
    assert world.cloud.made == {}
