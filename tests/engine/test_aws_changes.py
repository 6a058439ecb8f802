"""What AWS's provider plans for changes of what holds data. Only the parts on AWS are made, so that no cluster is needed."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.operations import gate
from tests.configurations import with_changes
from tests.support import aws, parts
from tests.support.fixtures import Deploy
from tests.support.pulumi import Stack

pytestmark = pytest.mark.extended

PROGRAM = parts.program("aws", "identity", "database", "artifacts", "grant")


class Parts:
    """A stack of one deployment's database, bucket, key and role."""

    def __init__(self, stack: Stack, values: Mapping[str, Any]) -> None:
        self.stack = stack
        self.change(values)

    def change(self, values: Mapping[str, Any]) -> Stack:
        """Give it other arguments."""
        parts.give(self.stack, values)
        return self.stack

    def made(self, kind: str) -> dict[str, Any]:
        """Outputs of the only resource of a type."""
        (found,) = [each["outputs"] for each in self.stack.resources() if each["type"].endswith(f":{kind}")]
        return found

    def changes(self, values: Mapping[str, Any]) -> dict[str, str]:
        """What other arguments would do to which kinds of resources, besides nothing."""
        steps = [step for step in self.change(values).plan()["steps"] if step["op"] != "same"]
        return {step["urn"].split("::")[2].rpartition(":")[2]: step["op"] for step in steps}


@contextlib.contextmanager
def deployed(new_stack: Deploy, unreachable: Path, cloud: aws.Cloud, values: Mapping[str, Any]) -> Iterator[Parts]:
    """The stack, up."""
    with new_stack(unreachable, program=PROGRAM, destroyed=False) as stack:
        made = Parts(stack.configure(cloud.configuration), values)
        stack.up().succeeded()
        yield made


def values_of(cloud: aws.Cloud, **database: Any) -> dict[str, Any]:
    """A database, and a bucket with the role that may use it."""
    return {
        "database": database,
        "artifacts": {"awsBucket": {}},
        "identity": {"irsa": {}},
        "aws": cloud.facts,
        "deletionProtection": False,
    }


@pytest.fixture(scope="module")
def values(aws_cloud: aws.Cloud) -> dict[str, Any]:
    return values_of(aws_cloud, rds={**aws_cloud.database("postgresql", "changed"), "engineVersion": "16"})


@pytest.fixture(scope="module")
def made(new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud, values: dict[str, Any]) -> Iterator[Parts]:
    """An RDS instance of an older version, with all that belongs to it."""
    with deployed(new_aws_stack, unreachable, aws_cloud, values) as stack:
        yield stack


def test_a_restored_instance_plans_no_change(
    made: Parts, values: dict[str, Any], new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud
) -> None:
    source = made.made("Instance")
    snapshot = {"DBInstanceIdentifier": source["identifier"], "DBSnapshotIdentifier": "before"}
    aws_cloud.client("rds").create_db_snapshot(**snapshot)
    restored = with_changes(values, {"database.rds.snapshotIdentifier": "before"})
    with deployed(new_aws_stack, unreachable, aws_cloud, restored) as stack:
        assert stack.changes(restored) == {}
        database = stack.made("Instance")
        assert database["storageEncrypted"] is True
        assert database["kmsKeyId"] == source["kmsKeyId"] != stack.made("Key")["arn"]
        assert stack.changes(values) == {}, "the snapshot is looked at only once"
        another = with_changes(restored, {"database.rds.snapshotIdentifier": "another"})
        told = stack.change(another).preview().failed().output
        assert "mlflow-database exists and was restored from before" in told and "nothing was changed" in told
        assert stack.changes(with_changes(values, {"database.rds.database": "other"})) != {}
        # As earlier versions restored it, with a key that a restore does not take.
        state = json.loads(stack.stack.export())
        (restored_before,) = [each for each in state["deployment"]["resources"] if each["type"].endswith(":Instance")]
        restored_before["inputs"]["kmsKeyId"] = stack.made("Key")["arn"]
        del restored_before["inputs"]["tags"]["restored-from"]
        stack.stack.load(state)
        assert set(stack.changes(restored).values()) <= {"update"}, "the tag"


