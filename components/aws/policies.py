"""IAM documents: who may assume the pods' role, and what it may do. Pure functions of names and ARNs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]


def document(*statements: Statement) -> str:
    """A policy document, deterministic for the same statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def trust_of_service(service: str) -> str:
    """Trust of an AWS service."""
    return document({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


def trust_of_issuer(provider_arn: str, issuer: str, namespace: str, account: str) -> str:
    """Trust of one ServiceAccount by the cluster's OIDC provider: exactly this subject, and only tokens issued for AWS.

    Args:
        provider_arn: ARN of the IAM OIDC provider.
        issuer: The issuer without scheme.
        namespace: Namespace of the ServiceAccount.
        account: Name of the ServiceAccount.
    """
    conditions = {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{account}",
    }
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": conditions},
        }
    )


def trust_of_pod_identity(cluster: str, namespace: str, account: str) -> str:
    """Trust of one ServiceAccount by EKS Pod Identity. Without the tags, any association in the account could use the role:
    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html."""
    tags = {
        "aws:RequestTag/eks-cluster-name": cluster,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": account,
    }
    return document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": tags},
        }
    )


def use_of_bucket(bucket_arn: str, prefix: str) -> Sequence[Statement]:
    """What MLflow does with its artifacts. It gets no access to versions, so that deleted objects can be restored.

    Args:
        bucket_arn: ARN of the bucket.
        prefix: Path in the bucket; empty for the whole bucket.
    """
    inside = f"{prefix}/*" if prefix else "*"
    listing: dict[str, Any] = {
        "Sid": "List",
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": bucket_arn,
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [prefix, inside]}}
    return [
        listing,
        {
            "Sid": "Locate",
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
            "Resource": bucket_arn,
        },
        {
            "Sid": "ReadAndWrite",
            "Effect": "Allow",
            "Action": [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            "Resource": f"{bucket_arn}/{inside}",
        },
    ]


_KEY, _FORMER_KEYS = "EncryptAndDecrypt", "DecryptFormer"


def use_of_keys(key_arn: str | None, former: Sequence[str] = ()) -> Sequence[Statement]:
    """What S3 requires of callers for encrypted objects.

    Args:
        key_arn: The key of new objects; None if S3 encrypts them with its own.
        former: Keys that existing objects are encrypted with.
    """
    statements: list[Statement] = []
    if key_arn:
        actions = ["kms:Decrypt", "kms:GenerateDataKey"]
        statements.append({"Sid": _KEY, "Effect": "Allow", "Action": actions, "Resource": key_arn})
    if former:
        statements.append({"Sid": _FORMER_KEYS, "Effect": "Allow", "Action": "kms:Decrypt", "Resource": list(former)})
    return statements


def lost_key(old: str, new: str) -> str | None:
    """The current key of an old policy, if a new one for the same bucket no longer allows decrypting with it."""
    before, after = ({each["Sid"]: each["Resource"] for each in json.loads(text)["Statement"]} for text in (old, new))
    key = before.get(_KEY)
    kept = (after.get(_KEY), *after.get(_FORMER_KEYS, ()))
    return key if key is not None and key not in kept and before["List"] == after["List"] else None


def secure_transport_only(bucket_arn: str) -> str:
    """Bucket policy that refuses every request without TLS 1.2 or newer."""
    everything = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
    }
    return document(
        {"Sid": "DenyPlainText", "Condition": {"Bool": {"aws:SecureTransport": "false"}}, **everything},
        {"Sid": "DenyOldTls", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}, **everything},
    )
