"""What is made on AWS is private, encrypted, backed up, protected, and gives the pods what they need and no more."""

import json
from typing import Any

import pulumi
import pulumi_aws
import pulumi_kubernetes as k8s
import pulumi_random as random
import pytest
from pulumi.output import UNKNOWN

from tests.configurations import AWS, changed, with_changes
from tests.graph.invariants import server_container
from tests.graph.program import Graph, Registration, Secret, deploy, make, run
from tests.graph.scenarios import SCENARIOS

ON_AWS = [name for name in SCENARIOS if name.startswith("aws-")]


def on_aws(graph: Graph) -> list[Registration]:
    return [r for r in graph if r.type.startswith("aws:")]


def inputs(graph: Graph, kind: str) -> Any:
    (found,) = [r for r in graph if r.type.endswith(f":{kind}") and r.type.startswith("aws:")]
    return found.inputs


@pytest.mark.parametrize("scenario", ON_AWS)
def test_every_aws_resource_is_tagged_and_uses_the_callers_provider(scenario: str) -> None:
    def program() -> None:
        cloud = pulumi_aws.Provider("cloud", region="eu-central-1")
        providers = [cloud, k8s.Provider("cluster", kubeconfig="{}"), random.Provider("chance")]
        make("mlflow", SCENARIOS[scenario], providers=providers)

    graph = run(program)
    cloud = graph.named("cloud").urn
    made = on_aws(graph)
    assert made
    assert [r.name for r in made if not r.provider.startswith(f"{cloud}::")] == []
    untaggable = ("Alias", "RolePolicy", "RolePolicyAttachment", "BucketPolicy")
    for registration in made:
        if not registration.type.endswith(untaggable) and not registration.type.startswith("aws:s3/bucket"):
            assert registration.inputs["tags"] == {"mlflow": "mlflow", "team": "a"}, registration.name
    assert [r.name for r in graph if r.type.startswith(("kubernetes:", "random:")) and not r.provider] == []


def test_instance_is_private_encrypted_and_backed_up() -> None:
    instance = dict(inputs(deploy(AWS), "Instance"))
    assert isinstance(instance.pop("password"), Secret)
    key = "arn:aws:kms:eu-central-1:111122223333:key/mlflow-key-1a2b3c4"
    assert instance == {
        "identifier": "mlflow-0a1b2c3d",
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.t4g.medium",
        "multiAz": True,
        "storageType": "gp3",
        "allocatedStorage": 20,
        "maxAllocatedStorage": 200,
        "storageEncrypted": True,
        "kmsKeyId": key,
        "dbName": "mlflow",
        "username": "mlflow",
        "port": 5432,
        "publiclyAccessible": False,
        "dbSubnetGroupName": "mlflow-database-1a2b3c4",
        "vpcSecurityGroupIds": ["mlflow-database-id"],
        "parameterGroupName": "mlflow-database-1a2b3c4",
        "caCertIdentifier": "rds-ca-rsa2048-g1",
        "iamDatabaseAuthenticationEnabled": True,
        "backupRetentionPeriod": 14,
        "copyTagsToSnapshot": True,
        "deleteAutomatedBackups": False,
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "finalSnapshotIdentifier": "mlflow-0a1b2c3d-final",
        "autoMinorVersionUpgrade": True,
        "allowMajorVersionUpgrade": False,
        "applyImmediately": False,
        "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "monitoringInterval": 60,
        "monitoringRoleArn": "arn:aws:iam:eu-central-1:111122223333:role/mlflow-database-monitoring-1a2b3c4",
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": key,
        "performanceInsightsRetentionPeriod": 7,
        "tags": {"mlflow": "mlflow", "team": "a"},
    }


