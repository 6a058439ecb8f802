"""Refusals of what is made on Google Cloud and Azure: values that are refused, and the nearest ones that are accepted."""

from typing import Any

import pulumi
import pytest

from components import versions
from tests.configurations import AWS, AZURE, CERTIFICATE, DEV, GCP, changed, with_changes
from tests.unit.refusals import NO_TIMES, PAST, cases, messages

BASE_IMAGE = f"v{versions.MLFLOW}"

SQL, SERVER = "database.cloudSql", "database.azureFlexibleServer"
BUCKET, CONTAINER = "artifacts.gcpBucket", "artifacts.azureContainer"
PLUS = changed(GCP, SQL, {"edition": "ENTERPRISE_PLUS"})
GCP_MYSQL = changed(GCP, SQL, {"engine": "mysql"})
MYSQL_ZONE = AZURE["azure"]["privateDnsZoneId"].replace("postgres", "mysql")
AZURE_MYSQL = with_changes(AZURE, {SERVER: {"engine": "mysql"}, "azure.privateDnsZoneId": MYSQL_ZONE})
# Small machines grant few connections.
FEW = {"database.poolSize": 1, "database.maxOverflow": 1}
ZONAL = with_changes(GCP, {SQL: {"highAvailability": False}, **FEW})
BURSTABLE = with_changes(AZURE, {SERVER: {"highAvailability": "Disabled"}, **FEW})
DIRECT = with_changes(GCP, {"identity": {"gcpDirect": {}}, "gcp.projectNumber": "123456789012"})
OPEN = with_changes(AZURE, {"azure.privateEndpoint": None, f"{CONTAINER}.publicNetwork": True})
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1"
SUBNET = AZURE["azure"]["delegatedSubnetId"]
ZONE = AZURE["azure"]["privateDnsZoneId"]
STORAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/models"
EXISTING = with_changes(
    AZURE,
    {
        "artifacts": {"azureBlob": {"account": "models", "container": "mlflow"}},
        "identity.azureWorkloadIdentity.containerId": f"{STORAGE}/blobServices/default/containers/mlflow",
    },
)
KEY = "projects/p-of-keys/locations/europe-west3/keyRings/r/cryptoKeys/k"
LONG_PASSWORD = "a-password-of-16"
A_SERVER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.DBforPostgreSQL/flexibleServers/mlflow"
A_MYSQL_SERVER = A_SERVER.replace("PostgreSQL", "MySQL")

