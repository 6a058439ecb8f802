"""The JSON schema of stack files, for completion and checks in editors.

`python -m components.reading.schema` prints it; `components/stack-config.schema.json` is the committed copy.
"""

import dataclasses
import json
from typing import Any

import pydantic
from pydantic.alias_generators import to_camel

from .. import arguments as blocks
from ..arguments import MlflowDeploymentArgs
from ..arguments.base import descriptions
from .configuration import NAMESPACE


def stack_schema() -> dict[str, Any]:
    """Schema of `Pulumi.<stack>.yaml`: it describes the `mlflow:` keys and allows any others."""
    arguments = pydantic.TypeAdapter(MlflowDeploymentArgs).json_schema(by_alias=True)
    _describe(MlflowDeploymentArgs, arguments)
    for name, definition in arguments.get("$defs", {}).items():
        _describe(getattr(blocks, name), definition)
    definitions = {name: _with_encrypted(part) for name, part in arguments.pop("$defs", {}).items()}
    properties = {f"{NAMESPACE}:{key}": _with_encrypted(part) for key, part in arguments["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack configuration of MLflow on Kubernetes",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": properties,
                "required": [f"{NAMESPACE}:{key}" for key in arguments["required"]],
                "patternProperties": {f"^(?!{NAMESPACE}:)": True},
                "additionalProperties": False,
            }
        },
        "$defs": {**definitions, "encrypted": _ENCRYPTED},
    }


def _describe(block: type, schema: dict[str, Any]) -> None:
    """Add the descriptions of fields."""
    if dataclasses.is_dataclass(block):
        for name, text in descriptions(block).items():
            schema["properties"][to_camel(name)]["description"] = text


_ENCRYPTED = {
    "description": "Written by `pulumi config set --secret`.",
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}


def _with_encrypted(part: Any) -> Any:
    """Wherever a string is allowed, allow an encrypted one, too."""
    if isinstance(part, list):
        return [_with_encrypted(item) for item in part]
    if not isinstance(part, dict):
        return part
    part = {key: _with_encrypted(value) for key, value in part.items()}
    if part.get("type") == "string" and "enum" not in part and "const" not in part:
        keep = {key: part.pop(key) for key in ("title", "description", "default", "writeOnly") if key in part}
        return {**keep, "anyOf": [part, {"$ref": "#/$defs/encrypted"}]}
    return part


if __name__ == "__main__":
    print(json.dumps(stack_schema(), indent=2, sort_keys=True))