def test_aurora_is_private_encrypted_and_backed_up() -> None:
    graph = deploy(SCENARIOS["aws-aurora-serverless"])
    cluster = inputs(graph, "Cluster")
    assert cluster["engine"] == "aurora-postgresql" and cluster["databaseName"] == "mlflow"
    assert cluster["serverlessv2ScalingConfiguration"] == {"minCapacity": 0.5, "maxCapacity": 4}
    assert cluster["storageEncrypted"] and cluster["kmsKeyId"].endswith("1234567890ab")
    assert cluster["deletionProtection"] and not cluster["skipFinalSnapshot"] and not cluster["deleteAutomatedBackups"]
    assert cluster["backupRetentionPeriod"] == 14 and isinstance(cluster["masterPassword"], Secret)
    first, second = sorted(graph.of("ClusterInstance"), key=lambda instance: instance.name)
    for index, instance in enumerate((first, second)):
        assert instance.inputs["instanceClass"] == "db.serverless"
        assert instance.inputs["publiclyAccessible"] is False
        assert instance.inputs["promotionTier"] == index
        assert instance.inputs["caCertIdentifier"] == "rds-ca-rsa2048-g1"
    assert {first.urn, second.urn} <= graph.named("mlflow-migration", "batch/v1:Job").depends_on
    assert graph.of("kms/key:Key") == []


@pytest.mark.parametrize(
    ("database", "family", "parameters"),
    [
        ({"rds": {"engine": "postgresql", "engineVersion": "16"}}, "postgres16", {"rds.force_ssl": "1"}),
        (
            {"aurora": {"engine": "postgresql", "provisioned": {}, "parameters": {"a": "b"}}},
            "aurora-postgresql17",
            {"rds.force_ssl": "1", "a": "b"},
        ),
    ],
)
def test_parameters_force_tls(database, family: str, parameters: dict[str, str]) -> None:
    group = inputs(
        deploy({**AWS, "database": database}), "ParameterGroup" if "rds" in database else "ClusterParameterGroup"
    )
    assert group["family"] == family
    assert {p["name"]: p["value"] for p in group["parameters"]} == parameters


