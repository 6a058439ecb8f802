"""Resources of a provider without their SDK's class."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import pulumi


class BareResource(pulumi.CustomResource):
    """A resource by its type and inputs alone.

    For those whose class comes with many others that no deployment uses: importing `pulumi_aws.ec2` or
    `pulumi_azure_native.network` takes as long as this package with all else that it imports. Azure's classes also register up to
    thirty aliases for each resource, one for each older version of the API, which nothing here was ever made with.
    """

    def __init__(
        self,
        token: str,
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
        outputs: Sequence[str] = (),
    ) -> None:
        """Register the resource.

        Args:
            token: The provider's name of the type.
            name: Name in the stack.
            inputs: Inputs as the provider names them.
            opts: Options.
            outputs: What else of it is used, as the provider names it; see `output`.
        """
        # The release of the provider that the SDK's classes ask for, lest the engine start a second one.
        sdk = f"pulumi_{token.partition(':')[0].replace('-', '_')}"
        release = import_module(f"{sdk}._utilities").get_resource_opts_defaults()
        options = pulumi.ResourceOptions.merge(release, opts)
        super().__init__(token, name, {**dict.fromkeys(outputs), **inputs}, options)

    def output(self, name: str) -> pulumi.Output[Any]:
        """What the provider says of an input, or of one of the outputs that were asked for."""
        return pulumi.get(self, name)
