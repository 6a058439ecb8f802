"""What a deployment on AWS needs to know of its surroundings, and checks of AWS identifiers."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from ..base import Block, Input, Problem, block, plain
from ..checks import pattern

_PARTITION = r"arn:aws[a-z-]*"
OIDC_PROVIDER = rf"{_PARTITION}:iam::\d{{12}}:oidc-provider/(?P<issuer>.+)"


@block
class AwsArgs(Block):
    """The account, network and cluster around the deployment. Each fact may be an output of the program that makes it."""

    vpc_id: Input[str] | None = None
    """VPC of the cluster, in which the database is placed."""
    subnet_ids: Input[list[Input[str]]] | None = None
    """Private subnets for the database, in at least two availability zones."""
    availability_zones: list[str] = Field(default_factory=list)
    """Availability zones of the subnets in the same order. Not needed; with them subnets that all lie in one zone are
    refused at preview instead of by AWS."""
    cluster_security_group_ids: list[Input[str]] = Field(default_factory=list)
    """Security groups of the cluster's nodes, or of the pods where they have their own. Nothing else reaches the
    database."""
    cluster_name: Input[str] | None = None
    """Name of the EKS cluster, for `identity.podIdentity`."""
    oidc_provider_arn: Input[str] | None = None
    """ARN of the IAM OIDC provider of the cluster, for `identity.irsa`."""
    oidc_issuer_url: Input[str] | None = None
    """The cluster's OIDC issuer, with or without `https://`. Follows from `oidcProviderArn` if not given."""
    kms_key_arn: Input[str] | None = None
    """KMS key that encrypts database and bucket. One is made for them if not given."""
    permissions_boundary: Input[str] | None = None
    """ARN of the policy that bounds every role that is made."""
    tags: dict[str, Input[str]] = Field(default_factory=dict)
    """Tags of every AWS resource."""

    def problems(self) -> Iterable[Problem]:
        yield from identifier(self.vpc_id, "vpc", "vpc_id")
        yield from self._subnets()
        for index, group in enumerate(self.cluster_security_group_ids):
            yield from (
                Problem(("cluster_security_group_ids", index), p.message, p.fix)
                for p in identifier(group, "sg", "cluster_security_group_ids")
            )
        yield from pattern(
            self.cluster_name,
            r"[0-9A-Za-z][\w-]{0,99}",
            "cluster_name",
            "the name of an EKS cluster",
            "give the name alone: at most 100 letters, digits, '-' and '_'",
        )
        yield from arn(self.kms_key_arn, r"kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "kms_key_arn", "a KMS key")
        yield from arn(
            self.permissions_boundary, r"iam::(\d{12}|aws):policy/.+", "permissions_boundary", "an IAM policy"
        )
        yield from arn(self.oidc_provider_arn, r"iam::\d{12}:oidc-provider/.+", "oidc_provider_arn", "an OIDC provider")
        yield from self._issuer()
        for key in self.tags:
            if key.lower().startswith("aws:") or not 1 <= len(key) <= 128:
                fix = "use 1 to 128 characters, and no prefix 'aws:', which AWS reserves"
                yield Problem(("tags", key), "is not the key of a tag", fix)

    def _subnets(self) -> Iterator[Problem]:
        subnets = plain(self.subnet_ids)
        if not isinstance(subnets, list) or not subnets:
            return
        known = [subnet for subnet in subnets if isinstance(subnet, str)]
        for subnet in known:
            yield from identifier(subnet, "subnet", "subnet_ids")
        if len(subnets) < 2:
            yield Problem(
                ("subnet_ids",), f"{len(subnets)} subnet lies in one zone", "give subnets in two zones or more"
            )
        elif len(set(known)) < len(known):
            yield Problem(("subnet_ids",), "names a subnet twice", "give different subnets, in two zones or more")
        zones = self.availability_zones
        if zones and len(zones) != len(subnets):
            yield Problem(
                ("availability_zones",),
                f"{len(zones)} zones for {len(subnets)} subnets",
                "give the zone of each subnet",
            )
        elif zones and len(set(zones)) < 2:
            yield Problem(
                ("subnet_ids",), f"all lie in the zone {zones[0]!r}", "give subnets in two availability zones or more"
            )

    def _issuer(self) -> Iterator[Problem]:
        wrong = pattern(
            self.oidc_issuer_url,
            r"(https://)?[\w.-]+(:\d+)?(/[\w.~-]+)*/?",
            "oidc_issuer_url",
            "an OIDC issuer",
            "write it as EKS shows it: https://oidc.eks.<region>.amazonaws.com/id/<id>",
        )
        for problem in wrong:
            yield problem
            return
        provider, url = plain(self.oidc_provider_arn), plain(self.oidc_issuer_url)
        match = re.fullmatch(OIDC_PROVIDER, provider) if isinstance(provider, str) else None
        if match and isinstance(url, str) and issuer(url) != match["issuer"]:
            message = f"{url!r} is not the issuer of the provider, {match['issuer']!r}"
            yield Problem(("oidc_issuer_url",), message, "remove it, or name the provider of that issuer")


def issuer(url: str) -> str:
    """An OIDC issuer as trust policies spell it: without scheme and trailing slash."""
    return url.removeprefix("https://").rstrip("/")


def arn(value: Any, rest: str, path: str, what: str) -> Iterator[Problem]:
    """A known ARN must be of the right kind."""
    known = plain(value)
    if not isinstance(known, str):
        return
    if re.match(r"projects/|/subscriptions/|acs:", known):
        yield Problem((path,), f"{known!r} belongs to another cloud", f"give the ARN of {what} on AWS")
    else:
        yield from pattern(
            known, rf"{_PARTITION}:{rest}", path, f"the ARN of {what}", "write it as AWS shows it: arn:aws:…"
        )


def identifier(value: Any, prefix: str, path: str) -> Iterator[Problem]:
    """What AWS names itself: `vpc-…`, `subnet-…`, `sg-…`."""
    fix = f"write it as AWS shows it: {prefix}-0123456789abcdef0"
    yield from pattern(value, rf"{prefix}-[0-9a-f]{{8}}([0-9a-f]{{9}})?", path, f"the id of a {prefix}", fix)


def choices(root: Any) -> list[str]:
    """What is made on AWS, as stack files spell it: `database.rds`."""
    return [
        f"{block}.{to_camel(name)}" for block, name in CHOICES if getattr(getattr(root, block), name, None) is not None
    ]


def problems_of(root: Any) -> Iterator[Problem]:
    """What must hold between `aws` and the choices of the other blocks.

    Args:
        root: The arguments of the deployment.
    """
    facts = root.aws or AwsArgs()
    made = choices(root)
    if root.aws is not None and not made:
        spelled = ", ".join(f"{block}.{to_camel(name)}" for block, name in CHOICES)
        fix = f"remove it, or choose one of: {spelled}"
        yield Problem(("aws",), "nothing in this deployment is made on AWS", fix, either=CHOICES)
    for choice, needed in _NEEDED.items():
        for name in needed if choice in made else ():
            if not getattr(facts, name):
                yield Problem(
                    ("aws", name), f"is required with {choice}", "give it, or an output of the program that makes it"
                )
    yield from _bucket(root, root.artifacts.aws_bucket, made)
    yield from _role(root, made)


CHOICES = (
    ("database", "rds"),
    ("database", "aurora"),
    ("artifacts", "aws_bucket"),
    ("identity", "irsa"),
    ("identity", "pod_identity"),
)
"""What is made on AWS."""

_NETWORK = ("vpc_id", "subnet_ids", "cluster_security_group_ids")
_NEEDED = {
    "database.rds": _NETWORK,
    "database.aurora": _NETWORK,
    "identity.irsa": ("oidc_provider_arn",),
    "identity.podIdentity": ("cluster_name",),
}


def _bucket(root: Any, bucket: Any, made: list[str]) -> Iterator[Problem]:
    if bucket is None:
        return
    database = root.database.rds or root.database.aurora
    if database is not None and bucket.noncurrent_version_days < database.backup.retention_days:
        message = (
            f"{bucket.noncurrent_version_days} days are less than the {database.backup.retention_days} of the database's "
            "backups: a restored database would name artifacts that are gone"
        )
        fix = f"use {database.backup.retention_days} or more"
        choice = "rds" if root.database.rds is not None else "aurora"
        retention = ("database", choice, "backup", "retention_days")
        yield Problem(("artifacts", "aws_bucket", "noncurrent_version_days"), message, fix, either=(retention,))
    if bucket.force_destroy and root.deletion_protection:
        message = "would delete all artifacts, and deletionProtection is on"
        yield Problem(("artifacts", "aws_bucket", "force_destroy"), message, "set deletionProtection to false as well")
    if not any(choice.startswith("identity.") for choice in made) and root.identity is None:
        message = "is required with artifacts.awsBucket: without a role the pods cannot use the bucket"
        yield Problem(("identity",), message, "choose irsa or podIdentity, or name a role of your own with existing")


def _role(root: Any, made: list[str]) -> Iterator[Problem]:
    role = next((choice for choice in made if choice.startswith("identity.")), None)
    path = ("identity", "irsa" if role == "identity.irsa" else "pod_identity")
    if role == "identity.irsa" and not root.service_account.create:
        message = "has to annotate the ServiceAccount, and serviceAccount.create is false"
        yield Problem(path, message, "use podIdentity, or let the account be made", either=(("service_account",),))
    if role is None or root.artifacts.aws_bucket is not None:
        return
    existing = root.artifacts.s3
    if existing is None or existing.endpoint_url is not None:
        fix = "remove it, or choose artifacts.awsBucket or artifacts.s3 without endpointUrl"
        yield Problem(path, "there is no bucket on AWS that the role could be for", fix, (("artifacts",),))
    elif existing.access_key_id is not None or existing.existing_secret is not None:
        message = "artifacts.s3 has access keys, which the pods would use instead of the role"
        yield Problem(path, message, "remove the keys, or the role")
