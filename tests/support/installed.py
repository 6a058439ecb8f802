"""A program for an environment that holds the package and nothing else of this project, without an engine.

It makes each deployment of the mapping on its standard input, and prints the types of what was registered.
"""

import json
import sys
import types
from typing import Any

import pulumi


class Mocks(pulumi.runtime.Mocks):
    """Accepts everything."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.made.append(args.typ)
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        return {}


mocks = Mocks()
pulumi.runtime.set_mocks(mocks, preview=True)
# Mocks of the oldest SDK register no hooks.
settings: Any = pulumi.runtime.settings.SETTINGS
settings.callbacks = types.SimpleNamespace(register_resource_hook=lambda hook: None)

from pulumi_mlflow import MlflowDeployment, provider  # type: ignore[import-not-found]  # noqa: E402


@pulumi.runtime.test
def deploy() -> Any:
    """All deployments of the input."""
    return [MlflowDeployment(name, values).urn for name, values in json.load(sys.stdin).items()]


deploy()
print(json.dumps({"made": mocks.made, "version": provider.schema()["version"]}))
