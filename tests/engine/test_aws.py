"""The production deployment on AWS through the real engine and the provider's real logic, from nothing to nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import aws, canaries, client, earlier
from tests.support.deployed import Deployed
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name
from tests.support.pulumi import Stack

pytestmark = pytest.mark.extended

SEVERAL = """
import json
from pathlib import Path
import pulumi
from components import MlflowDeployment

for name, arguments in json.loads(Path("deployments.json").read_text()).items():
    MlflowDeployment(name, arguments)
"""


@pytest.fixture(scope="module")
def production(new_aws_stack: Deploy, kubectl: Kubectl, aws_cloud: aws.Cloud) -> Iterator[Deployed]:
    """Database, bucket, key and role on AWS, two replicas, everything protected."""
    name = unique_name()
    database = {**aws_cloud.database("postgresql", name.replace("-", "_")), "backup": {"retentionDays": 14}}
    values = {
        "namespace": name,
        "database": {"rds": database, "connectTimeoutSeconds": 20},
        "artifacts": {"awsBucket": {"prefix": "prod"}},
        "identity": {"irsa": {}},
        "aws": aws_cloud.facts,
        "server": {"replicas": 2, "drainSeconds": 0, "env": aws_cloud.pods},
        **aws_cloud.configuration,
    }
    secrets = {"database.rds.password": canaries.token()[:32]}
    with new_aws_stack() as stack:
        up = stack.configure(values, secrets).up().succeeded()
        earlier.record(stack, "aws")
        yield Deployed(stack, values, secrets, up)
        empty(stack, aws_cloud)
    assert not kubectl.exists("namespace", name)


def empty(stack: Stack, cloud: aws.Cloud) -> None:
    """Delete all that is in the buckets of a stack, as an owner does before deleting them."""
    for bucket in of(stack, "aws:s3/bucket:Bucket"):
        s3, name = cloud.client("s3"), bucket["outputs"]["bucket"]
        versions = s3.list_object_versions(Bucket=name)
        for version in [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=name, Key=version["Key"], VersionId=version["VersionId"])


def of(stack: Stack, kind: str) -> list[dict[str, Any]]:
    """Resources of a type in the state."""
    return [each for each in stack.resources() if each["type"] == kind]


def instance(cloud: aws.Cloud, stack: Stack) -> dict[str, Any]:
    """The database as the API describes it."""
    (made,) = of(stack, "aws:rds/instance:Instance")
    (found,) = cloud.client("rds").describe_db_instances(DBInstanceIdentifier=made["outputs"]["identifier"])[
        "DBInstances"
    ]
    return found


def test_again_changes_nothing(production: Deployed) -> None:
    production.stack.preview("--expect-no-changes", "--diff").succeeded()


@pytest.mark.feature("db-rds")
def test_a_client_logs_and_reads_a_run(
    production: Deployed, kubectl: Kubectl, aws_cloud: aws.Cloud, tmp_path: Path
) -> None:
    with kubectl.forward(production.namespace, "mlflow", tmp_path) as uri:
        logged = client.log(uri)
        client.read_back(uri, logged)
    (bucket,) = of(production.stack, "aws:s3/bucket:Bucket")
    listed = aws_cloud.client("s3").list_objects_v2(Bucket=bucket["outputs"]["bucket"])["Contents"]
    assert [item["Key"] for item in listed if not item["Key"].startswith("prod/")] == []
    assert [item["Size"] for item in listed if item["Key"].endswith("weights.bin")] == [len(logged.artifact)]


def test_what_aws_has_is_what_a_review_asks_for(production: Deployed, aws_cloud: aws.Cloud) -> None:
    database = instance(aws_cloud, production.stack)
    assert database["StorageEncrypted"] and database["MultiAZ"] and database["DeletionProtection"]
    assert database["PubliclyAccessible"] is False and database["BackupRetentionPeriod"] == 14
    assert {tag["Key"]: tag["Value"] for tag in database["TagList"]} == {"mlflow": "mlflow", "team": "platform"}
    (bucket,) = of(production.stack, "aws:s3/bucket:Bucket")
    name, s3 = bucket["outputs"]["bucket"], aws_cloud.client("s3")
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=name)["Policy"]


def test_secrets_are_encrypted_wherever_pulumi_keeps_them(production: Deployed) -> None:
    stack = production.stack
    places = {
        "the output of `pulumi up`": production.up.output,
        "the exported state": stack.export(),
        "the preview": stack.preview("--diff", "--show-sames").succeeded().output,
    }
    canaries.assert_absent(production.secrets, places)


def test_a_longer_retention_changes_the_database_alone(production: Deployed, aws_cloud: aws.Cloud) -> None:
    database = production.values["database"]
    changed = {**database, "rds": {**database["rds"], "backup": {"retentionDays": 21}}}
    stack = production.reconfigure(database=changed)
    try:
        steps = [(step["op"], step["newState"]["type"]) for step in stack.plan()["steps"] if step["op"] != "same"]
        assert steps == [("update", "aws:rds/instance:Instance")]
        stack.up().succeeded()
        assert instance(aws_cloud, stack)["BackupRetentionPeriod"] == 21
    finally:
        production.reconfigure().up().succeeded()


@pytest.mark.parametrize(
    ("block", "value", "kind"),
    [
        ("database", {"database": "other"}, "aws:rds/instance:Instance"),
        ("artifacts", {"bucket": "other-bucket"}, "aws:s3/bucket:Bucket"),
    ],
)
def test_a_change_that_would_replace_data_is_refused_before_it_runs(
    production: Deployed, block: str, value: dict[str, str], kind: str
) -> None:
    ((choice, arguments), *rest) = production.values[block].items()
    stack = production.reconfigure(**{block: {choice: {**arguments, **value}, **dict(rest)}})
    try:
        output = stack.preview().failed().output
        assert "unable to replace resource" in output and f"{kind}::" in output
        assert "as it is currently marked for protection" in output
    finally:
        production.reconfigure()


def test_an_older_engine_is_refused_by_the_preview(production: Deployed, aws_cloud: aws.Cloud) -> None:
    before = instance(aws_cloud, production.stack)["EngineVersion"]
    database = {"rds": {**production.values["database"]["rds"], "engineVersion": "16"}, "connectTimeoutSeconds": 20}
    stack = production.reconfigure(database=database)
    try:
        output = stack.preview().failed().output
        assert f"database.rds.engineVersion: '16' is older than '{before}'" in output
        assert instance(aws_cloud, stack)["EngineVersion"] == before
    finally:
        production.reconfigure()


@pytest.mark.parametrize("path", earlier.states("aws"), ids=lambda path: path.stem)
def test_an_update_from_an_earlier_version_keeps_the_data(
    new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud, path: Path
) -> None:
    with (
        new_aws_stack(unreachable) as stack,
        earlier.imported(stack, path, aws_cloud.configuration) as stack,
    ):
        assert earlier.harm(stack) == []


def test_data_is_deleted_in_two_steps_only(production: Deployed, aws_cloud: aws.Cloud, kubectl: Kubectl) -> None:
    """The last one: nothing is left of the deployment."""
    stack = production.stack
    identifier = instance(aws_cloud, stack)["DBInstanceIdentifier"]
    (bucket,) = of(stack, "aws:s3/bucket:Bucket")
    output = stack.destroy().failed().output
    assert "cannot be deleted" in output and "protect" in output
    assert instance(aws_cloud, stack)["DBInstanceStatus"] == "available"
    aws_cloud.client("s3").head_bucket(Bucket=bucket["outputs"]["bucket"])

    production.reconfigure(deletionProtection=False).up().succeeded()
    empty(stack, aws_cloud)
    stack.destroy().succeeded()
    assert stack.left() == []
    rds = aws_cloud.client("rds")
    assert identifier not in [found["DBInstanceIdentifier"] for found in rds.describe_db_instances()["DBInstances"]]
    snapshots = [found["DBSnapshotIdentifier"] for found in rds.describe_db_snapshots()["DBSnapshots"]]
    assert f"{identifier}-final" in snapshots


@pytest.mark.feature("db-rds", "db-aurora")
def test_every_kind_of_database_migrates_and_is_left_alone_the_second_time(
    new_aws_stack: Deploy, aws_cloud: aws.Cloud, kubectl: Kubectl
) -> None:
    """RDS MySQL, Aurora PostgreSQL (serverless) and Aurora MySQL (provisioned) side by side, without servers."""
    shared = {
        "artifacts": {"awsBucket": {}},
        "identity": {"irsa": {}},
        "aws": aws_cloud.facts,
        "server": {"replicas": 0},
        "deletionProtection": False,
    }
    kinds: dict[str, dict[str, Any]] = {
        "rds-mysql": {"rds": {**aws_cloud.database("mysql", "rds_mysql"), "engineVersion": "8.0"}},
        "aurora-postgresql": {"aurora": {**aws_cloud.database("postgresql", "aurora_pg"), "serverlessV2": {}}},
        "aurora-mysql": {"aurora": {**aws_cloud.database("mysql", "aurora_mysql"), "provisioned": {}, "instances": 1}},
    }
    deployments = {
        name: {**shared, "namespace": unique_name(), "database": database} for name, database in kinds.items()
    }
    with new_aws_stack(program=SEVERAL) as stack:
        (stack.folder / "deployments.json").write_text(json.dumps(deployments))
        stack.configure(aws_cloud.configuration).up().succeeded()
        stack.preview("--expect-no-changes", "--diff").succeeded()
        for name, arguments in deployments.items():
            (migration,) = kubectl.pods(arguments["namespace"], "migration")
            assert migration["status"]["phase"] == "Succeeded", name
