"""What holds for every deployment: for each kind of it, in preview and in update, and for generated ones."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graph.invariants import CHECKS, Check
from tests.graph.program import Graph, deploy
from tests.graph.scenarios import SCENARIOS
from tests.strategies import configurations


@functools.cache
def graph_of(scenario: str, preview: bool) -> Graph:
    return deploy(SCENARIOS[scenario], preview=preview)


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_invariant_holds(check: Check, scenario: str, preview: bool) -> None:
    check(graph_of(scenario, preview), SCENARIOS[scenario])


@given(configurations(), st.booleans())
@settings(max_examples=50)
def test_invariants_hold_for_any_configuration(configuration, preview: bool) -> None:
    graph = deploy(configuration, preview=preview)
    for check in CHECKS:
        check(graph, configuration)