VALUES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (GCP, "gcp", [None, {}], []),
    (GCP, "gcp.project", ["", "Project", "short", "-project", "a" * 31, ARN, SUBNET], ["abcdef", "a" * 30, "example.com:mlflow-1"]),
    (GCP, "gcp.region", ["europe-west3-b", "Frankfurt", "eu-central-1", ""], ["europe-west3", "northamerica-northeast2"]),
    (GCP, "gcp.network", [None, "default", SUBNET, "projects/project-of-tests/global/networks/"], ["https://www.googleapis.com/compute/v1/projects/project-of-tests/global/networks/n"]),
    (DIRECT, "gcp.projectNumber", [None, "project-of-tests"], ["123456789012"]),
    (GCP, "gcp.clusterProject", ["X"], ["clusters-of-tests"]),
    (GCP, "gcp.kmsKey", [ARN, "key", KEY.replace("europe-west3", "global")], [KEY]),
    (GCP, "gcp.labels", [{"Team": "a"}, {"team": "A"}, {"": "a"}, {"a.b/c": "d"}, {"1a": "b"}], [{"team": "", "a_b-c": "d" * 63}]),
    (GCP, f"{SQL}.engine", ["postgres", "sqlserver"], ["postgresql", "mysql"]),
    (GCP, f"{SQL}.version", ["9.6", "12", "8.0", "POSTGRES_17"], ["13", "18"]),
    (GCP_MYSQL, f"{SQL}.version", ["5.7", "17"], ["8.0", "8.4"]),
    (GCP, f"{SQL}.edition", ["enterprise", "STANDARD"], ["ENTERPRISE", "ENTERPRISE_PLUS"]),
    (GCP, f"{SQL}.tier", ["db-f1-micro", "db-perf-optimized-N-2", "db-custom-3-7680", "db-custom-2-3584", "db-custom-2-7700", "db-custom-2-14336", "db-custom-98-102400", "n2-standard-2", "db.t3.micro", ARN], ["db-custom-2-13312", "db-custom-1-3840", "db-custom-96-102400"]),
    (ZONAL, f"{SQL}.tier", ["db-n1"], ["db-f1-micro", "db-g1-small"]),
    (PLUS, f"{SQL}.tier", ["db-custom-2-7680", "db-g1-small"], ["db-perf-optimized-N-8", "db-c4a-highmem-4"]),
    (GCP, f"{SQL}.storageGb", [9, 65_537], [10, 65_536]),
    (GCP, f"{SQL}.storageLimitGb", [19], [0, 20]),
    (GCP, f"{SQL}.backupRetentionDays", [6, 366, 31], [7, 30]),
    (GCP, f"{SQL}.logRetentionDays", [0, 8, 35], [1, 7]),
    (PLUS, f"{SQL}.logRetentionDays", [0, 15, 36], [14]),
    (GCP, f"{SQL}.maintenanceDay", [0, 8], [1, 7]),
    (GCP, f"{SQL}.maintenanceHour", [-1, 24], [0, 23]),
    (GCP, f"{SQL}.flags", [{"Log": "on"}, {"a b": ""}], [{"cloudsql.enable_pgaudit": "on"}]),
    (GCP, f"{SQL}.flags", [{"max_connections": "59"}], [{"max_connections": "60"}]),
    (GCP, f"{SQL}.psc", [{}, {"subnetwork": "endpoints"}, {"subnetwork": SUBNET}], [{"subnetwork": "projects/p/regions/r/subnetworks/s"}]),
    (GCP, f"{SQL}.database", ["", "my-db", "a" * 33, "1a"], ["Mlflow_1", "a" * 32]),
    (GCP, f"{SQL}.username", ["postgres", "root", "cloudsqladmin", "pg_x", "a-b"], ["mlflow_app"]),
    (GCP, f"{SQL}.password", ["a" * 15], ["a" * 16]),
    (GCP, f"{SQL}.restore", [{"source": "mlflow"}, {"source": "p:europe-west3:mlflow", "pointInTime": PAST}, {"source": "projects/p/instances/mlflow", "snapshot": "1"}, {"source": "mlflow", "snapshot": "before"}, {"source": "mlflow", "snapshot": "1", "pointInTime": PAST}, *({"source": "mlflow", "pointInTime": each} for each in NO_TIMES)], [{"source": "mlflow", "snapshot": "1740000000000"}, {"source": "mlflow", "pointInTime": PAST}]),
    (changed(GCP, "gcp.kmsKey", KEY), f"{BUCKET}.location", ["EU", "europe-west4"], ["europe-west3", "EUROPE-WEST3", None]),
    (GCP, f"{BUCKET}.name", ["ab", "Models", "a" * 64, "goog-x", "my-google-x", "-ab", "gs://ab"], ["abc", "a_b-c", "a" * 63]),
    (GCP, f"{BUCKET}.prefix", ["/a", "a/"], ["", "a/b"]),
    (GCP, f"{BUCKET}.location", ["Frankfurt am Main", "europe_west3"], ["EU", "EUR4", "europe-west3"]),
    (GCP, f"{BUCKET}.storageClass", ["standard", "GLACIER"], ["STANDARD", "ARCHIVE"]),
    (GCP, f"{BUCKET}.noncurrentDays", [0, 13, 3651], [14, 3650]),
    (GCP, f"{BUCKET}.softDeleteDays", [6, 91], [7, 90]),
    (GCP, "identity.gcpServiceAccount.accountId", ["short", "a" * 31, "Mlflow", "mlflow@p.iam"], ["mlflow", "a" * 30]),
    (changed(GCP, "identity", None), "identity", [None, {}], [{"gcpServiceAccount": {}}, {"existing": {}}]),
    (AZURE, "azure", [None, {}], []),
    (AZURE, "azure.resourceGroup", ["", "a b", "group.", "a" * 91, "/subscriptions/s/resourceGroups/g", ARN], ["g", "My.Group-1(x)_"]),
    (AZURE, "azure.location", ["West Europe", "", "1x"], ["westeurope", "eastus2"]),
    (AZURE, "azure.delegatedSubnetId", [None, "database", ARN, "projects/p/regions/r/subnetworks/s", ZONE], [SUBNET.lower()]),
    (AZURE, "azure.privateDnsZoneId", [None, "zone", SUBNET], [ZONE]),
    (AZURE, "azure.privateEndpoint", [None, {}, {"subnetId": SUBNET}, {"subnetId": SUBNET, "blobDnsZoneId": ZONE, "databaseDnsZoneId": ZONE}], [{"subnetId": SUBNET, "blobDnsZoneId": ZONE}]),
    (AZURE, "azure.aksOidcIssuerUrl", [None, "", "http://issuer.example.com", "issuer", "https://i.example.com/?x"], ["issuer.example.com/x", "https://issuer.example.com"]),
    (AZURE, "azure.tags", [{"a/b": "c"}, {"": "c"}, {"a": "b" * 257}], [{"Cost Centre": "a/b"}]),
    (AZURE, f"{SERVER}.engine", ["postgres"], ["postgresql"]),
    (AZURE_MYSQL, f"{SERVER}.engine", [], ["mysql"]),
    (AZURE, f"{SERVER}.version", ["12", "8.4"], ["13", "18"]),
    (AZURE_MYSQL, f"{SERVER}.version", ["5.7", "8.0"], ["8.0.21", "8.4"]),
    (AZURE, f"{SERVER}.name", ["ab", "My", "a--b", "-ab", "ab-", "a" * 64], ["abc", "a-1", "a" * 63]),
    (AZURE, f"{SERVER}.sku", ["D2ds_v5", "GP_Standard_D2", "Standard_B2s", "db.t3.micro", ""], ["Standard_E4ds_v5", "Standard_D2s_v3"]),
    (BURSTABLE, f"{SERVER}.sku", ["Standard_F2"], ["Standard_B2s", "Standard_B1ms"]),
    (AZURE, f"{SERVER}.highAvailability", [True, "Zonal"], ["SameZone", "Disabled"]),
    (AZURE, f"{SERVER}.storageGb", [31, 33, 65_536], [32, 4096]),
    (AZURE_MYSQL, f"{SERVER}.storageGb", [19, 16_385], [20, 33, 16_384]),
    (AZURE, f"{SERVER}.backupRetentionDays", [6, 36], [7, 35]),
    (AZURE, f"{SERVER}.maintenanceDay", [-1, 7], [0, 6]),
    (AZURE, f"{SERVER}.maintenanceHour", [-1, 24], [0, 23]),
    (AZURE, f"{SERVER}.parameters", [{"A": "b"}, {"a b": "c"}], [{"log_statement": "ddl", "azure.extensions": "x"}]),
    (AZURE, f"{SERVER}.database", ["a-b", ""], ["mlflow_1"]),
    (AZURE, f"{SERVER}.username", ["admin", "azure_superuser", "root", "guest", "pg_x", "public"], ["mlflow_app"]),
    (AZURE, f"{SERVER}.password", ["short"], [LONG_PASSWORD]),
    (changed(AZURE, f"{SERVER}.password", LONG_PASSWORD), f"{SERVER}.restore", [{"source": "mlflow", "pointInTime": PAST}, {"source": A_MYSQL_SERVER, "pointInTime": PAST}, *({"source": A_SERVER, "pointInTime": each} for each in NO_TIMES)], [{"source": A_SERVER.lower(), "pointInTime": PAST}]),
    (with_changes(AZURE_MYSQL, {f"{SERVER}.password": LONG_PASSWORD}), f"{SERVER}.restore", [{"source": A_SERVER, "pointInTime": PAST}], [{"source": A_MYSQL_SERVER, "pointInTime": PAST}]),
    (with_changes(AZURE, {f"{SERVER}.password": LONG_PASSWORD, f"{SERVER}.restore": {"source": A_SERVER, "pointInTime": PAST}}), f"{SERVER}.name", [A_SERVER.rpartition("/")[2]], [None, "mlflow-2"]),
    (changed(AZURE, f"{SERVER}.restore", {"source": A_SERVER, "pointInTime": PAST}), f"{SERVER}.password", [None], [LONG_PASSWORD]),
    (AZURE, f"{SERVER}.caCertificate", ["no"], [CERTIFICATE]),
    (AZURE, f"{CONTAINER}.accountName", ["ab", "My", "a-b", "a" * 25], ["abc", "a1" * 12]),
    (AZURE, f"{CONTAINER}.container", ["ab", "a--b", "A", "-ab", "a" * 64], ["abc", "a-b"]),
    (AZURE, f"{CONTAINER}.prefix", ["/a", "a/"], ["a/b"]),
    (AZURE, f"{CONTAINER}.replication", ["LRS"], ["Standard_LRS", "Standard_GZRS"]),
    (AZURE, f"{CONTAINER}.softDeleteDays", [1, 366, 36], [2, 35]),
    (AZURE, f"{CONTAINER}.versionDays", [0, 29, 3651], [30, 3650]),
    (AZURE, f"{CONTAINER}.publicNetwork", [True], [False]),
    (AZURE, f"{CONTAINER}.allowedSubnetIds", [[SUBNET]], [[]]),
    (OPEN, f"{CONTAINER}.publicNetwork", [False], [True]),
    (OPEN, f"{CONTAINER}.allowedSubnetIds", [[SUBNET]], [[]]),
    (changed(OPEN, f"{CONTAINER}.publicNetwork", False), f"{CONTAINER}.allowedSubnetIds", [[], ["subnet"]], [[SUBNET]]),
    (AZURE, "identity.azureWorkloadIdentity.name", ["ab", "-ab", "a" * 129, "a.b"], ["mlflow-identity_1"]),
    (AZURE, "identity.azureWorkloadIdentity.containerId", [f"{STORAGE}/blobServices/default/containers/mlflow"], [None]),
    (EXISTING, "identity.azureWorkloadIdentity.containerId", [None, STORAGE, ARN], []),
    (changed(AZURE, "identity", None), "identity", [None, {}], [{"azureWorkloadIdentity": {}}, {"existing": {}}]),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=False))
