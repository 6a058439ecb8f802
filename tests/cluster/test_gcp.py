"""The production stack on Google Cloud through the real engine and the real provider logic, down to a run that is read back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import own_values
from tests.support import client, configurations, earlier, gcp, gcs, mariadb, postgresql
from tests.support.addresses import leading_to
from tests.support.deployed import Deployed
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.managed import Mysql, Postgresql
from tests.support.pulumi import Stack, cloud_stack
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

STACK = ROOT / "examples" / "Pulumi.prod-gcp.yaml"
"""The profile that users copy."""
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"


def configuration() -> dict[str, Any]:
    """The profile's values, for the project of the tests."""
    values = own_values(STACK)
    facts = {"project": gcp.PROJECT, "region": gcp.REGION, "network": f"projects/{gcp.PROJECT}/global/networks/cluster"}
    return {**values, "gcp": {**values["gcp"], **facts}}


@pytest.fixture(scope="module")
def cloud(
    session: Session,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    mariadb_server: mariadb.Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[gcp.Cloud]:
    """Google Cloud on this machine."""
    log = tmp_path_factory.mktemp("gcs") / "log"
    program = session.emulators["fake-gcs-server"]
    with (
        leading_to(kubectl, 5432, postgresql_server.port) as postgres,
        leading_to(kubectl, 3306, mariadb_server.port) as mysql,
        gcs.serve(program, str(session.host_address), log) as objects,
    ):
        servers = {"POSTGRES": (postgres.ip, Postgresql(postgresql_server)), "MYSQL": (mysql.ip, Mysql(mariadb_server))}
        with gcp.serve(gcp.Cloud(servers, objects)) as made:
            yield made


@pytest.fixture(scope="module")
def deployed(
    session: Session, kubectl: Kubectl, cloud: gcp.Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """The stack, up."""
    values = {**configuration(), **cloud.configuration, "namespace": unique_name()}
    values["server"] = {**configurations.SERVER, "env": cloud.pods}
    with cloud_stack(session, "gcp", tmp_path_factory.mktemp("stack"), kubectl.kubeconfig) as stack:
        try:
            up = stack.configure(values).up().succeeded()
            earlier.record(stack, "gcp")
            yield Deployed(stack, values, {}, up)
        finally:
            free(stack, values, cloud)


def free(stack: Stack, values: dict[str, Any], cloud: gcp.Cloud) -> None:
    """Make it possible to destroy the stack, whatever became of it."""
    for bucket in list(cloud.buckets):
        cloud.empty(bucket)
    if any(each["type"] == INSTANCE for each in stack.resources()):
        stack.configure({**values, "deletionProtection": False}).up().succeeded()


@pytest.mark.feature("art-gcs", "db-cloudsql")
def test_a_client_logs_a_run_and_reads_it_back(
    deployed: Deployed, kubectl: Kubectl, cloud: gcp.Cloud, tmp_path: Path
) -> None:
    with kubectl.forward(deployed.namespace, "mlflow", tmp_path) as uri:
        logged = client.log(uri)
        client.read_back(uri, logged)
    (bucket,) = cloud.buckets
    objects = cloud._objects("GET", f"/{bucket}/o")["items"]
    assert any(
        item["name"].endswith("model/weights.bin") and int(item["size"]) == len(logged.artifact) for item in objects
    )
    (instance,) = cloud.instances
    assert cloud.server(instance).runs("mlflow") == 1


def test_again_changes_nothing(deployed: Deployed) -> None:
    deployed.stack.up("--expect-no-changes").succeeded()


def test_the_cloud_was_asked_for_what_a_review_asks_for(deployed: Deployed, cloud: gcp.Cloud) -> None:
    (instance,) = cloud.instances.values()
    settings, network = instance["settings"], instance["settings"]["ipConfiguration"]
    assert (settings["edition"], settings["availabilityType"]) == ("ENTERPRISE", "REGIONAL")
    assert settings["deletionProtectionEnabled"] is True
    assert network["ipv4Enabled"] is False and network["sslMode"] == "ENCRYPTED_ONLY"
    backups = settings["backupConfiguration"]
    assert backups["enabled"] and backups["pointInTimeRecoveryEnabled"]
    (bucket,) = cloud.buckets.values()
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert bucket["versioning"]["enabled"] is True
    assert int(bucket["softDeletePolicy"]["retentionDurationSeconds"]) >= 7 * 86_400


def test_exactly_two_grants_on_exactly_one_bucket_and_one_account(deployed: Deployed, cloud: gcp.Cloud) -> None:
    (bucket,), (email,) = cloud.buckets, cloud.accounts
    assert cloud.bindings() == [
        (
            f"account {email}",
            "roles/iam.workloadIdentityUser",
            f"serviceAccount:{gcp.PROJECT}.svc.id.goog[{deployed.namespace}/mlflow]",
        ),
        (f"bucket {bucket}", "roles/storage.objectUser", f"serviceAccount:{email}"),
    ]


def test_a_longer_retention_is_one_update(deployed: Deployed, cloud: gcp.Cloud) -> None:
    database = {"cloudSql": {**deployed.values["database"]["cloudSql"], "backupRetentionDays": 21}}
    stack = deployed.reconfigure(database=database)
    changed = [(step["op"], step["newState"]["type"]) for step in stack.plan()["steps"] if step["op"] != "same"]
    assert changed == [("update", INSTANCE)]
    stack.up().succeeded()
    (instance,) = cloud.instances.values()
    retained = instance["settings"]["backupConfiguration"]["backupRetentionSettings"]["retainedBackups"]
    assert int(retained) == 21


def test_a_change_that_would_replace_the_data_is_refused(deployed: Deployed, cloud: gcp.Cloud) -> None:
    before = list(cloud.calls)
    facts = {**deployed.values["gcp"], "region": "europe-west4"}
    output = deployed.reconfigure(gcp=facts).preview().failed().output
    assert "unable to replace resource" in output and "as it is currently marked for protection" in output
    assert cloud.calls == before
    deployed.reconfigure()


def test_an_older_engine_is_refused_by_the_preview(deployed: Deployed, cloud: gcp.Cloud) -> None:
    before = list(cloud.calls)
    database = {**deployed.values["database"]["cloudSql"], "version": "16"}
    output = deployed.reconfigure(database={"cloudSql": database}).preview().failed().output
    assert "database.cloudSql.version: 'POSTGRES_16' is older than 'POSTGRES_17'" in output
    assert cloud.calls == before
    deployed.reconfigure()


@pytest.mark.parametrize("path", earlier.states("gcp"), ids=lambda path: path.stem)
def test_an_update_from_an_earlier_version_keeps_the_data(
    session: Session, unreachable: Path, cloud: gcp.Cloud, tmp_path: Path, path: Path
) -> None:
    with (
        cloud_stack(session, "gcp", tmp_path, unreachable) as stack,
        earlier.imported(stack, path, cloud.configuration) as stack,
    ):
        assert earlier.harm(stack) == []


def test_secrets_are_encrypted_in_the_state(deployed: Deployed) -> None:
    (user,) = [each for each in deployed.stack.resources() if each["type"] == "gcp:sql/user:User"]
    password = user["inputs"]["password"]
    assert len(password) == 40
    assert password not in deployed.stack.export() and password not in deployed.up.output


def test_destroy_is_refused_until_the_protection_is_lifted(deployed: Deployed, cloud: gcp.Cloud) -> None:
    output = deployed.stack.destroy().failed().output
    assert "remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`" in output
    assert len(cloud.instances) == len(cloud.databases) == len(cloud.users) == len(cloud.buckets) == 1
    (instance,) = cloud.instances.values()
    assert instance["settings"]["deletionProtectionEnabled"] is True
    lifted = {**deployed.values, "deletionProtection": False}
    deployed.stack.configure(lifted).up().succeeded()
    assert not instance["settings"].get("deletionProtectionEnabled")
    refused = deployed.stack.destroy().failed().output
    assert "without `force_destroy` set to true" in refused, "a bucket with objects in it is not deleted"
    for bucket in list(cloud.buckets):
        cloud.empty(bucket)
    deployed.stack.destroy().succeeded()
    assert not (cloud.instances or cloud.buckets or cloud.accounts)
    assert deployed.stack.left() == []


@pytest.mark.feature("art-gcs", "db-cloudsql")
def test_mysql_and_a_bucket_that_exists(
    session: Session, kubectl: Kubectl, cloud: gcp.Cloud, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The ServiceAccount itself is who may use the bucket."""
    bucket = gcs.bucket(cloud.objects)
    values = {
        **cloud.configuration,
        "namespace": unique_name(),
        "gcp": {**configuration()["gcp"], "projectNumber": "123456789012"},
        "database": {"cloudSql": {"engine": "mysql", "version": "8.4"}},
        "artifacts": {"gcs": {"bucket": bucket.name, "prefix": "team/a", "transferTimeoutSeconds": 30}},
        "identity": {"gcpDirect": {}},
        "server": {**configurations.SERVER, "env": cloud.pods},
        "deletionProtection": False,
    }
    with cloud_stack(session, "gcp", tmp_path_factory.mktemp("stack"), kubectl.kubeconfig) as stack:
        stack.configure(values).up().succeeded()
        stack.preview("--expect-no-changes").succeeded()
        with kubectl.forward(values["namespace"], "mlflow", tmp_path) as uri:
            logged = client.log(uri)
            client.read_back(uri, logged)
        assert [name for name in bucket.objects() if not name.startswith("team/a/")] == []
        (instance,) = cloud.instances
        assert cloud.server(instance).runs("mlflow") == 1
        pool = f"workloadIdentityPools/{gcp.PROJECT}.svc.id.goog"
        who = f"projects/123456789012/locations/global/{pool}/subject/ns/{values['namespace']}/sa/mlflow"
        assert cloud.bindings() == [
            (f"bucket {bucket.name}", "roles/storage.objectUser", f"principal://iam.googleapis.com/{who}")
        ]
    assert not cloud.instances and cloud.bindings() == []
