"""Which arguments there are, by the schema of stack files."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.reading.schema import stack_schema

SCHEMA: Mapping[str, Any] = stack_schema()


def known(path: str) -> bool:
    """Whether the schema of stack files has the argument."""
    first, *rest = path.split(".")
    places = [SCHEMA["properties"]["config"]["properties"].get(f"mlflow:{first}")]
    for name in rest:
        places = [below[name] for place in places for below in _properties(place) if name in below]
    return any(place is not None for place in places)


def _properties(node: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(node, Mapping):
        return
    if "$ref" in node:
        yield from _properties(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    if "properties" in node:
        yield node["properties"]
    for each in (*node.get("anyOf", ()), *node.get("allOf", ()), *node.get("oneOf", ()), node.get("items")):
        yield from _properties(each)