class TestCluster:
    """Apart, since it shares nothing with the others and may run beside them."""

    def test_a_restored_cluster_plans_no_change(
        self, new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud
    ) -> None:
        cluster = {**aws_cloud.database("postgresql", "cluster"), "serverlessV2": {}, "instances": 1}
        first = values_of(aws_cloud, aurora=cluster)
        restored = with_changes(first, {"database.aurora.snapshotIdentifier": "cluster-before"})
        with deployed(new_aws_stack, unreachable, aws_cloud, first) as source:
            identifier = source.made("Cluster")["clusterIdentifier"]
            snapshot = {"DBClusterIdentifier": identifier, "DBClusterSnapshotIdentifier": "cluster-before"}
            aws_cloud.client("rds").create_db_cluster_snapshot(**snapshot)
            with deployed(new_aws_stack, unreachable, aws_cloud, restored) as stack:
                assert stack.changes(restored) == {}
                assert stack.made("Cluster")["storageEncrypted"] is True
                assert stack.changes(first) == {}
            when = {"source": identifier, "pointInTime": "2026-03-14T09:26:53Z"}
            at_a_time = with_changes(first, {"database.aurora.restore": when})
            with deployed(new_aws_stack, unreachable, aws_cloud, at_a_time) as stack:
                assert stack.changes(at_a_time) == {}
                assert stack.made("Cluster")["kmsKeyId"] == stack.made("Key")["arn"], "a copy has a key of its own"
                assert stack.changes(first) == {}


def test_an_instance_at_a_point_in_time_plans_no_change(
    made: Parts, values: dict[str, Any], new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud
) -> None:
    source = made.made("Instance")
    when = {"source": source["identifier"], "pointInTime": "2026-03-14T11:26:53+02:00"}
    restored = with_changes(values, {"database.rds.restore": when})
    told = made.change(restored).preview().failed().output
    assert "database.rds.restore: mlflow-database exists and holds its own data" in told and "docs/restore.md" in told
    made.change(values)
    with deployed(new_aws_stack, unreachable, aws_cloud, restored) as stack:
        steps = stack.change(restored).plan()["steps"]
        assert [step.get("detailedDiff") for step in steps if step["op"] != "same"] == []
        database = stack.made("Instance")
        assert database["kmsKeyId"] == source["kmsKeyId"] != stack.made("Key")["arn"]
        assert database["dbName"] == source["dbName"] and database["identifier"] != source["identifier"]
        assert stack.changes(values) == {}, "the entry may go"


class TestAdoption:
    """Apart, since it shares nothing with the others and may run beside them."""

    def test_what_exists_is_taken_over_and_each_difference_is_told_before_anything_changes(
        self, new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud
    ) -> None:
        database = {**aws_cloud.database("postgresql", "adopted"), "identifier": "by-hand"}
        rds, s3, iam = (aws_cloud.client(name) for name in ("rds", "s3", "iam"))
        rds.create_db_instance(
            DBInstanceIdentifier="by-hand",
            DBInstanceClass="db.t4g.medium",
            Engine="postgres",
            EngineVersion="17",
            DBName="adopted",
            MasterUsername="adopted",
            MasterUserPassword="password-of-before",
            AllocatedStorage=20,
            # The emulated API takes no other one later, as AWS does.
            Port=database["port"],
            StorageEncrypted=True,
            BackupRetentionPeriod=3,
        )
        s3.create_bucket(Bucket="models-by-hand", CreateBucketConfiguration={"LocationConstraint": aws.REGION})
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        iam.create_role(RoleName="by-hand", AssumeRolePolicyDocument=trust)
        values = {**values_of(aws_cloud, rds=database), "artifacts": {"awsBucket": {"bucket": "models-by-hand"}}}
        ids = {
            "aws:rds/instance:Instance::mlflow-database": "by-hand",
            "aws:s3/bucket:Bucket::mlflow-artifacts": "models-by-hand",
            "aws:iam/role:Role::mlflow-role": "by-hand",
        }
        with new_aws_stack(unreachable, program=PROGRAM) as stack:
            made = Parts(stack.configure(aws_cloud.configuration), values)
            stack.take_over(ids).succeeded()
            steps = {step["urn"].rpartition("$")[2]: step for step in stack.plan()["steps"]}
            assert {steps[each]["op"] for each in ids} == {"update"}
            told = steps["aws:rds/instance:Instance::mlflow-database"]["detailedDiff"].keys()
            assert {
                "backupRetentionPeriod",
                "multiAz",
                "password",
                "tags.team",
            } <= told and "storageEncrypted" not in told
            # What was taken over is protected, so that nothing can take its place.
            other = with_changes(values, {"database.rds.database": "other", "deletionProtection": True})
            assert "protect" in made.change(other).preview().failed().output
            (before,) = rds.describe_db_instances(DBInstanceIdentifier="by-hand")["DBInstances"]
            assert before["BackupRetentionPeriod"] == 3, "nothing has changed yet"
            made.change(values).up().succeeded()
            (after,) = rds.describe_db_instances(DBInstanceIdentifier="by-hand")["DBInstances"]
            assert after["DbiResourceId"] == before["DbiResourceId"] and after["BackupRetentionPeriod"] == 14
            assert {step["op"] for step in stack.plan()["steps"]} == {"same"}, "one update takes all of it over"