def test_wrong_value_is_refused_once_and_where_it_stands(configuration, path: str, value) -> None:
    lines = messages(changed(configuration, path, value))
    assert lines
    first = path.split(".")[0]
    related = {"database": "artifacts", "artifacts": "identity", "identity": "artifacts", "azure": "artifacts"}.get(
        first, first
    )
    assert all(line.startswith((first, related)) for line in lines), lines
    assert len(lines) == 1 or value in (None, {}, {"subnetId": SUBNET}), lines


@pytest.mark.parametrize(("configuration", "path", "value"), cases(VALUES, accepted=True))
def test_nearest_value_is_accepted(configuration, path: str, value) -> None:
    assert messages(changed(configuration, path, value)) == []


@pytest.mark.parametrize(
    ("configuration", "path", "value", "told"),
    [
        (GCP, "gcp.kmsKey", ARN, "is an ARN, which is AWS's, not a key of Cloud KMS"),
        (GCP, "gcp.network", SUBNET, "is a resource id of Azure, not a VPC network"),
        (AZURE, "azure.delegatedSubnetId", "projects/p/global/networks/n", "is a resource name of Google Cloud, not"),
        (GCP, "gcp.region", "europe-west3-b", "is a zone; give its region: 'europe-west3'"),
        (AZURE, "azure.location", "West Europe", "write 'westeurope'"),
        (GCP, f"{SQL}.tier", "db-custom-3-7680", "3 vCPUs are neither 1 nor an even number"),
        (GCP, f"{SQL}.backupRetentionDays", 31, "30 is less than the 31 days"),
        (AZURE, f"{SERVER}.sku", "Standard_B2s", "is burstable, for which Azure has no high availability"),
    ],
)
def test_message_tells_what_it_is_and_what_to_write(configuration, path: str, value, told: str) -> None:
    (line,) = messages(changed(configuration, path, value))
    assert told in line


