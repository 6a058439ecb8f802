"""Refusals of what is made on AWS, and its pure functions."""

import json
import re
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from components.arguments.clouds.aws import issuer
from components.arguments.database.aws import AwsEngine, max_connections, memory_gib
from components.aws import certificates, policies
from tests.configurations import AWS, DEV, PRODUCTION, changed, with_changes
from tests.unit.refusals import NO_TIMES, PAST, messages

RDS = "database.rds"
AURORA = with_changes(AWS, {"database": {"aurora": {"engine": "postgresql", "serverlessV2": {}}}})
MYSQL = changed(AWS, "database.rds.engine", "mysql")
A_MYSQL_CLUSTER = changed(AURORA, "database.aurora.engine", "mysql")
BUCKET_ONLY = with_changes(DEV, {"artifacts": {"awsBucket": {}}, "identity": {"existing": {}}})
MODELS = {"bucket": "models", "region": "eu-central-1"}
S3_AND_ROLE = with_changes(PRODUCTION, {"artifacts.s3": MODELS, "identity": {"irsa": {}}, "aws": AWS["aws"]})
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
CLUSTER_SNAPSHOT = "arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:before"

# Configuration, path, what is refused there, what is accepted there.
VALUES: list[tuple[Any, str, list[Any], list[Any]]] = [
    (AWS, "aws.vpcId", ["vpc-1", "10.0.0.0/16", None, "projects/p/global/networks/n"], ["vpc-12345678"]),
    (AWS, "aws.subnetIds", [["subnet-12345678"], ["subnet-12345678"] * 2, ["subnet-12345678", "b"], None, []], [["subnet-12345678", "subnet-12345679"]]),
    (AWS, "aws.availabilityZones", [["a", "a"], ["a"], ["a", "b", "c"]], [["a", "b"], []]),
    (AWS, "aws.clusterSecurityGroupIds", [[], ["default"]], [["sg-12345678", "sg-12345679"]]),
    (AWS, "aws.kmsKeyArn", ["alias/x", "1234abcd", "projects/p/locations/l/keyRings/r/cryptoKeys/k", "/subscriptions/s", ARN.replace("key/", "alias/")], [ARN, ARN.replace("aws", "aws-cn", 1), None]),
    (changed(AWS, "aws.kmsKeyArn", ARN), "aws.formerKmsKeyArns", [[ARN], ["alias/x"], ["/subscriptions/s"]], [[], [f"{ARN}5", f"{ARN}6"]]),
    (AWS, "aws.permissionsBoundary", ["bounds", "arn:aws:iam::1:policy/x"], ["arn:aws:iam::111122223333:policy/a/b", "arn:aws:iam::aws:policy/PowerUserAccess"]),
    (AWS, "aws.oidcProviderArn", [None, "oidc.eks.x/id/y", "arn:aws:iam::111122223333:role/x"], ["arn:aws-us-gov:iam::111122223333:oidc-provider/x.example"]),
    (AWS, "aws.oidcIssuerUrl", ["http://x.example", "https://other.example/id/ABC", "x y"], [f"https://{AWS['aws']['oidcProviderArn'].partition('oidc-provider/')[2]}"]),
    (AWS, "aws.tags", [{"aws:x": "y"}, {"": "x"}, {"a" * 129: "x"}], [{"a b": "c d", "a" * 128: ""}]),
    (changed(AWS, "identity", {"podIdentity": {}}), "aws.clusterName", [None, "a/b", "-a"], ["tools", "a" * 100]),
    (DEV, "aws", [{}, AWS["aws"]], [None]),
    (PRODUCTION, "aws", [AWS["aws"]], [None]),
    (AWS, "database.postgresql", [{"host": "db", "password": "p"}], [None]),
    (AWS, "artifacts.s3", [MODELS], [None]),
    (AWS, "identity.existing", [{}], [None]),
    (AWS, "identity.irsa.maxSessionHours", [0, 13], [1, 12]),
    (AWS, "identity", [None, {}], [{"existing": {}}]),
    (AWS, "serviceAccount", [{"create": False, "name": "own"}], [{"name": "own"}]),
    (changed(AWS, "identity", {"podIdentity": {}}), "serviceAccount", [], [{"create": False, "name": "own"}]),
    (BUCKET_ONLY, "identity", [None], [{"existing": {}}]),
    (S3_AND_ROLE, "artifacts", [{"volume": {"accessMode": "ReadWriteMany"}}], [{"s3": MODELS}]),
    (S3_AND_ROLE, "artifacts.s3", [{"bucket": "models", "endpointUrl": "http://m"}, {**MODELS, "existingSecret": {"name": "s"}}], [MODELS]),
    (PRODUCTION, "identity", [{"alibabaRam": {"roleName": "acs:ram::1:role/x"}}, {"alibabaRam": {}}], [{"alibabaRam": {"roleName": "mlflow"}}]),
    (AWS, f"{RDS}.engine", ["postgres", "mariadb", None], ["postgresql"]),
    (AWS, f"{RDS}.engineVersion", ["12", "17.4", "18", "8.4", "latest"], ["13", "17", None]),
    (MYSQL, f"{RDS}.engineVersion", ["5.7", "8.0.40", "17"], ["8.0", "8.4"]),
    (A_MYSQL_CLUSTER, "database.aurora.engineVersion", ["8.4", "8.0.mysql_aurora.3.08.0"], ["8.0"]),
    (AWS, f"{RDS}.identifier", ["a--b", "1a", "a-", "A", "a_b", "a" * 64, "a"], ["ab", "a-b", "a" * 63]),
    (AWS, f"{RDS}.snapshotIdentifier", ["", "a b", "1a"], ["before", "rds:mlflow-2026-01-01-03-05", "arn:aws:rds:eu-central-1:111122223333:snapshot:before"]),
    (AWS, f"{RDS}.restore", [{}, {"source": "mlflow"}, {"pointInTime": PAST}, {"snapshot": "before", "source": "mlflow"}, {"snapshot": "a b"}, {"snapshot": CLUSTER_SNAPSHOT}, {"source": "a/b", "pointInTime": PAST}, {"source": "mlflow", "pointInTime": PAST, "snapshot": "before"}], [{"snapshot": "before"}, {"source": "mlflow-0a1b2c3d", "pointInTime": PAST}, {"source": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "pointInTime": PAST}]),
    (AWS, f"{RDS}.restore", [{"source": "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "pointInTime": PAST}], []),
    (AURORA, "database.aurora.restore", [{"source": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "pointInTime": PAST}], [{"source": "cluster-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "pointInTime": PAST}]),
    (changed(AWS, f"{RDS}.restore", {"source": "mlflow", "pointInTime": PAST}), f"{RDS}.identifier", ["mlflow"], [None, "mlflow-2"]),
    (changed(AWS, f"{RDS}.restore", {"snapshot": "before"}), f"{RDS}.snapshotIdentifier", ["before"], [None]),
    (AWS, f"{RDS}.snapshotIdentifier", [CLUSTER_SNAPSHOT], []),
    (AURORA, "database.aurora.restore", [{"snapshot": CLUSTER_SNAPSHOT.replace("cluster-", "")}], [{"snapshot": CLUSTER_SNAPSHOT}, {"source": "mlflow", "pointInTime": PAST}]),
    (AURORA, "database.aurora.restore", [{"source": "mlflow", "pointInTime": each} for each in NO_TIMES], []),
    (AWS, f"{RDS}.database", ["", "1a", "a-b", "a" * 64], ["a", "A_1", "a" * 63]),
    (AWS, f"{RDS}.port", [80, 1149, 65_536], [1150, 5432]),
    (AWS, f"{RDS}.username", ["", "1a", "a-b", "admin", "postgres", "a" * 64], ["a", "a" * 63]),
    (MYSQL, f"{RDS}.username", ["a" * 17], ["a" * 16]),
    (AWS, f"{RDS}.password", ["short", "a" * 42, "with space", "with/slash", 'with"quote', "with@at12"], ["12345678", "!#$%&()*+,-.:;<=>?[]^_`{|}~"]),
    (AWS, f"{RDS}.instanceClass", ["t4g.medium", "db.t4g", "m5.large", "db.T4G.medium"], ["db.m7g.large", "db.r6gd.2xlarge"]),
    (AWS, f"{RDS}.storageGb", [19, 65_537], [20]),
    (AWS, f"{RDS}.maxStorageGb", [0, 20, 21, 65_537], [22, 65_536]),
    (AWS, f"{RDS}.backup.retentionDays", [0, 36, 31], [1, 30]),
    (AWS, f"{RDS}.backup.window", ["3-4", "03:00-03:20", "24:00-25:00", "03:00"], ["03:00-03:30", "23:45-00:30"]),
    (changed(AWS, f"{RDS}.backup.window", "03:00-04:00"), f"{RDS}.maintenance.window", ["sun:03:30-sun:04:30"], ["sun:04:00-sun:05:00"]),
    (AWS, f"{RDS}.maintenance.window", ["sunday:03:00-sunday:04:00", "03:00-04:00"], ["mon:23:30-tue:00:30"]),
    (AWS, f"{RDS}.monitoring.intervalSeconds", [2, 61, -1], [0, 1, 60]),
    (AWS, f"{RDS}.monitoring.logRetentionDays", [0, 2, 366], [1, 365, 3653]),
    (with_changes(MYSQL, {f"{RDS}.instanceClass": "db.t4g.small"}), f"{RDS}.monitoring.performanceInsights", [True], [False]),
    (AWS, f"{RDS}.tls.authority", ["rds-ca-2019"], ["rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"]),
    (AWS, f"{RDS}.tls.caCertificate", ["no"], [None]),
    (AWS, f"{RDS}.parameters", [{"rds.force_ssl": "0"}], [{"work_mem": "1024"}]),
    (AWS, f"{RDS}.connectionLimit", [0, 59], [60]),
    (with_changes(AWS, {"server.replicas": 4}), f"{RDS}.instanceClass", ["db.t4g.micro"], ["db.t4g.small"]),
    (AURORA, "database.aurora.provisioned", [{}], [None]),
    (AURORA, "database.aurora.serverlessV2", [None], [{"minCapacity": 0, "maxCapacity": 1}]),
    (AURORA, "database.aurora.serverlessV2.minCapacity", [0.3, -1, 4.5], [0, 0.5, 4]),
    (AURORA, "database.aurora.serverlessV2.maxCapacity", [0.5, 256.5, 1.2], [1, 256]),
    (AURORA, "database.aurora.instances", [0, 17], [1, 16]),
    (AWS, "artifacts.awsBucket.bucket", ["ab", "A", "a_b", "s3://a", "xn--abc", "10.0.0.1"], ["abc", None]),
    (AWS, "artifacts.awsBucket.prefix", ["/a", "a/"], ["", "a/b"]),
    (AWS, "artifacts.awsBucket.noncurrentVersionDays", [13, 0, 3651], [14, 3650]),
    (AWS, "artifacts.awsBucket.abortUploadDays", [0, 366], [1, 365]),
    (AWS, "artifacts.awsBucket.forceDestroy", [True], [False]),
    (changed(AWS, "deletionProtection", False), "artifacts.awsBucket.forceDestroy", [], [True]),
    (changed(AWS, "artifacts.awsBucket.bucket", "models"), "artifacts.awsBucket.accessLogs", [{"bucket": "models"}, {}], [{"bucket": "logs"}]),
    (AWS, "migrationTimeoutSeconds", [120], [121]),
    (AWS, "image.tag", ["v9"], ["v9-full"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "path", "value"), [(base, path, value) for base, path, refused, _ in VALUES for value in refused]
)
def test_value_is_refused_once_with_path_and_fix(base, path: str, value) -> None:
    lines = messages(changed(base, path, value))
    assert len(lines) == 1, lines
    assert "; " in lines[0]


@pytest.mark.parametrize(
    ("base", "path", "value"), [(base, path, value) for base, path, _, accepted in VALUES for value in accepted]
)
def test_value_is_accepted(base, path: str, value) -> None:
    assert messages(changed(base, path, value)) == []


def test_issuer_is_the_same_with_and_without_scheme() -> None:
    assert {issuer(url) for url in ("https://a.example/id/X", "a.example/id/X", "https://a.example/id/X/")} == {
        "a.example/id/X"
    }


@pytest.mark.parametrize(
    ("engine", "instance", "aurora", "documented"),
    [
        # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraMySQL.Managing.Performance.html
        (AwsEngine.MYSQL, "db.t3.medium", True, 90),
        (AwsEngine.MYSQL, "db.r6g.large", True, 1000),
        (AwsEngine.MYSQL, "db.r6g.xlarge", True, 2000),
        (AwsEngine.POSTGRESQL, "db.r6g.8xlarge", True, 5000),
        (AwsEngine.POSTGRESQL, "db.t4g.medium", False, 450),
        (AwsEngine.MYSQL, "db.m7g.large", False, 682),
    ],
)
def test_estimated_connections_are_near_and_not_above_what_is_granted(engine, instance, aurora, documented) -> None:
    estimated = max_connections(engine, memory_gib(instance), aurora)
    assert estimated is not None
    assert 0.65 * documented <= estimated <= documented * 1.05


@pytest.mark.parametrize("instance", ["db.x2g.large", "db.serverless", "db.m5", "db.z1d.large"])
def test_memory_of_an_unknown_class_is_not_guessed(instance: str) -> None:
    assert memory_gib(instance) is None and max_connections(AwsEngine.MYSQL, None, aurora=False) is None


def test_authorities_are_those_of_their_region_and_as_their_fingerprints_say() -> None:
    text = certificates._FILE.read_text()
    entries = re.findall(r"^# (\S+) (\S+) sha256:(\S+)\n(-----BEGIN.*?-----END CERTIFICATE-----\n)", text, re.M | re.S)
    assert len(entries) == 81 == text.count("-----BEGIN")
    for region, kind, fingerprint, pem in entries:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        (name,) = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert name.value == f"Amazon RDS {region} Root CA {kind.upper()} G1"
        assert certificate.issuer == certificate.subject
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert certificate.fingerprint(hashes.SHA256()).hex() == fingerprint
        certificate.verify_directly_issued_by(certificate)
        assert certificate.not_valid_after_utc.year >= 2061
        assert pem in certificates.of_region(region, "")


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("mx-central-1", "//truststore.pki.rds.amazonaws.com/mx-central-1/mx-central-1-bundle.pem"),
        ("cn-north-1", "//rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem"),
        ("us-gov-east-1", "//truststore.pki.us-gov-west-1.rds.amazonaws.com/us-gov-east-1/us-gov-east-1-bundle.pem"),
        ("us-iso-east-1", "the documentation of its partition"),
        ("eusc-de-east-1", "the documentation of its partition"),
    ],
)
def test_region_without_authorities_is_told_what_to_do(region: str, place: str) -> None:
    with pytest.raises(Exception, match=rf"^{RDS}\.tls\.caCertificate: is required in {region}.* give .*{place}"):
        certificates.of_region(region, f"{RDS}.tls.caCertificate")


def test_policies_are_the_same_text_each_time_and_name_no_wildcard_resource() -> None:
    made = policies.document(*policies.use_of_bucket("arn:aws:s3:::models", "prod"), *policies.use_of_keys(ARN, [ARN]))
    assert made == policies.document(
        *policies.use_of_bucket("arn:aws:s3:::models", "prod"), *policies.use_of_keys(ARN, [ARN])
    )
    for statement in json.loads(made)["Statement"]:
        assert statement["Resource"] != "*" and "*" not in str(statement["Action"])