def test_only_the_cluster_reaches_the_database() -> None:
    graph = deploy(SCENARIOS["aws-aurora-provisioned"])
    group = inputs(graph, "SecurityGroup")
    assert not {"ingress", "egress"} & set(group)
    rules = [r.inputs for r in graph.of("SecurityGroupIngressRule")]
    sources = sorted(rule["referencedSecurityGroupId"] for rule in rules)
    assert sources == ["sg-0123456789abcdef0", "sg-0123456789abcdef1"]
    for rule in rules:
        assert (rule["ipProtocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 5432, 5432)
        assert not {"cidrIpv4", "cidrIpv6", "prefixListId"} & set(rule)


def test_pods_verify_the_database_with_the_authorities_of_its_region() -> None:
    graph = deploy(AWS)
    plain = {v["name"]: v["value"] for v in server_container(graph)["env"] if "value" in v}
    assert plain["PGHOST"] == "mlflow-database-1a2b3c4.abcdefghijkl.eu-central-1.rds.amazonaws.com"
    assert plain["PGSSLMODE"] == "verify-full"
    assert plain["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://mlflow-artifacts-1a2b3c4/prod"
    assert plain["AWS_DEFAULT_REGION"] == "eu-central-1"
    (bundle,) = [r.inputs["data"] for r in graph.of("ConfigMap") if "ca.pem" in r.inputs["data"]]
    assert bundle["ca.pem"].count("BEGIN CERTIFICATE") == 3


def test_a_database_of_a_given_name_leaves_a_snapshot_of_its_own() -> None:
    instance = inputs(deploy(changed(AWS, "database.rds.identifier", "tracking")), "Instance")
    assert instance["identifier"] == "tracking"
    assert instance["finalSnapshotIdentifier"] == "tracking-0a1b2c3d-final"


def test_a_snapshot_brings_database_and_user() -> None:
    instance = inputs(deploy(changed(AWS, "database.rds.snapshotIdentifier", "before")), "Instance")
    assert instance["snapshotIdentifier"] == "before"
    assert not {"dbName", "username", "kmsKeyId", "allocatedStorage"} & set(instance) and "password" in instance


PAST = {"source": "mlflow-prod", "pointInTime": "2026-03-14T11:26:53+02:00"}


def test_an_instance_at_a_point_in_time_has_our_password_and_its_sources_names_and_key() -> None:
    graph = deploy(changed(AWS, "database.rds.restore", PAST))
    instance = inputs(graph, "Instance")
    assert instance["restoreToPointInTime"] == {
        "restoreTime": "2026-03-14T09:26:53Z",
        "sourceDbInstanceIdentifier": "mlflow-prod",
    }
    assert instance["tags"]["restored-from"] == "mlflow-prod 2026-03-14T09:26:53Z"
    assert not {"dbName", "username", "kmsKeyId", "allocatedStorage", "snapshotIdentifier"} & set(instance)
    assert isinstance(instance["password"], Secret)
    assert {"kmsKeyId", "restoreToPointInTime", "snapshotIdentifier"} <= set(graph.one("Instance").ignored)
    deleted = changed(AWS, "database.rds.restore", {**PAST, "source": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
    source = inputs(deploy(deleted), "Instance")["restoreToPointInTime"]
    assert (
        source["sourceDbiResourceId"] == "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ" and "sourceDbInstanceIdentifier" not in source
    )


def test_a_cluster_at_a_point_in_time_is_a_copy_with_our_key_and_password() -> None:
    graph = deploy(changed(SCENARIOS["aws-aurora-serverless"], "database.aurora.restore", PAST))
    cluster = inputs(graph, "Cluster")
    assert cluster["restoreToPointInTime"] == {
        "restoreToTime": "2026-03-14T09:26:53Z",
        "restoreType": "full-copy",
        "sourceClusterIdentifier": "mlflow-prod",
    }
    assert cluster["storageEncrypted"] and cluster["kmsKeyId"].endswith("1234567890ab")
    assert not {"databaseName", "masterUsername", "snapshotIdentifier"} & set(cluster)
    assert isinstance(cluster["masterPassword"], Secret)


def test_both_ways_to_name_a_snapshot_are_one() -> None:
    long = changed(AWS, "database.rds.restore", {"snapshot": "before"})
    short = changed(AWS, "database.rds.snapshotIdentifier", "before")
    assert inputs(deploy(long), "Instance") == inputs(deploy(short), "Instance")


def test_names_of_a_long_deployment_fit() -> None:
    """Pulumi adds eight characters to the names of resources that are given none."""
    longest = "a" * 39 + "b"
    graph = run(lambda: (make(longest, AWS), None)[1])
    limits = {"iam/role:Role": 64, "s3/bucket:Bucket": 63, "rds/subnetGroup:SubnetGroup": 255}
    for kind, most in limits.items():
        assert all(len(r.name) + 8 <= most for r in graph.of(kind)), kind


def test_bucket_is_private_encrypted_and_versioned() -> None:
    graph = deploy(SCENARIOS["aws-aurora-serverless"])
    assert inputs(graph, "Bucket") == {"forceDestroy": False, "tags": {"mlflow": "mlflow", "team": "a"}}
    block = inputs(graph, "BucketPublicAccessBlock")
    assert all(
        block[flag] for flag in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    assert inputs(graph, "BucketOwnershipControls")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert inputs(graph, "BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    (encryption,) = inputs(graph, "BucketServerSideEncryptionConfiguration")["rules"]
    assert encryption["bucketKeyEnabled"] is True
    assert encryption["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    (rule,) = inputs(graph, "BucketLifecycleConfiguration")["rules"]
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert inputs(graph, "BucketLogging")["targetBucket"] == "logs"


def test_server_waits_for_all_of_the_bucket_and_the_permission() -> None:
    graph = deploy(AWS)
    after = {urn.rpartition("::")[0].rpartition("$")[2] for urn in graph.one("apps/v1:Deployment").depends_on}
    kinds = ("BucketPolicy", "BucketPublicAccessBlock", "BucketServerSideEncryptionConfiguration", "BucketVersioning")
    for kind in (*kinds, "RolePolicy"):
        assert any(each.endswith(f":{kind}") for each in after), kind


@pytest.mark.parametrize(
    "issuer",
    [None, "oidc.eks.eu-central-1.amazonaws.com/id/ABC", "https://oidc.eks.eu-central-1.amazonaws.com/id/ABC/"],
)
def test_role_trusts_exactly_the_service_account(issuer: str | None) -> None:
    graph = deploy(changed(AWS, "aws.oidcIssuerUrl", issuer))
    (role,) = [r.inputs for r in graph.of("iam/role:Role") if r.name == "mlflow-role"]
    (statement,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": AWS["aws"]["oidcProviderArn"]}
    assert statement["Condition"] == {
        "StringEquals": {
            "oidc.eks.eu-central-1.amazonaws.com/id/ABC:aud": "sts.amazonaws.com",
            "oidc.eks.eu-central-1.amazonaws.com/id/ABC:sub": "system:serviceaccount:mlflow:mlflow",
        }
    }
    account = graph.one("core/v1:ServiceAccount").metadata
    assert account["annotations"]["eks.amazonaws.com/role-arn"].endswith("role/mlflow-role-1a2b3c4")


def test_existing_bucket_is_named_in_the_partition_of_the_role() -> None:
    policy = inputs(deploy(SCENARIOS["aws-role-for-existing-stores"]), "RolePolicy")["policy"]
    resources = {str(statement["Resource"]) for statement in json.loads(policy)["Statement"]}
    assert resources == {"arn:aws:s3:::models", "arn:aws:s3:::models/prod/*"}


def test_permissions_boundary_bounds_every_role() -> None:
    boundary = "arn:aws:iam::111122223333:policy/bounds"
    graph = deploy(changed(AWS, "aws.permissionsBoundary", boundary))
    roles = graph.of("iam/role:Role")
    assert len(roles) == 2 and all(role.inputs["permissionsBoundary"] == boundary for role in roles)


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("scenario", ["aws-rds", "aws-aurora-serverless"])
def test_facts_may_be_outputs_of_a_larger_program(scenario: str, preview: bool) -> None:
    facts = {name: value for name, value in SCENARIOS[scenario]["aws"].items() if name != "tags"}

    def tree(value_of: Any) -> list[tuple[str, str, bool]]:
        def program() -> None:
            groups = [value_of(each) for each in facts["clusterSecurityGroupIds"]]
            later = {f"aws.{name}": value_of(value) for name, value in facts.items()}
            later["aws.clusterSecurityGroupIds"] = groups
            make("mlflow", with_changes(SCENARIOS[scenario], later))

        return sorted((r.type, r.name, r.protect) for r in run(program, preview=preview))

    known = tree(lambda value: value)
    assert len(known) > 30
    assert tree(pulumi.Output.from_input) == known
    if preview:
        assert tree(lambda value: pulumi.Output.from_input(UNKNOWN)) == known


def test_hyphens_in_a_row_do_not_reach_aws() -> None:
    graph = run(lambda: (make("ml--flow", AWS), None)[1])
    assert inputs(graph, "Instance")["identifier"] == "ml-flow-0a1b2c3d"


def test_alibaba_role_marks_account_and_namespace() -> None:
    graph = deploy(SCENARIOS["alibaba-role"])
    annotations = graph.one("core/v1:ServiceAccount").metadata["annotations"]
    assert annotations == {"pod-identity.alibabacloud.com/role-name": "mlflow"}
    assert graph.one("core/v1:Namespace").metadata["labels"]["pod-identity.alibabacloud.com/injection"] == "on"
