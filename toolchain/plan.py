"""What `pulumi preview --json` tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def to_create(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources that do not exist yet, as their state will be."""
    return [planned["newState"] for planned in plan.get("steps") or [] if planned["op"] == "create"]


def images_of(plan: Mapping[str, Any]) -> list[str]:
    """The images of all containers in a plan."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("containers", "initContainers") and isinstance(inner, list):
                    yield from (c["image"] for c in inner if isinstance(c, dict) and isinstance(c.get("image"), str))
                else:
                    yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return sorted(
        {image for planned in plan.get("steps") or [] for image in walk((planned.get("newState") or {}).get("inputs"))}
    )
