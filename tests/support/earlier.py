"""States that earlier versions of the component left behind, kept in `tests/states/`: an update to what is made now keeps their
data, and rolls their pods once at most.

`WRITE_STATES=0.1.1` with the tests that call `record` writes the states of their stacks under that version; do so for each
release. Those of 0.1.0 are of the cloud's part alone, later ones are whole.
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
LOST = {"replace", "create-replacement", "delete-replaced", "delete"}
"""Steps of a plan that lose what a resource holds."""
REPEATED = {"kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Secret", "kubernetes:batch/v1:Job"}
"""Types that another content makes anew; what a Secret holds is in the state."""
ROLLED = "kubernetes:apps/v1:Deployment"


def states(kind: str) -> list[Path]:
    """The recorded states of one kind of stack."""
    found = sorted(FOLDER.glob(f"{kind}-*.json"))
    assert found or os.environ.get("WRITE_STATES"), f"{FOLDER} has no state of {kind}"
    return found


def record(stack: Stack, kind: str) -> None:
    """Keep the state of a stack, if that is asked for. Secrets in it are encrypted, and of nobody."""
    version = os.environ.get("WRITE_STATES")
    if not version:
        return
    state = json.loads(stack.export())
    for each in state["deployment"]["resources"]:
        for place in ("created", "modified", "sourcePosition", "stackTrace"):
            each.pop(place, None)
    content = {"configuration": stack.config_file.read_text(), "state": state}
    (FOLDER / f"{kind}-{version}.json").write_text(json.dumps(content, indent=1) + "\n")


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


def harm(stack: Stack) -> list[str]:
    """What an update would do to an earlier state and must not: lose a resource, change a protected one, roll pods twice."""
    state = {each["urn"]: each for each in json.loads(stack.export())["deployment"]["resources"]}
    steps = stack.plan()["steps"]
    assert any(step["op"] in ("same", "update") for step in steps), "the state is not this stack's"
    found, rolled = [], []
    for step in steps:
        op, urn = step["op"], step["urn"]
        kind = urn.split("::")[2].rpartition("$")[2]
        if kind == ROLLED and op in ("update", "replace"):
            rolled.append(f"{op} {urn}")
        elif (kind != ROLLED and op in LOST and kind not in REPEATED) or (
            op != "same" and state.get(urn, {}).get("protect") and not _only_unmarked(step)
        ):
            found.append(f"{op} {urn}")
    return found + rolled[1:]


def _only_unmarked(step: Mapping[str, Any]) -> bool:
    """Whether an update does nothing but drop Pulumi's note that it had chosen the object's name itself."""

    def unmarked(side: str) -> dict[str, Any]:
        inputs = step[side]["inputs"]
        annotations = inputs["metadata"].get("annotations") or {}
        kept = {key: value for key, value in annotations.items() if key != "pulumi.com/autonamed"}
        return {**inputs, "metadata": {**inputs["metadata"], "annotations": kept}}

    return step["op"] == "update" and "kubernetes:" in step["urn"] and unmarked("oldState") == unmarked("newState")
