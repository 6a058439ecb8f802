"""Google Cloud: what is asked of it, property by property, and who is allowed what."""

from typing import Any

import pytest

from tests.configurations import CERTIFICATE, GCP, changed, with_changes
from tests.graph.invariants import values
from tests.graph.program import Graph, Secret, deploy
from tests.graph.scenarios import SCENARIOS

DIRECT = SCENARIOS["gcp-private-service-connect-direct"]
INSTANCE = "sql/databaseInstance:DatabaseInstance"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return deploy(GCP)


@pytest.fixture(scope="module")
def direct() -> Graph:
    return deploy(DIRECT)


def test_instance_is_private_encrypted_backed_up_and_protected_twice(graph: Graph) -> None:
    instance = graph.one(INSTANCE)
    assert instance.protect
    settings = instance.inputs["settings"]
    flags = {flag["name"]: flag["value"] for flag in settings.pop("databaseFlags")}
    assert instance.inputs == {
        "databaseVersion": "POSTGRES_17",
        "project": "project-of-tests",
        "region": "europe-west3",
        "deletionProtection": True,
        "settings": {
            "edition": "ENTERPRISE",
            "tier": "db-custom-2-7680",
            "availabilityType": "REGIONAL",
            "diskSize": 20,
            "diskAutoresize": True,
            "diskAutoresizeLimit": 0,
            "deletionProtectionEnabled": True,
            "retainBackupsOnDelete": True,
            "finalBackupConfig": {"enabled": True, "retentionDays": 14},
            "ipConfiguration": {
                "ipv4Enabled": False,
                "sslMode": "ENCRYPTED_ONLY",
                "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
                "privateNetwork": "projects/project-of-tests/global/networks/cluster",
            },
            "backupConfiguration": {
                "enabled": True,
                "startTime": "01:00",
                "pointInTimeRecoveryEnabled": True,
                "transactionLogRetentionDays": 7,
                "backupRetentionSettings": {"retainedBackups": 14, "retentionUnit": "COUNT"},
            },
            "maintenanceWindow": {"day": 7, "hour": 3, "updateTrack": "stable"},
            "insightsConfig": {"queryInsightsEnabled": True},
            "userLabels": {"team": "a"},
        },
    }
    assert flags["log_connections"] == flags["log_disconnections"] == "on"


def test_one_knob_lifts_both_protections() -> None:
    instance = deploy(changed(GCP, "deletionProtection", False)).one(INSTANCE)
    assert not instance.protect
    assert instance.inputs["deletionProtection"] is False
    assert instance.inputs["settings"]["deletionProtectionEnabled"] is False


def test_database_and_user_outlive_what_postgresql_refuses(graph: Graph) -> None:
    database, user = graph.one("sql/database:Database"), graph.one("sql/user:User")
    assert database.inputs["deletionPolicy"] == user.inputs["deletionPolicy"] == "ABANDON"
    assert isinstance(user.inputs["password"], Secret)
    assert (database.inputs["name"], user.inputs["name"]) == ("mlflow", "mlflow")


@pytest.mark.parametrize(
    ("restore", "made_by", "label"),
    [
        (
            {"pointInTime": "2026-03-14T09:26:53Z"},
            {"clone": {"sourceInstanceName": "mlflow-prod", "pointInTime": "2026-03-14T09:26:53Z"}},
            "2026-03-14t09_26_53z_mlflow-prod",
        ),
        (
            {"snapshot": "1740000000000"},
            {"restoreBackupContext": {"backupRunId": 1740000000000, "instanceId": "mlflow-prod"}},
            "1740000000000_mlflow-prod",
        ),
    ],
)
def test_a_restored_instance_has_its_database_already_and_gets_our_password(
    restore: dict[str, str], made_by: dict[str, Any], label: str
) -> None:
    graph = deploy(changed(GCP, "database.cloudSql.restore", {"source": "mlflow-prod", **restore}))
    instance = graph.one(INSTANCE)
    assert made_by.items() <= instance.inputs.items()
    assert instance.inputs["settings"]["userLabels"] == {"team": "a", "restored-from": label}
    # Over an instance that exists, a backup would be loaded.
    assert {"clone", "restoreBackupContext", "encryptionKeyName"} <= set(instance.ignored)
    assert graph.of("sql/database:Database") == [], "it is looked up"
    assert isinstance(graph.one("sql/user:User").inputs["password"], Secret)
    assert environment(graph) >= {("PGDATABASE", "mlflow"), ("PGUSER", "mlflow")}


