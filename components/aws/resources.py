"""What the AWS resources of a deployment share: names, tags, options, and the key that encrypts them."""

import dataclasses
import functools
import re
from collections.abc import Mapping

import pulumi
from pulumi_aws import kms

from ..arguments import AwsArgs, Input
from ..contracts import Place


@dataclasses.dataclass(frozen=True)
class Aws:
    """The AWS side of a deployment.

    Attributes:
        place: The deployment.
        facts: Account, network and cluster.
    """

    place: Place
    facts: AwsArgs

    @property
    def protect(self) -> bool:
        """Whether resources that hold data are protected from deletion."""
        return self.place.args.deletion_protection

    @property
    def physical_name(self) -> str:
        """The deployment's name as AWS accepts it: without consecutive hyphens."""
        return re.sub("-+", "-", self.place.name)

    @property
    def tags(self) -> Mapping[str, Input[str]]:
        """Tags of every resource; the user's take precedence."""
        return {"mlflow": self.place.name, **self.facts.tags}

    @functools.cached_property
    def key(self) -> pulumi.Output[str]:
        """ARN of the key that encrypts database and bucket; created on first use, unless one is given."""
        if self.facts.kms_key_arn is not None:
            return pulumi.Output.from_input(self.facts.kms_key_arn)
        made = kms.Key(
            f"{self.place.name}-key",
            description=f"Database and artifacts of MLflow ({self.place.name})",
            enable_key_rotation=True,
            # The longest waiting period that AWS offers to whoever deletes it.
            deletion_window_in_days=30,
            tags=self.tags,
            # Final snapshots, automated backups and older objects are encrypted with it, and outlive this resource.
            opts=self.place.options(protect=self.protect, retain_on_delete=True),
        )
        kms.Alias(
            f"{self.place.name}-key-alias",
            name=made.key_id.apply(lambda key: f"alias/{self.physical_name}-{key[:8]}"),
            target_key_id=made.key_id,
            opts=self.place.options(),
        )
        return made.arn


def when_ready(value: pulumi.Output[str], *resources: pulumi.Resource) -> pulumi.Output[str]:
    """The value, once the other resources exist."""
    return pulumi.Output.all(value, *(resource.urn for resource in resources)).apply(lambda parts: parts[0])
