"""The network of a database: private subnets, and a security group that only admits the cluster."""

from collections.abc import Sequence

import pulumi
from pulumi_aws import rds, vpc

from . import sdk
from .resources import Aws


def subnet_group(aws: Aws) -> rds.SubnetGroup:
    """A subnet group of the given subnets."""
    subnets = aws.facts.subnet_ids
    assert subnets is not None, "arguments hold what a database needs"
    return rds.SubnetGroup(
        f"{aws.place.name}-database",
        description="Database of MLflow",
        subnet_ids=subnets,
        tags=aws.tags,
        opts=aws.place.options(),
    )


def security_group(aws: Aws, port: int) -> tuple[sdk.SecurityGroup, Sequence[pulumi.Resource]]:
    """A group that admits the cluster's security groups at one port, with no egress.

    Returns:
        The group, and its rules.
    """
    assert aws.facts.vpc_id is not None, "arguments hold what a database needs"
    name = f"{aws.place.name}-database"
    group = sdk.SecurityGroup(
        name,
        description="Database of MLflow, from the cluster only",
        vpc_id=aws.facts.vpc_id,
        tags=aws.tags,
        opts=aws.place.options(),
    )
    rules = [
        vpc.SecurityGroupIngressRule(
            f"{name}-ingress-{index}" if index else f"{name}-ingress",
            description="From the pods of MLflow",
            security_group_id=group.id,
            referenced_security_group_id=source,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            tags=aws.tags,
            opts=aws.place.options(),
        )
        for index, source in enumerate(aws.facts.cluster_security_group_ids)
    ]
    return group, rules
