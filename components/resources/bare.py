"""Resources without their SDK's class, for classes that take too long to import.

The SDKs import all classes of a module at once: `pulumi_aws.ec2` takes 1.7 seconds, `pulumi_azure_native.network` 0.6, and
a deployment uses one or two of its classes.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, ClassVar

import pulumi
from pydantic.alias_generators import to_camel


class BareResource(pulumi.CustomResource):
    """A resource by its type and its inputs."""

    token: ClassVar[str]
    """The provider's name of the type, on classes from `bare_class`."""

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
            token: The provider's name of the type, such as `kubernetes:core/v1:Secret`.
            name: Name in the stack.
            inputs: Inputs as the provider spells them.
            opts: Options.
            outputs: Outputs to keep, as the provider spells them, for `pulumi.get`.
        """
        options = pulumi.ResourceOptions.merge(_release(token.partition(":")[0]), opts)
        super().__init__(token, name, {**dict.fromkeys(outputs), **inputs}, options)


def bare_class(token: str, outputs: Sequence[str] = (), spellings: Mapping[str, str] | None = None) -> Any:
    """A class that is called like the SDK's class of a type, and sends the same inputs.

    The type checker should see the SDK's class; see `azure/sdk.py`. Unlike that class, it has no defaults, no aliases for
    older versions of a provider's API, and only the outputs listed here.

    Args:
        token: The provider's name of the type.
        outputs: Outputs to keep, as Python spells them.
        spellings: Spellings of inputs that are not plain camelCase.
    """
    spelled = spellings or {}

    def camel(name: str) -> str:
        return spelled.get(name) or to_camel(name)

    def translated(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {camel(key): translated(item) for key, item in value.items()}
        return [translated(item) for item in value] if isinstance(value, (list, tuple)) else value

    def construct(self: BareResource, resource_name: str, opts: pulumi.ResourceOptions, **inputs: Any) -> None:
        # The keys of tags are the user's.
        sent = {camel(name): value if name == "tags" else translated(value) for name, value in inputs.items()}
        BareResource.__init__(self, token, resource_name, sent, opts, [camel(name) for name in outputs])

    def output(name: str) -> property:
        return property(lambda self: pulumi.get(self, camel(name)))

    members = {"__init__": construct, "token": token, **{name: output(name) for name in outputs}}
    return type(token.rpartition(":")[2], (BareResource,), members)


@functools.cache
def _release(provider: str) -> pulumi.ResourceOptions:
    """The version of the provider that the SDK's classes request, so that the engine does not start a second one."""
    sdk = resources.files(f"pulumi_{provider.replace('-', '_')}")
    plugin = json.loads(sdk.joinpath("pulumi-plugin.json").read_text(encoding="utf-8"))
    return pulumi.ResourceOptions(version=plugin.get("version"), plugin_download_url=plugin.get("server"))
