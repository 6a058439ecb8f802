"""The tree of resources of each kind of deployment: their types, names and order are contract."""

import os
from pathlib import Path

import pytest

from tests.graph.program import Graph, Registration, deploy
from tests.graph.scenarios import SCENARIOS

GOLDEN = Path(__file__).with_name("golden")
SWITCH = "WRITE_GOLDEN"


def rendered(graph: Graph) -> str:
    """One line for each resource below its parent: type, name, name in the cluster, protection, what it waits for."""
    names = {r.urn: r.name for r in graph}
    types = {r.urn: r.type.rpartition(":")[2] for r in graph}

    def line(resource: Registration) -> str:
        parts = [f"{resource.type} {resource.name}"]
        if resource.type.startswith("kubernetes:"):
            parts.append(f"called {resource.metadata.get('name', '(by Pulumi)')}")
        if resource.protect:
            parts.append("protected")
        if resource.depends_on:
            parts.append("after " + ", ".join(sorted(f"{types[urn]} {names[urn]}" for urn in resource.depends_on)))
        return ", ".join(parts)

    def below(parent: str, indent: str) -> list[str]:
        children = sorted((r for r in graph if _last(r.parent) == parent), key=lambda r: (r.type, r.name))
        return [text for r in children for text in (indent + line(r), *below(_last(r.urn), indent + "  "))]

    return "\n".join(below("pulumi:pulumi:Stack::mlflow-test", "")) + "\n"


def _last(urn: str) -> str:
    """Own type and name: the mock engine forgets grandparents."""
    return "::".join(urn.split("::")[2:]).rpartition("$")[2]


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_tree_is_as_recorded(scenario: str, preview: bool) -> None:
    path = GOLDEN / f"{scenario}.txt"
    tree = rendered(deploy(SCENARIOS[scenario], preview=preview))
    if os.environ.get(SWITCH):
        path.write_text(tree)
    expected = path.read_text() if path.exists() else ""
    assert tree == expected, (
        f"the tree has changed; where that is meant, set {SWITCH}=1, run the tests and commit {path.name}"
    )


def test_every_recorded_tree_has_its_scenario() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SCENARIOS)