def test_a_clone_has_the_key_of_its_source() -> None:
    configuration = with_changes(
        DIRECT, {"database.cloudSql.restore": {"source": "mlflow-prod", "pointInTime": "2026-03-14T09:26:53Z"}}
    )
    assert "encryptionKeyName" not in deploy(configuration).one(INSTANCE).inputs


def test_bucket_is_private_versioned_and_kept(graph: Graph) -> None:
    bucket = graph.one("storage/bucket:Bucket")
    assert bucket.protect
    assert bucket.inputs == {
        "project": "project-of-tests",
        "location": "europe-west3",
        "storageClass": "STANDARD",
        "uniformBucketLevelAccess": True,
        "publicAccessPrevention": "enforced",
        "forceDestroy": False,
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": 14 * 86_400},
        "lifecycleRules": [
            {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 30, "withState": "ARCHIVED"}},
            {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}},
        ],
        "labels": {"team": "a"},
    }


def test_only_this_service_account_becomes_the_identity_and_only_of_this_bucket_may_it_use_objects(
    graph: Graph,
) -> None:
    account = graph.one("serviceaccount/account:Account")
    email = f"{account.inputs['accountId']}@project-of-tests.iam.gserviceaccount.com"
    grants = [r for r in graph if "iam" in r.type.lower() and r is not account]
    assert [(r.type, r.inputs) for r in sorted(grants, key=lambda r: r.type)] == [
        (
            "gcp:serviceaccount/iAMMember:IAMMember",
            {
                "serviceAccountId": "mlflow-identity-1a2b3c4",
                "role": "roles/iam.workloadIdentityUser",
                "member": "serviceAccount:project-of-tests.svc.id.goog[mlflow/mlflow]",
            },
        ),
        (
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {
                "bucket": "mlflow-artifacts-1a2b3c4",
                "role": "roles/storage.objectUser",
                "member": f"serviceAccount:{email}",
            },
        ),
    ]
    annotations = graph.one("core/v1:ServiceAccount").metadata["annotations"]
    assert annotations == {"iam.gke.io/gcp-service-account": email}


def test_direct_principal_is_the_service_account_of_the_cluster(direct: Graph) -> None:
    (grant,) = [r for r in direct if "iam" in r.type.lower()]
    assert grant.inputs == {
        "bucket": "mlflow-artifacts-1a2b3c4",
        "role": "roles/storage.objectUser",
        "member": "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/"
        "clusters-of-tests.svc.id.goog/subject/ns/mlflow/sa/mlflow",
    }
    assert "annotations" not in direct.one("core/v1:ServiceAccount").metadata


def test_existing_bucket_is_granted_and_not_touched() -> None:
    graph = deploy(changed(GCP, "artifacts", {"gcs": {"bucket": "models"}}))
    assert graph.of("storage/bucket:Bucket") == []
    assert graph.one("storage/bucketIAMMember:BucketIAMMember").inputs["bucket"] == "models"


def test_server_waits_until_it_may_use_the_bucket(graph: Graph) -> None:
    waits = graph.one("apps/v1:Deployment").depends_on
    for kind in ("serviceaccount/iAMMember:IAMMember", "storage/bucketIAMMember:BucketIAMMember"):
        assert graph.one(kind).urn in waits


