"""Where a database lives: private subnets, and a security group that lets in the cluster alone."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import pulumi
from pulumi_aws import rds, vpc

from ..arguments import Input
from .resources import Aws


class SecurityGroup(pulumi.CustomResource):
    """The provider's security group.

    The SDK's own class comes with everything of EC2, which takes as long to import as the rest of this package and its SDKs.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str,
        vpc_id: Input[str],
        tags: Mapping[str, Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {"description": description, "vpcId": vpc_id, "tags": tags}
        # As the SDK does, lest the engine start another release of the provider for it.
        release = pulumi.ResourceOptions(version=version("pulumi-aws"))
        super().__init__(
            "aws:ec2/securityGroup:SecurityGroup", name, inputs, pulumi.ResourceOptions.merge(release, opts)
        )


def subnet_group(aws: Aws) -> rds.SubnetGroup:
    """The given subnets."""
    subnets = aws.facts.subnet_ids
    assert subnets is not None, "arguments hold what a database needs"
    return rds.SubnetGroup(
        f"{aws.scope.name}-database",
        description="Database of MLflow",
        subnet_ids=subnets,
        tags=aws.tags,
        opts=aws.scope.options(),
    )


def security_group(aws: Aws, port: int) -> tuple[SecurityGroup, Sequence[pulumi.Resource]]:
    """Connections from the cluster's security groups to one port; nothing goes out.

    Returns:
        The group, and its rules.
    """
    assert aws.facts.vpc_id is not None, "arguments hold what a database needs"
    name = f"{aws.scope.name}-database"
    group = SecurityGroup(
        name,
        description="Database of MLflow, from the cluster only",
        vpc_id=aws.facts.vpc_id,
        tags=aws.tags,
        opts=aws.scope.options(),
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
            opts=aws.scope.options(),
        )
        for index, source in enumerate(aws.facts.cluster_security_group_ids)
    ]
    return group, rules
