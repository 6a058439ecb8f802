"""What the roles and the bucket's policy allow, as an engine that implements IAM's evaluation decides it."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import AWS, AWS_FACTS, changed
from tests.graph.program import Graph, deploy
from toolchain.bare import emulators

pytestmark = pytest.mark.extended

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mlflow-role"
BUCKET, KEY = "arn:aws:s3:::mlflow-artifacts-1a2b3c4", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/mlflow-key-1a2b3c4"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/ABC"
PROVIDER = AWS_FACTS["oidcProviderArn"]
RUN = f"{BUCKET}/prod/1/run/artifacts/model/weights.bin"
TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
BESIDE = {"s3:prefix": "prod/1/run/artifacts/"}

# What MLflow does with its artifacts: action, resource, context.
NEEDED: list[tuple[str, str, dict[str, str]]] = [
    ("s3:PutObject", RUN, {}),
    ("s3:GetObject", RUN, {}),
    ("s3:DeleteObject", RUN, {}),
    ("s3:AbortMultipartUpload", RUN, {}),
    ("s3:ListMultipartUploadParts", RUN, {}),
    ("s3:ListBucket", BUCKET, BESIDE),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "prod"}),
    ("s3:ListBucketMultipartUploads", BUCKET, {}),
    ("s3:GetBucketLocation", BUCKET, {}),
    ("kms:GenerateDataKey", KEY, {}),
    ("kms:Decrypt", KEY, {}),
]

OTHER_BUCKET, OTHER_KEY = "arn:aws:s3:::mlflow-artifacts-other", KEY.replace("mlflow-key", "other-key")
DATABASE = f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:mlflow-0a1b2c3d"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:any-AbCdEf"
LOGIN = f"arn:aws:rds-db:eu-central-1:{ACCOUNT}:dbuser:db-ABCDEFGHIJKL/mlflow"
# What a compromised server might try.
REFUSED: list[tuple[str, str, dict[str, str]]] = [
    ("s3:GetObject", f"{OTHER_BUCKET}/prod/x", {}),
    ("s3:PutObject", f"{OTHER_BUCKET}/prod/x", {}),
    ("s3:DeleteObject", f"{OTHER_BUCKET}/prod/x", {}),
    ("s3:ListBucket", OTHER_BUCKET, BESIDE),
    ("s3:GetObject", f"{BUCKET}/other/x", {}),
    ("s3:PutObject", f"{BUCKET}/other/x", {}),
    ("s3:PutObject", f"{BUCKET}/production/x", {}),
    ("s3:ListBucket", BUCKET, {}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": ""}),
    ("s3:ListBucket", BUCKET, {"s3:prefix": "production/"}),
    ("s3:ListBucketVersions", BUCKET, BESIDE),
    ("s3:GetObjectVersion", RUN, {}),
    ("s3:DeleteObjectVersion", RUN, {}),
    ("s3:PutObjectAcl", RUN, {}),
    ("s3:PutObjectTagging", RUN, {}),
    ("s3:BypassGovernanceRetention", RUN, {}),
    ("s3:DeleteBucket", BUCKET, {}),
    ("s3:PutBucketPolicy", BUCKET, {}),
    ("s3:DeleteBucketPolicy", BUCKET, {}),
    ("s3:PutBucketVersioning", BUCKET, {}),
    ("s3:PutBucketAcl", BUCKET, {}),
    ("s3:PutBucketPublicAccessBlock", BUCKET, {}),
    ("s3:PutEncryptionConfiguration", BUCKET, {}),
    ("s3:PutLifecycleConfiguration", BUCKET, {}),
    ("kms:Decrypt", OTHER_KEY, {}),
    ("kms:GenerateDataKey", OTHER_KEY, {}),
    ("kms:ScheduleKeyDeletion", KEY, {}),
    ("kms:PutKeyPolicy", KEY, {}),
    ("kms:CreateGrant", KEY, {}),
    ("iam:PutRolePolicy", ROLE, {}),
    ("iam:PassRole", ROLE, {}),
    ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/administrator", {}),
    ("rds:DeleteDBInstance", DATABASE, {}),
    ("rds:ModifyDBInstance", DATABASE, {}),
    ("rds-db:connect", LOGIN, {}),
    ("secretsmanager:GetSecretValue", SECRET, {}),
]

# What AWS gives a key that is made without a policy: the account's IAM policies decide.
DEFAULT_KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
    ],
}

SUBJECT, AUDIENCE = f"{ISSUER}:sub", f"{ISSUER}:aud"
OURS = {SUBJECT: "system:serviceaccount:mlflow:mlflow", AUDIENCE: "sts.amazonaws.com"}
TAGS = {
    "aws:RequestTag/eks-cluster-name": "tools",
    "aws:RequestTag/kubernetes-namespace": "mlflow",
    "aws:RequestTag/kubernetes-service-account": "mlflow",
}


@functools.cache
def graph(identity: str) -> Graph:
    return deploy(changed(AWS, "identity", {identity: {}}))


def policy(kind: str, name: str, field: str, identity: str = "irsa") -> Any:
    (found,) = [r for r in graph(identity) if r.type.endswith(f":{kind}") and r.name == name]
    return json.loads(found.inputs[field])


@pytest.fixture(scope="module")
def modules() -> Path:
    """Where the simulator is."""
    return emulators.npm("iam-simulate")


def decided(modules: Path, simulations: list[dict[str, Any]]) -> list[str]:
    script = Path(__file__).parents[1] / "support" / "iam_simulate.mjs"
    command = ["node", str(script), str(modules)]
    done = subprocess.run(command, input=json.dumps(simulations), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def request(action: str, resource: str, context: dict[str, str]) -> dict[str, Any]:
    """A request of the pods, over TLS unless the context says otherwise."""
    beside = policy("BucketPolicy", "mlflow-artifacts", "policy") if resource.startswith(BUCKET) else None
    return _simulation(
        ROLE,
        (action, resource, {**(TLS if action.startswith("s3:") else {}), **context}),
        identity=policy("RolePolicy", "mlflow-role", "policy"),
        resource=DEFAULT_KEY_POLICY if action.startswith("kms:") else beside,
    )


def tokens(context: dict[str, str], provider: str = PROVIDER) -> dict[str, Any]:
    """A token of a cluster for the role. The simulator knows the keys of a few issuers only, so ours takes the name of one of
    them, in the policy and in the request."""
    trust = json.dumps(policy("Role", "mlflow-role", "assumeRolePolicy")).replace(
        f'"{ISSUER}:', '"accounts.google.com:'
    )
    known = {key.replace(f"{ISSUER}:", "accounts.google.com:"): value for key, value in context.items()}
    asked = ("sts:AssumeRoleWithWebIdentity", ROLE, known)
    return _simulation(provider, asked, None, json.loads(trust))


def _simulation(who: str, asked: tuple[str, str, dict[str, str]], identity: Any, resource: Any) -> dict[str, Any]:
    action, target, context = asked
    return {
        "request": {
            "principal": who,
            "action": action,
            "resource": {"resource": target, "accountId": ACCOUNT},
            "contextVariables": context,
        },
        "identityPolicies": [{"name": "pods", "policy": identity}] if identity else [],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        "resourcePolicy": resource,
    }


def test_the_role_can_do_all_that_mlflow_does(modules: Path) -> None:
    results = decided(modules, [request(*each) for each in NEEDED])
    assert dict(zip(map(str, NEEDED), results, strict=True)) == {str(each): "Allowed" for each in NEEDED}


def test_the_role_can_do_nothing_else(modules: Path) -> None:
    assert len(REFUSED) >= 30
    results = decided(modules, [request(*each) for each in REFUSED])
    assert dict(zip(map(str, REFUSED), results, strict=True)) == {str(each): "ImplicitlyDenied" for each in REFUSED}


@pytest.mark.parametrize("context", [{"aws:SecureTransport": "false"}, {"s3:TlsVersion": "1.1"}])
def test_nobody_uses_the_bucket_without_tls(modules: Path, context: dict[str, str]) -> None:
    results = decided(modules, [request(action, RUN, context) for action in ("s3:GetObject", "s3:PutObject")])
    assert results == ["ExplicitlyDenied", "ExplicitlyDenied"]


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        (OURS, True),
        ({**OURS, SUBJECT: "system:serviceaccount:mlflow:default"}, False),
        ({**OURS, SUBJECT: "system:serviceaccount:other:mlflow"}, False),
        ({**OURS, SUBJECT: "system:serviceaccount:mlflow:mlflow-2"}, False),
        ({**OURS, AUDIENCE: "https://kubernetes.default.svc"}, False),
        ({SUBJECT: OURS[SUBJECT]}, False),
        ({"oidc.eks.eu-central-1.amazonaws.com/id/XYZ:sub": OURS[SUBJECT], AUDIENCE: OURS[AUDIENCE]}, False),
    ],
)
def test_only_the_service_account_takes_the_role(modules: Path, context: dict[str, str], allowed: bool) -> None:
    (result,) = decided(modules, [tokens(context)])
    assert result == ("Allowed" if allowed else "ImplicitlyDenied")


def test_another_issuer_of_the_account_does_not_take_the_role(modules: Path) -> None:
    (result,) = decided(modules, [tokens(OURS, PROVIDER.replace("ABC", "XYZ"))])
    assert result == "ImplicitlyDenied"


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        (TAGS, True),
        ({**TAGS, "aws:RequestTag/kubernetes-service-account": "default"}, False),
        ({**TAGS, "aws:RequestTag/kubernetes-namespace": "other"}, False),
        ({**TAGS, "aws:RequestTag/eks-cluster-name": "other"}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession"])
def test_only_the_association_of_the_service_account_takes_the_role(
    modules: Path, action: str, context: dict[str, str], allowed: bool
) -> None:
    trust = policy("Role", "mlflow-role", "assumeRolePolicy", "podIdentity")
    (result,) = decided(modules, [_simulation("pods.eks.amazonaws.com", (action, ROLE, context), None, trust)])
    assert result == ("Allowed" if allowed else "ImplicitlyDenied")
