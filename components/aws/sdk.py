"""Two AWS resources: the SDK's classes for the type checker, light ones at run time.

Importing the SDK's classes takes 2 seconds: docs/decisions/0020-light-classes-for-expensive-sdk-modules.md. Tests create
deployments with both and compare what the engine receives.
"""

from typing import TYPE_CHECKING

from ..resources.bare import bare_class

if TYPE_CHECKING:
    from pulumi_aws.cloudwatch import LogGroup
    from pulumi_aws.ec2 import SecurityGroup
else:
    LogGroup = bare_class("aws:cloudwatch/logGroup:LogGroup")
    SecurityGroup = bare_class("aws:ec2/securityGroup:SecurityGroup")

__all__ = ["LogGroup", "SecurityGroup"]