def test_created_and_existing_exclude_each_other() -> None:
    both = with_changes(
        GCP, {"database.postgresql": {"host": "db", "password": "p"}, "artifacts.gcs": {"bucket": "abc"}}
    )
    lines = messages(both)
    assert len(lines) == 2 and all("is given as well as" in line for line in lines)


def test_one_cloud_at_a_time() -> None:
    (line,) = messages({**AZURE, "gcp": GCP["gcp"], "database": GCP["database"]})
    assert line.startswith(
        "arguments: resources would be created on 2 clouds: database.cloudSql, artifacts.azureContainer"
    )


@pytest.mark.parametrize("identity", ["gcpServiceAccount", "gcpDirect"])
def test_identity_of_google_is_for_a_bucket_of_google(identity: str) -> None:
    elsewhere = with_changes(
        DIRECT, {"artifacts": {"s3": {"bucket": "models", "region": "eu-west-1"}}, "identity": {identity: {}}}
    )
    (line,) = messages(elsewhere)
    assert line.startswith(f"identity.{identity}: would be allowed nothing")
    assert messages(changed(elsewhere, "artifacts", {"gcs": {"bucket": "models"}})) == []


KEY_FILE = '{"type": "service_account"}'
LOGINS = [
    ({**GCP, "artifacts": {"gcs": {"bucket": "models", "keyFile": KEY_FILE}}}, "identity.gcpServiceAccount"),
    ({**DIRECT, "artifacts": {"gcs": {"bucket": "models", "existingSecret": {"name": "s"}}}}, "identity.gcpDirect"),
    (changed(EXISTING, "artifacts.azureBlob.accessKey", "k"), "identity.azureWorkloadIdentity"),
    (changed(EXISTING, "artifacts.azureBlob.connectionString", "AccountKey=k"), "identity.azureWorkloadIdentity"),
    (
        {
            **DEV,
            "artifacts": {
                "oss": {
                    "bucket": "models",
                    "endpoint": "oss-x.aliyuncs.com",
                    "accessKeyId": "i",
                    "accessKeySecret": "k",
                }
            },
            "identity": {"alibabaRam": {"roleName": "mlflow"}},
        },
        "identity.alibabaRam",
    ),
]


