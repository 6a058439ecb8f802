"""Light classes send what the SDK's own classes send: they are checked as these, and used as these."""

import importlib
from types import ModuleType

import pytest

from components.aws import sdk as aws
from components.azure import sdk as azure
from components.resources.bare import BareResource
from tests.graph.program import Graph, deploy
from tests.graph.scenarios import SCENARIOS


def light_classes(sdk: ModuleType) -> dict[str, str]:
    """Their names, with the provider's name of the type."""
    found = {name: getattr(sdk, name) for name in sdk.__all__}
    return {name: each.token for name, each in found.items() if issubclass(each, BareResource)}


def own_class(token: str) -> type:
    provider, module, name = token.split(":")
    package = f"pulumi_{provider.replace('-', '_')}.{module.split('/')[0]}"
    return getattr(importlib.import_module(package), name)


def sent(graph: Graph) -> dict[str, tuple[object, ...]]:
    return {r.urn: (r.inputs, r.protect, r.depends_on, r.timeouts) for r in graph}


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.startswith(("aws", "azure"))])
def test_the_engine_gets_the_same(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    light = sent(deploy(SCENARIOS[scenario]))
    for sdk in (aws, azure):
        for name, token in light_classes(sdk).items():
            monkeypatch.setattr(sdk, name, own_class(token))
    assert sent(deploy(SCENARIOS[scenario])) == light


@pytest.mark.parametrize("sdk", [aws, azure])
def test_every_class_is_used(sdk: ModuleType) -> None:
    provider = sdk.__name__.split(".")[1]
    made = {r.type for name in SCENARIOS if name.startswith(provider) for r in deploy(SCENARIOS[name])}
    assert set(light_classes(sdk).values()) <= made
