"""`MlflowDeployment` for programs in other languages: a Pulumi provider that constructs it.

The engine starts it as `provider/PulumiPlugin.yaml` says. `python -m components.provider` prints the schema that packages for
other languages are generated from; `provider/schema.json` is the committed copy.
"""

import inspect
import json
import sys
from typing import Any

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import ConstructResult, main
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError

from .mlflow_deployment import MlflowDeployment
from .reading.conversion import ConfigurationError
from .versions import PACKAGE

NAME = "mlflow-deployment"
"""Name of the plugin, and of the package in other languages."""


class MlflowProvider(ComponentProvider):
    """Hands the inputs to the component as they are.

    The SDK's own provider maps them to Python names by the schema. It ignores keys that it does not know, takes a block for empty that is
    not known yet, and ends at the first value that is missing; the component itself names every problem.
    """

    def __init__(self) -> None:
        """Read the schema from the component."""
        super().__init__([MlflowDeployment], NAME, version=PACKAGE)
        self.schema = json.dumps(_tidy(json.loads(self.schema or "")))

    def map_inputs(self, inputs: Any, component_def: object) -> Any:
        """The inputs, unchanged."""
        return inputs

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        """Register the component.

        Raises:
            InputPropertiesError: The inputs are invalid; the engine shows its text without a stack trace.
        """
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, ConfigurationError):
                # No properties in the list, with which the engine would print their values, secret or not.
                raise InputPropertiesError(str(error.inner), []) from None
            raise


def serve() -> None:
    """Serve the component to the engine whose address is on the command line, until the engine ends the process."""
    main(MlflowProvider(), sys.argv[1:])


def schema() -> dict[str, Any]:
    """The package's schema: https://www.pulumi.com/docs/iac/guides/building-extending/packages/schema/."""
    return json.loads(MlflowProvider().schema or "")


def _tidy(part: Any) -> Any:
    """The schema without empty entries, and with descriptions as docstrings are meant, not as they are indented."""
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    tidy = {key: _tidy(item) for key, item in part.items() if item is not None}
    if isinstance(text := tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(text)
    return tidy


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, sort_keys=True))
