"""Each kind of deployment, made once in an update and once in a preview: its tree of resources, and what holds for all of them.

Types, names and order of the resources are contract. The invariants hold for generated configurations too: see
`tests/property/test_rules.py`.
"""

import itertools
import os
from pathlib import Path

import pytest

from components.protection import SETTINGS
from tests.graph.invariants import CHECKS, plain
from tests.graph.program import Graph, Registration, deploy
from tests.graph.scenarios import SCENARIOS

GOLDEN = Path(__file__).with_name("golden")
SWITCH = "WRITE_GOLDEN"


def _name(case: tuple[str, bool]) -> str:
    scenario, preview = case
    return f"{scenario}-{'preview' if preview else 'update'}"


# Of the module, so that pytest runs the tests of one graph one after the other.
@pytest.fixture(scope="module", params=itertools.product(SCENARIOS, (False, True)), ids=_name)
def made(request: pytest.FixtureRequest) -> tuple[str, Graph]:
    """A scenario, and what the program registers for it."""
    scenario, preview = request.param
    return scenario, deploy(SCENARIOS[scenario], preview=preview)


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


def test_tree_is_as_recorded(made: tuple[str, Graph]) -> None:
    scenario, graph = made
    path, tree = GOLDEN / f"{scenario}.txt", rendered(graph)
    if os.environ.get(SWITCH):
        path.write_text(tree)
    expected = path.read_text() if path.exists() else ""
    assert tree == expected, (
        f"the tree has changed; where that is meant, set {SWITCH}=1, run the tests and commit {path.name}"
    )


def test_invariants_hold(made: tuple[str, Graph]) -> None:
    scenario, graph = made
    for check in CHECKS:
        check(graph, SCENARIOS[scenario])


def test_every_recorded_tree_has_its_scenario() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SCENARIOS)


def test_resources_keep_the_rules_of_the_policy_pack(made: tuple[str, Graph]) -> None:
    scenario, graph = made
    unprotected = SCENARIOS[scenario].get("deletionProtection") is False
    for resource in graph:
        for setting in SETTINGS:
            rank = setting.of(resource.type, plain(resource.inputs))
            if not (unprotected and setting.name.endswith("-deletion-protection")):
                assert rank is None or rank >= setting.least, f"{setting.name}: {resource.type} {resource.name}"