def test_a_major_upgrade_is_refused_unless_it_is_allowed_and_happens_at_once(
    made: Parts, values: dict[str, Any]
) -> None:
    path = "database.rds.maintenance"
    newer = with_changes(values, {"database.rds.engineVersion": "17"})
    output = made.change(newer).preview().failed().output
    assert "'17' is a major upgrade of '16" in output and f"set {path}.allowMajorVersionUpgrade to true" in output
    deferred = with_changes(newer, {f"{path}.allowMajorVersionUpgrade": True})
    output = made.change(deferred).preview().failed().output
    assert "would wait for the maintenance window" in output and f"set {path}.applyImmediately to true" in output
    at_once = with_changes(deferred, {f"{path}.applyImmediately": True})
    assert made.changes(at_once) == {"Instance": "update", "ParameterGroup": "replace"}
    made.change(values)


def test_another_key_is_refused_while_objects_need_the_one_before(
    made: Parts, values: dict[str, Any], aws_cloud: aws.Cloud
) -> None:
    kms, first = aws_cloud.client("kms"), made.made("Key")["arn"]
    second, third = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))

    def with_keys(key: str, *former: str) -> dict[str, Any]:
        return with_changes(values, {"aws.kmsKeyArn": key, "aws.formerKmsKeyArns": former})

    output = made.change(with_keys(second)).preview().failed().output
    assert f"encrypted with {first}; add it to aws.formerKmsKeyArns" in output
    made.change(with_keys(second, first)).up().succeeded()
    # The key that was made is not deleted with its resource, and the database has it for life.
    assert kms.describe_key(KeyId=first)["KeyMetadata"]["KeyState"] == "Enabled"
    assert made.made("Instance")["kmsKeyId"] == first
    statements = {each["Sid"]: each for each in json.loads(made.made("RolePolicy")["policy"])["Statement"]}
    assert statements["EncryptAndDecrypt"]["Resource"] == second
    assert (statements["DecryptFormer"]["Action"], statements["DecryptFormer"]["Resource"]) == ("kms:Decrypt", [first])

    output = made.change(with_keys(third, first)).preview().failed().output
    assert f"encrypted with {second}; add it to aws.formerKmsKeyArns" in output
    changed = {"BucketServerSideEncryptionConfiguration": "update", "RolePolicy": "update"}
    assert made.changes(with_keys(third, first, second)) == changed
    # A key with which nothing is encrypted any more can be forgotten.
    assert made.changes(with_keys(second)) == {"RolePolicy": "update"}
    made.change(with_keys(second, first))


@pytest.mark.feature("gate")
def test_the_gate_refuses_what_loses_data_or_protection_and_tells_the_rest(made: Parts, values: dict[str, Any]) -> None:
    def judged(path: str, value: Any) -> gate.Judgement:
        return gate.judge(gate.read(json.dumps(made.change(with_changes(values, {path: value})).plan())))

    def refused(judgement: gate.Judgement) -> set[tuple[str, str, str]]:
        found = [each for each in judgement.findings if each.level is gate.Level.REFUSED]
        return {(each.rule, each.type, each.property) for each in found}

    instance = "aws:rds/instance:Instance"
    assert ("data", instance, "dbName") in refused(judged("database.rds.database", "other"))
    fewer = judged("database.rds.backup.retentionDays", 1)
    assert refused(fewer) == {("protection", instance, "backupRetentionPeriod")}
    larger = judged("database.rds.instanceClass", "db.r6g.large")
    assert refused(larger) == set()
    assert any("instanceClass" in each and "db.r6g.large" in each for each in larger.costs)
    assert any("the database restarts or fails over" in each.message for each in larger.findings)
    made.change(values)


def test_a_region_without_known_authorities_is_refused_by_the_preview(
    new_aws_stack: Deploy, unreachable: Path, aws_cloud: aws.Cloud
) -> None:
    database = {key: value for key, value in aws_cloud.database("postgresql", "unknown").items() if key != "tls"}
    with new_aws_stack(unreachable, program=PROGRAM) as stack:
        stack.configure({**aws_cloud.configuration, "aws:region": "mx-central-1"})
        output = Parts(stack, values_of(aws_cloud, rds=database)).stack.preview().failed().output
    assert "database.rds.tls.caCertificate: is required in mx-central-1" in output
    assert "https://truststore.pki.rds.amazonaws.com/mx-central-1/mx-central-1-bundle.pem" in output
