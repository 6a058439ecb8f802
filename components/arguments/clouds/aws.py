"""The AWS environment of a deployment, and checks of AWS identifiers."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import Field

from ..base import Block, Input, Problem, block, plain
from ..checks import counted, pattern
from .names import AWS_TAG, tags

__all__ = ["AwsArgs"]

REGION = r"[a-z]{2,4}(-[a-z]+)+-\d+"
"""A region of any partition: eu-central-1, cn-north-1, us-gov-west-1, eusc-de-east-1."""
_PARTITION = r"arn:aws[a-z-]*"
_KEY = r"kms:[a-z0-9-]+:\d{12}:key/[\w-]+"
_ISSUER = r"[\w.-]+(:\d+)?(/[\w.~-]+)*"
OIDC_PROVIDER = rf"{_PARTITION}:iam::\d{{12}}:oidc-provider/(?P<issuer>{_ISSUER})"


@block
class AwsArgs(Block):
    """The account, network and cluster around the deployment. Values may be outputs of the program that creates them."""

    vpc_id: Input[str] | None = None
    """VPC of the cluster, in which the database is placed."""
    subnet_ids: Input[list[Input[str]]] | None = None
    """Private subnets for the database, in at least two availability zones."""
    availability_zones: list[str] = Field(default_factory=list)
    """Availability zones of the subnets, in the same order. Optional: if given, subnets that are all in one zone are
    refused at preview rather than by AWS."""
    cluster_security_group_ids: list[Input[str]] = Field(default_factory=list)
    """Security groups of the cluster's nodes, or of the pods if they have their own. Nothing else can reach the
    database."""
    cluster_name: Input[str] | None = None
    """Name of the EKS cluster, for `identity.podIdentity`."""
    oidc_provider_arn: Input[str] | None = None
    """ARN of the IAM OIDC provider of the cluster, for `identity.irsa`."""
    oidc_issuer_url: Input[str] | None = None
    """The cluster's OIDC issuer, with or without `https://`; derived from `oidcProviderArn` if not given."""
    kms_key_arn: Input[str] | None = None
    """KMS key that encrypts database and bucket; one is created if not given. A changed key is for new objects only: list the
    previous one in `formerKmsKeyArns`. A database keeps the key that it was created with."""
    former_kms_key_arns: list[Input[str]] = Field(default_factory=list)
    """KMS keys that objects in the bucket are still encrypted with; the role may decrypt with them. Never delete such a key."""
    permissions_boundary: Input[str] | None = None
    """ARN of the permissions boundary for every role that this stack creates."""
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
        yield from arn(self.kms_key_arn, _KEY, "kms_key_arn", "a KMS key")
        for index, former in enumerate(self.former_kms_key_arns):
            for problem in arn(former, _KEY, "former_kms_key_arns", "a KMS key"):
                yield Problem(("former_kms_key_arns", index), problem.message, problem.fix)
            if isinstance(plain(former), str) and plain(former) == plain(self.kms_key_arn):
                yield Problem(("former_kms_key_arns", index), "is kmsKeyArn, the key of new objects", "remove it")
        yield from arn(
            self.permissions_boundary, r"iam::(\d{12}|aws):policy/[\w+=,.@/-]+", "permissions_boundary", "an IAM policy"
        )
        yield from arn(
            self.oidc_provider_arn, rf"iam::\d{{12}}:oidc-provider/{_ISSUER}", "oidc_provider_arn", "an OIDC provider"
        )
        yield from self._issuer()
        yield from tags(self.tags, "tags", AWS_TAG, 128, "aws:", 49)

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
                f"{counted(len(zones), 'zone')} for {counted(len(subnets), 'subnet')}",
                "give the zone of each subnet",
            )
        elif zones and len(set(zones)) < 2:
            yield Problem(
                ("subnet_ids",), f"all lie in the zone {zones[0]!r}", "give subnets in two availability zones or more"
            )

    def _issuer(self) -> Iterator[Problem]:
        wrong = pattern(
            self.oidc_issuer_url,
            rf"(https://)?{_ISSUER}/?",
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
    """Ids that AWS assigns: `vpc-…`, `subnet-…`, `sg-…`."""
    fix = f"write it as AWS shows it: {prefix}-0123456789abcdef0"
    yield from pattern(value, rf"{prefix}-[0-9a-f]{{8}}([0-9a-f]{{9}})?", path, f"the id of a {prefix}", fix)