@pytest.mark.parametrize(("configuration", "path"), LOGINS, ids=[path for _, path in LOGINS])
def test_a_login_of_the_store_and_an_identity_exclude_each_other(configuration, path: str) -> None:
    (line,) = messages(configuration)
    assert line.startswith(path) and "which the pods would use instead of the identity" in line


TWICE = [
    (AWS, {"serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}}),
    (GCP, {"serviceAccount.annotations": {"iam.gke.io/gcp-service-account": "x@y.iam.gserviceaccount.com"}}),
    (AZURE, {"serviceAccount.annotations": {"azure.workload.identity/client-id": "x"}}),
    (AZURE, {"pod.labels": {"azure.workload.identity/use": "false"}}),
    (AZURE, {"labels": {"azure.workload.identity/use": "false"}}),
    (AZURE, {"pod.jobLabels": {"azure.workload.identity/use": "no"}}),
    (DEV, {"identity.existing.serviceAccountAnnotations": {"a/b": "1"}, "serviceAccount.annotations": {"a/b": "2"}}),
    (DEV, {"identity.existing.podLabels": {"a/b": "1"}, "pod.labels": {"a/b": "2"}}),
]


@pytest.mark.parametrize(("configuration", "changes"), TWICE)
def test_what_an_identity_sets_cannot_be_lost_to_another_part(configuration, changes: dict[str, Any]) -> None:
    (line,) = messages(with_changes(configuration, changes))
    assert "is given as well as identity." in line and line.endswith("keep one of them")


def test_the_same_value_twice_is_no_contradiction() -> None:
    same = {"identity.existing.podLabels": {"a/b": "1"}, "pod.labels": {"a/b": "1"}}
    assert messages(with_changes(DEV, same)) == []
    assert messages(changed(AZURE, "pod.labels", {"azure.workload.identity/use": "true"})) == []


def test_identity_of_azure_is_for_a_container() -> None:
    (line,) = messages(changed(EXISTING, "identity.azureWorkloadIdentity.containerId", None))
    assert line.startswith("identity.azureWorkloadIdentity.containerId: is required with artifacts.azureBlob")
    assert messages(EXISTING) == []


@pytest.mark.parametrize("configuration", [GCP, AZURE], ids=["gcp", "azure"])
def test_an_existing_account_cannot_be_annotated(configuration) -> None:
    (line,) = messages(changed(configuration, "serviceAccount", {"create": False, "name": "own"}))
    assert "cannot annotate an account that exists already" in line


def test_the_block_of_the_cloud_is_asked_for_by_its_users() -> None:
    lines = messages(changed(GCP, "gcp", None))
    assert {line.split("; ")[0] for line in lines} == {
        "gcp: is required with artifacts.gcpBucket",
        "gcp: is required with database.cloudSql",
        "gcp: is required with identity.gcpServiceAccount",
    }


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("configuration", [GCP, AZURE], ids=["gcp", "azure"])
def test_what_is_not_known_yet_is_not_judged(configuration) -> None:
    facts = "gcp" if "gcp" in configuration else "azure"
    unknown = {
        key: pulumi.Output.from_input("x") if isinstance(value, str) else value
        for key, value in configuration[facts].items()
    }
    assert messages({**configuration, facts: unknown}) == []


def test_a_cloud_block_that_nothing_uses_is_refused() -> None:
    lines = messages({**DEV, "gcp": GCP["gcp"], "azure": AZURE["azure"]})
    assert [line.split(";")[0] for line in lines] == [
        "azure: nothing in this deployment is created on Azure",
        "gcp: nothing in this deployment is created on Google Cloud",
    ]


@pytest.mark.parametrize("configuration", [GCP, AZURE], ids=["gcp", "azure"])
def test_the_client_of_a_bucket_that_is_made_is_in_the_full_image_only(configuration) -> None:
    on_sqlite = with_changes(configuration, {"database": {"sqlite": {}}, "server.replicas": 1, "image.tag": BASE_IMAGE})
    (line,) = messages(on_sqlite)
    assert line.startswith(f"image.tag: {BASE_IMAGE!r} is the official base image")
