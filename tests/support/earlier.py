"""States that earlier versions of the component left behind, kept in `tests/states/`: what is made now must keep their data.

`WRITE_STATES=0.1.0` with the tests of a cloud records the state of its production stack under that version; do so for each release.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.pulumi import Stack
from toolchain.paths import ROOT

FOLDER = ROOT / "tests" / "states"
REPLACED = {"replace", "create-replacement", "delete-replaced", "delete"}
"""Steps of a plan that lose what a resource holds."""


def states(cloud: str) -> list[Path]:
    """The recorded states of a cloud."""
    found = sorted(FOLDER.glob(f"{cloud}-*.json"))
    assert found or os.environ.get("WRITE_STATES"), f"{FOLDER} has no state of {cloud}"
    return found


def record(stack: Stack, cloud: str) -> None:
    """Keep the cloud's part of a stack's state, if that is asked for. Secrets in it are encrypted, and of nobody."""
    version = os.environ.get("WRITE_STATES")
    if not version:
        return
    state = json.loads(stack.export())
    deployment = state["deployment"]
    deployment["resources"] = [each for each in deployment["resources"] if "kubernetes" not in each["type"]]
    kept = {each["urn"] for each in deployment["resources"]}
    for each in deployment["resources"]:
        for place in ("created", "modified", "sourcePosition", "stackTrace"):
            each.pop(place, None)
        each["dependencies"] = [urn for urn in each.get("dependencies", []) if urn in kept]
        each["propertyDependencies"] = {
            name: [urn for urn in urns or [] if urn in kept]
            for name, urns in each.get("propertyDependencies", {}).items()
        }
    content = {"configuration": stack.config_file.read_text(), "state": state}
    (FOLDER / f"{cloud}-{version}.json").write_text(json.dumps(content, indent=1) + "\n")


@contextlib.contextmanager
def imported(stack: Stack, path: Path, configuration: Mapping[str, Any]) -> Iterator[Stack]:
    """Give a new stack an earlier state and its configuration; forget it at the end, since nothing of it exists.

    Args:
        stack: A stack without resources.
        path: The recorded state.
        configuration: What leads to the cloud of today in place of the one that was.
    """
    recorded = json.loads(path.read_text())
    values = yaml.safe_load(recorded["configuration"])
    values["config"] |= configuration
    stack.config_file.write_text(json.dumps(values))  # JSON is YAML
    stack.load(recorded["state"])
    try:
        yield stack
    finally:
        stack.load({"version": 3, "deployment": {}})


def lost(stack: Stack) -> list[str]:
    """Resources of the cloud that an update would replace or delete."""
    steps = stack.plan()["steps"]
    assert any(step["op"] in ("same", "update") for step in steps), "the state is not this stack's"
    return [step["urn"] for step in steps if step["op"] in REPLACED]
