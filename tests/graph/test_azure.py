"""Azure: what is asked of it, property by property, and who is allowed what."""

import re
from typing import Any

import pytest

from components.azure import database
from tests.configurations import AZURE, CERTIFICATE, changed, with_changes
from tests.graph.clouds import SUBSCRIPTION
from tests.graph.program import Graph, Secret, deploy, make, run
from tests.graph.scenarios import SCENARIOS
from tests.graph.test_gcp import environment

SERVER = "dbforpostgresql:Server"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return deploy(AZURE)


@pytest.fixture(scope="module")
def endpoints() -> Graph:
    return deploy(SCENARIOS["azure-private-endpoints"])


def test_server_is_injected_available_and_backed_up(graph: Graph) -> None:
    server = graph.one(SERVER)
    assert server.protect
    inputs = dict(server.inputs)
    assert isinstance(inputs.pop("administratorLoginPassword"), Secret)
    # The SDK writes out what Azure chooses for itself.
    assert inputs.pop("availabilityZone") == ""
    assert inputs == {
        "resourceGroupName": "mlflow",
        "location": "westeurope",
        "version": "17",
        "createMode": "Default",
        "administratorLogin": "mlflow",
        "authConfig": {"passwordAuth": "Enabled", "activeDirectoryAuth": "Disabled", "tenantId": ""},
        "sku": {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"},
        "storage": {"storageSizeGB": 64, "autoGrow": "Enabled"},
        "backup": {"backupRetentionDays": 14, "geoRedundantBackup": "Disabled"},
        "highAvailability": {"mode": "ZoneRedundant", "standbyAvailabilityZone": ""},
        "network": {
            "delegatedSubnetResourceId": AZURE["azure"]["delegatedSubnetId"],
            "privateDnsZoneArmResourceId": AZURE["azure"]["privateDnsZoneId"],
        },
        "maintenanceWindow": {"customWindow": "Enabled", "dayOfWeek": 0, "startHour": 3, "startMinute": 0},
        "tags": {"team": "a"},
    }


@pytest.mark.parametrize(
    ("engine", "product", "time"),
    [("postgresql", "PostgreSQL", "pointInTimeUTC"), ("mysql", "MySQL", "restorePointInTime")],
)
def test_a_restored_server_has_its_database_and_password_already(engine: str, product: str, time: str) -> None:
    source = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.DBfor{product}/flexibleServers/prod"
    restore = {"source": source, "pointInTime": "2026-03-14T09:26:53Z"}
    server = {"engine": engine, "password": "password-of-the-source", "restore": restore}
    zone = AZURE["azure"]["privateDnsZoneId"].replace("postgres", "mysql" if engine == "mysql" else "postgres")
    base = with_changes(AZURE, {"azure.privateDnsZoneId": zone, "database.azureFlexibleServer": server})
    graph = deploy(base)
    made = graph.one(f"dbfor{engine}:Server")
    assert made.inputs["createMode"] == "PointInTimeRestore"
    assert (made.inputs["sourceServerResourceId"], made.inputs[time]) == (source, "2026-03-14T09:26:53Z")
    assert made.inputs["tags"] == {"team": "a", "restored-from": f"{source} 2026-03-14T09:26:53Z"}
    assert {"sourceServerResourceId", time} <= set(made.ignored)
    assert graph.of(f"dbfor{engine}:Database") == [], "it is looked up"
    later = deploy(changed(base, "database.azureFlexibleServer.restore.completed", True)).one(f"dbfor{engine}:Server")
    assert later.inputs["createMode"] == "Default" and later.inputs["tags"] == made.inputs["tags"]


def test_parameters_are_set_one_after_the_other(graph: Graph) -> None:
    parameters = graph.of("dbforpostgresql:Configuration")
    assert {(r.inputs["configurationName"], r.inputs["value"]) for r in parameters} >= {
        ("require_secure_transport", "on"),
        ("ssl_min_protocol_version", "TLSv1.2"),
    }
    urns = {r.urn for r in parameters}
    assert sorted(len(r.depends_on & urns) for r in parameters) == [0, *[1] * (len(parameters) - 1)]
    last = {urn for r in parameters for urn in r.depends_on} & urns
    assert len(last) == len(parameters) - 1, "a chain, in which each waits for another one"
    assert graph.one("dbforpostgresql:Database").depends_on & (urns - last)


def test_locks_hold_server_and_account_and_come_last(graph: Graph, endpoints: Graph) -> None:
    locks = {r.name: r for r in graph.of("authorization:ManagementLockByScope")}
    assert {name: (r.inputs["level"], r.inputs["scope"]) for name, r in locks.items()} == {
        "mlflow-database": ("CanNotDelete", f"{SUBSCRIPTION}/Server/mlflow-database"),
        "mlflow-artifacts": ("CanNotDelete", f"{SUBSCRIPTION}/StorageAccount/mlflow-artifacts"),
    }
    assert graph.one("dbforpostgresql:Database").urn in locks["mlflow-database"].depends_on
    assert endpoints.of("authorization:ManagementLockByScope") == []


def test_account_knows_no_keys_and_no_public_access(graph: Graph) -> None:
    account = graph.one("storage:StorageAccount")
    assert account.protect
    inputs = dict(account.inputs)
    assert re.fullmatch(r"mlflow[\w-]+", inputs.pop("accountName"))
    assert inputs == {
        "resourceGroupName": "mlflow",
        "location": "westeurope",
        "kind": "StorageV2",
        "sku": {"name": "Standard_ZRS"},
        "accessTier": "Hot",
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": False,
        "allowCrossTenantReplication": False,
        "defaultToOAuthAuthentication": True,
        "enableHttpsTrafficOnly": True,
        "isLocalUserEnabled": False,
        "minimumTlsVersion": "TLS1_2",
        "publicNetworkAccess": "Disabled",
        "networkRuleSet": {"bypass": "None", "defaultAction": "Deny", "virtualNetworkRules": []},
        "encryption": {
            "keySource": "Microsoft.Storage",
            "requireInfrastructureEncryption": True,
            "services": {"blob": {"enabled": True}},
        },
        "tags": {"team": "a"},
    }


def test_container_is_private_versioned_and_can_be_set_back(graph: Graph) -> None:
    properties = graph.one("storage:BlobServiceProperties").inputs
    assert properties["isVersioningEnabled"] is True
    assert properties["deleteRetentionPolicy"] == {"enabled": True, "days": 30}
    assert properties["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 30}
    assert properties["restorePolicy"] == {"enabled": True, "days": 29}
    container = graph.one("storage:BlobContainer")
    assert container.protect
    assert container.inputs["publicAccess"] == "None"
    assert container.inputs["containerName"] == "mlflow"
    (rule,) = graph.one("storage:ManagementPolicy").inputs["policy"]["rules"]
    assert rule["definition"]["actions"] == {"version": {"delete": {"daysAfterCreationGreaterThan": 35}}}


def test_without_private_endpoint_only_the_given_subnets_reach_the_account() -> None:
    subnet = AZURE["azure"]["privateEndpoint"]["subnetId"]
    configuration = with_changes(
        AZURE, {"azure.privateEndpoint": None, "artifacts.azureContainer.allowedSubnetIds": [subnet]}
    )
    account = deploy(configuration).one("storage:StorageAccount").inputs
    assert account["publicNetworkAccess"] == "Enabled"
    assert account["networkRuleSet"] == {
        "bypass": "None",
        "defaultAction": "Deny",
        "virtualNetworkRules": [{"virtualNetworkResourceId": subnet, "action": "Allow"}],
    }
    opened = with_changes(AZURE, {"azure.privateEndpoint": None, "artifacts.azureContainer.publicNetwork": True})
    assert deploy(opened).one("storage:StorageAccount").inputs["networkRuleSet"]["defaultAction"] == "Allow"


def test_only_this_service_account_becomes_the_identity_and_only_of_this_container_may_it_use_blobs(
    graph: Graph,
) -> None:
    trust = graph.one("managedidentity:FederatedIdentityCredential").inputs
    assert trust == {
        "resourceGroupName": "mlflow",
        "resourceName": "mlflow-identity1a2b3c4d",
        "federatedIdentityCredentialResourceName": "mlflow",
        "issuer": "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/",
        "subject": "system:serviceaccount:mlflow:mlflow",
        "audiences": ["api://AzureADTokenExchange"],
    }
    (grant,) = graph.of("authorization:RoleAssignment")
    inputs = dict(grant.inputs)
    assert inputs.pop("roleAssignmentName").startswith("generated-mlflow-artifacts")
    assert inputs == {
        "scope": f"{SUBSCRIPTION}/BlobContainer/mlflow-artifacts",
        "roleDefinitionId": f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "principalId": "principal-of-mlflow-identity1a2b3c4d",
        "principalType": "ServicePrincipal",
    }


def test_every_pod_is_marked_for_the_identity(graph: Graph) -> None:
    pods = list(graph.pods())
    assert len(pods) == 3
    for _, pod in pods:
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    annotations = graph.one("core/v1:ServiceAccount").metadata["annotations"]
    assert annotations == {"azure.workload.identity/client-id": "client-of-mlflow-identity1a2b3c4d"}


@pytest.mark.parametrize(
    ("given", "issuer"),
    [
        ("westeurope.oic.prod-aks.azure.com/t/c", "https://westeurope.oic.prod-aks.azure.com/t/c/"),
        ("https://westeurope.oic.prod-aks.azure.com/t/c/", "https://westeurope.oic.prod-aks.azure.com/t/c/"),
        ("https://issuer.example.com/cluster", "https://issuer.example.com/cluster"),
    ],
)
def test_issuer_is_spelled_as_its_tokens_do(given: str, issuer: str) -> None:
    graph = deploy(changed(AZURE, "azure.aksOidcIssuerUrl", given))
    assert graph.one("managedidentity:FederatedIdentityCredential").inputs["issuer"] == issuer


def test_existing_container_is_granted_and_not_touched() -> None:
    container = f"{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models/blobServices"
    container += "/default/containers/mlflow"
    changes = {
        "artifacts": {"azureBlob": {"account": "models", "container": "mlflow"}},
        "identity.azureWorkloadIdentity.containerId": container,
    }
    graph = deploy(with_changes(AZURE, changes))
    assert graph.of("storage:StorageAccount") == []
    assert graph.one("authorization:RoleAssignment").inputs["scope"] == container


@pytest.mark.parametrize(
    ("location", "domain"),
    [
        ("westeurope", "blob.core.windows.net"),
        ("chinaeast2", "blob.core.chinacloudapi.cn"),
        ("usgovvirginia", "blob.core.usgovcloudapi.net"),
        ("usdodcentral", "blob.core.usgovcloudapi.net"),
    ],
)
def test_account_has_the_domain_of_its_cloud(location: str, domain: str) -> None:
    found = dict(environment(deploy(changed(AZURE, "azure.location", location))))
    assert found["MLFLOW_ARTIFACTS_DESTINATION"].endswith(f".{domain}")


def test_server_waits_until_it_may_use_the_container(graph: Graph) -> None:
    waits = graph.one("apps/v1:Deployment").depends_on
    for kind in (
        "managedidentity:FederatedIdentityCredential",
        "authorization:RoleAssignment",
        "network:PrivateDnsZoneGroup",
    ):
        assert graph.one(kind).urn in waits


def test_pods_verify_the_public_authorities_and_the_name(graph: Graph) -> None:
    (bundle,) = [r.inputs["data"]["ca.pem"] for r in graph.of("ConfigMap") if "ca.pem" in r.inputs["data"]]
    assert bundle.count("-----BEGIN CERTIFICATE-----") == 3
    assert environment(graph) >= {
        ("PGHOST", "mlflow-database1a2b3c4d.postgresql.database.azure.com"),
        ("PGSSLMODE", "verify-full"),
    }
    own = deploy(changed(AZURE, "database.azureFlexibleServer.caCertificate", CERTIFICATE))
    (bundle,) = [r.inputs["data"]["ca.pem"] for r in own.of("ConfigMap") if "ca.pem" in r.inputs["data"]]
    assert bundle == CERTIFICATE


def test_authorities_are_certificates_that_are_valid_for_years() -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=database._AUTHORITIES.read_text())
    found: Any = context.get_ca_certs()
    names = {dict(part[0] for part in each["subject"])["commonName"]: each["notAfter"] for each in found}
    assert set(names) == {
        "DigiCert Global Root CA",
        "DigiCert Global Root G2",
        "Microsoft RSA Root Certificate Authority 2017",
    }
    assert all(int(until.split()[-2]) > 2030 for until in names.values())


def test_private_endpoints_lead_to_server_and_account(endpoints: Graph) -> None:
    found = {
        r.name: r.inputs["privateLinkServiceConnections"][0] | {"subnet": r.inputs["subnet"]["id"]}
        for r in endpoints.of("network:PrivateEndpoint")
    }
    subnet = AZURE["azure"]["privateEndpoint"]["subnetId"]
    assert {name: (e["groupIds"], e["privateLinkServiceId"], e["subnet"]) for name, e in found.items()} == {
        "mlflow-database": (["postgresqlServer"], f"{SUBSCRIPTION}/Server/mlflow-database", subnet),
        "mlflow-artifacts": (["blob"], f"{SUBSCRIPTION}/StorageAccount/mlflow-artifacts", subnet),
    }
    assert endpoints.one(SERVER).inputs["network"] == {"publicNetworkAccess": "Disabled"}
    assert len(endpoints.of("network:PrivateDnsZoneGroup")) == 2


def test_tags_are_on_everything_that_has_them(graph: Graph) -> None:
    tagged = {r.type.split(":")[-1] for r in graph if r.type.startswith("azure-native:") and "tags" in r.inputs}
    assert tagged == {"Server", "StorageAccount", "UserAssignedIdentity", "PrivateEndpoint"}


def test_long_names_fit_a_storage_account() -> None:
    graph = run(lambda: (make("a-" * 19 + "ab", AZURE), None)[1])
    assert graph.one("storage:StorageAccount").inputs["accountName"].startswith("a" * 16 + "generated")
