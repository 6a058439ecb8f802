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
from ..arguments.base import descriptions, never_empty
from ..arguments.kinds import Choice, choices
from .configuration import MISSPELT, NAMESPACE
from .conversion import WRITTEN, names


def stack_schema() -> dict[str, Any]:
    """Schema of `Pulumi.<stack>.yaml`: it describes the `mlflow:` keys and allows any others."""
    arguments = pydantic.TypeAdapter(MlflowDeploymentArgs).json_schema(by_alias=True)
    _complete(MlflowDeploymentArgs, arguments)
    for name, definition in arguments.get("$defs", {}).items():
        _complete(getattr(blocks, name), definition)
    definitions = {name: _as_text_too(part) for name, part in arguments.pop("$defs", {}).items()}
    properties = {f"{NAMESPACE}:{key}": _as_text_too(part, key) for key, part in arguments["properties"].items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack configuration of MLflow on Kubernetes",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": properties,
                "required": [f"{NAMESPACE}:{key}" for key in arguments["required"]],
                "patternProperties": {f"^(?!{NAMESPACE}:)(?!{MISSPELT}).+:": True},
                "additionalProperties": False,
            },
            # https://www.pulumi.com/docs/iac/concepts/projects/stack-settings-file/
            **{key: {"type": "string"} for key in ("secretsprovider", "encryptedkey", "encryptionsalt")},
            "environment": True,
        },
        "required": ["config"],
        "additionalProperties": False,
        "$defs": {**definitions, "encrypted": _ENCRYPTED},
    }


def _complete(block: type, schema: dict[str, Any]) -> None:
    """Add what each field is for, and what reading checks besides types: text is not empty, one choice is made."""
    if not dataclasses.is_dataclass(block):
        return
    for name, text in descriptions(block).items():
        schema["properties"][to_camel(name)]["description"] = text
    for name in never_empty(block):
        _not_empty(schema["properties"][to_camel(name)])
    among = tuple(choices(block)) if issubclass(block, Choice) else getattr(block, "one_of", ())
    if among:
        schema["oneOf"] = [
            {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in map(to_camel, among)
        ]


def _not_empty(part: dict[str, Any]) -> None:
    if part.get("type") == "string":
        part["pattern"] = r"\S"
    for inner in (*part.get("anyOf", ()), part.get("items"), part.get("additionalProperties")):
        if isinstance(inner, dict):
            _not_empty(inner)


_ENCRYPTED = {
    "description": "Written by `pulumi config set --secret`.",
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}


def _as_text_too(part: Any, field: str = "") -> Any:
    """Numbers and booleans may be written as strings, as templates and `pulumi config set` do, and strings may be encrypted.
    Where users' own names have values, numbers and booleans are taken as strings."""
    if isinstance(part, list):
        return [_as_text_too(item, field) for item in part]
    if not isinstance(part, dict):
        return part
    part = {
        key: {name: _as_text_too(value, name) for name, value in item.items()}
        if key == "properties"
        else _as_text_too(item, field)
        for key, item in part.items()
        if key != "oneOf"
    } | {key: item for key, item in part.items() if key == "oneOf"}
    inner = part.get("additionalProperties")
    if isinstance(inner, dict) and inner.get("anyOf", [{}])[0].get("type") == "string":
        numbers = ["integer", "boolean"] if names(field) else ["number", "boolean"]
        part["additionalProperties"] = {**inner, "anyOf": [*inner["anyOf"], {"type": numbers}]}
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _WRITTEN or "enum" in part or "const" in part:
        return part
    keep = {key: part.pop(key) for key in ("title", "description", "default", "writeOnly") if key in part}
    text = [{"type": "string", "pattern": f"^({_WRITTEN[kind]})$"}] if _WRITTEN[kind] else []
    return {**keep, "anyOf": [part, *text, {"$ref": "#/$defs/encrypted"}]}


_WRITTEN = {"string": None, "boolean": WRITTEN[bool], "integer": WRITTEN[int], "number": WRITTEN[float]}


if __name__ == "__main__":
    print(json.dumps(stack_schema(), indent=2, sort_keys=True))
