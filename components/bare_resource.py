"""Resources of a provider without their SDK's class."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pulumi


class BareResource(pulumi.CustomResource):
    """A resource by its type and inputs alone.

    For those whose class comes with many others that no deployment uses: importing `pulumi_aws.ec2` or
    `pulumi_azure_native.network` takes as long as this package with all else that it imports.
    """

    def __init__(self, token: str, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Register the resource.

        Args:
            token: The provider's name of the type.
            name: Name in the stack.
            inputs: Inputs as the provider names them.
            opts: Options.
        """
        # The release of the provider that the SDK's classes ask for, lest the engine start a second one.
        sdk = f"pulumi_{token.partition(':')[0].replace('-', '_')}"
        release = import_module(f"{sdk}._utilities").get_resource_opts_defaults()
        super().__init__(token, name, dict(inputs), pulumi.ResourceOptions.merge(release, opts))