def test_pods_verify_the_authorities_of_the_instance(graph: Graph) -> None:
    (bundle,) = [r.inputs["data"]["ca.pem"] for r in graph.of("ConfigMap") if "ca.pem" in r.inputs["data"]]
    assert bundle == CERTIFICATE.replace("MIIB", "MIIOLD") + CERTIFICATE.replace("MIIB", "MIINEW")
    assert environment(graph) >= {
        ("PGHOST", "10.9.0.3"),
        ("PGSSLMODE", "verify-ca"),
        ("MLFLOW_ARTIFACTS_DESTINATION", "gs://mlflow-artifacts-1a2b3c4"),
    }


def test_private_service_connect_leads_to_the_instance(direct: Graph) -> None:
    address = direct.one("compute/address:Address")
    assert address.inputs == {
        "addressType": "INTERNAL",
        "labels": {"team": "a"},
        "project": "clusters-of-tests",
        "region": "europe-west3",
        "subnetwork": "projects/clusters-of-tests/regions/europe-west3/subnetworks/endpoints",
    }
    rule = direct.one("compute/forwardingRule:ForwardingRule")
    assert rule.inputs["target"] == "projects/p/regions/r/serviceAttachments/a"
    assert rule.inputs["loadBalancingScheme"] == ""
    network = direct.one(INSTANCE).inputs["settings"]["ipConfiguration"]
    assert network["pscConfigs"] == [{"pscEnabled": True, "allowedConsumerProjects": ["clusters-of-tests"]}]
    assert "privateNetwork" not in network and network["ipv4Enabled"] is False
    assert ("PGHOST", "10.9.0.2") in environment(direct)


def test_own_key_encrypts_database_and_bucket(direct: Graph) -> None:
    key = DIRECT["gcp"]["kmsKey"]
    assert direct.one(INSTANCE).inputs["encryptionKeyName"] == key
    assert direct.one("storage/bucket:Bucket").inputs["encryption"] == {"defaultKmsKeyName": key}


def test_editions_have_their_own_tiers(direct: Graph) -> None:
    settings = direct.one(INSTANCE).inputs["settings"]
    assert (settings["edition"], settings["tier"]) == ("ENTERPRISE_PLUS", "db-perf-optimized-N-2")


def test_flags_of_the_user_win() -> None:
    graph = deploy(changed(GCP, "database.cloudSql.flags", {"log_statement": "none", "max_connections": "300"}))
    settings = graph.one(INSTANCE).inputs["settings"]
    flags = {flag["name"]: flag["value"] for flag in settings["databaseFlags"]}
    assert (flags["log_statement"], flags["max_connections"], flags["log_connections"]) == ("none", "300", "on")


def test_labels_are_on_everything_that_has_them(graph: Graph) -> None:
    found = [path for r in graph if r.type.startswith("gcp:") for path, _ in values(r.inputs) if path.endswith(".team")]
    assert sorted(found) == [".labels.team", ".settings.userLabels.team"]


def test_long_names_fit_a_service_account() -> None:
    from tests.graph.program import make, run

    name = "a" * 40
    graph = run(lambda: (make(name, GCP), None)[1])
    account_id = graph.one("serviceaccount/account:Account").inputs["accountId"]
    assert account_id.startswith("a" * 23 + "-")


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_outputs_of_a_larger_program_are_taken_as_inputs(preview: bool) -> None:
    import pulumi

    from tests.graph.program import make, run

    def program() -> None:
        facts = {key: pulumi.Output.from_input(value) for key, value in GCP["gcp"].items() if isinstance(value, str)}
        make("mlflow", with_changes(GCP, {f"gcp.{key}": value for key, value in facts.items()}))

    graph = run(program, preview=preview)
    assert graph.one(INSTANCE).inputs["settings"]["ipConfiguration"]["privateNetwork"] == GCP["gcp"]["network"]


def environment(graph: Graph) -> set[tuple[str, Any]]:
    (container,) = graph.one("apps/v1:Deployment").pod["spec"]["containers"]
    return {(variable["name"], variable.get("value")) for variable in container["env"]}
