"""A generated configuration, and what becomes of it."""

import importlib
import json
import os
import pkgutil
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from components import ConfigurationError, alibaba, aws, azure, cluster, existing, gcp, in_cluster, pods
from tests.conftest import spare_the_collector
from tests.graph.invariants import CHECKS, Check
from tests.graph.program import Graph, Registration, Secret, deploy
from tests.property.corners import CORNERS
from tests.property.spelled_out import spelled_out
from tests.strategies import configurations

Object = Mapping[str, Any]

PARTS, SIZE = 10, 25
"""How many times so many configurations are generated."""
SEED = int(os.environ.get("SEED") or (0 if os.environ.get("CI") == "true" else random.getrandbits(32)))
"""Where the configurations begin. `SEED=… make test RUNG=property` makes the same ones again."""

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
"""What a busy machine, or a large configuration, would be reported as."""


def _import_all() -> None:
    """Import what deployments import when they need it: Hypothesis also draws what stands in the modules that it finds, so that
    what is generated would depend on what was deployed before."""
    for package in (alibaba, aws, azure, existing, gcp, in_cluster, cluster, pods):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def generate(start: int, count: int = SIZE) -> list[dict[str, Any]]:
    """Valid configurations; the same ones for the same start."""
    _import_all()
    made: list[dict[str, Any]] = []

    @seed(start)
    @settings(
        max_examples=count, phases=[Phase.generate], derandomize=False, deadline=None, suppress_health_check=_SLOW
    )
    @given(configurations())
    def collect(configuration: dict[str, Any]) -> None:
        made.append(configuration)

    collect()
    assert len(made) >= count
    return made


@dataclass(frozen=True)
class Deployment:
    """One of the generated deployments.

    Attributes:
        configuration: As it stands in a stack file.
        label: How to make it again.
        objects: The Kubernetes objects as the API server gets them.
        broken: Invariants that do not hold for what the program registers, and why, by name. Found where the deployment is made,
            so that all processors look for them.
    """

    configuration: Mapping[str, Any]
    label: str
    objects: Sequence[Object]
    broken: Mapping[str, str]

    @classmethod
    def of(cls, configuration: Mapping[str, Any], label: str) -> "Deployment":
        try:
            graph = deploy(configuration)
        except ConfigurationError as error:  # which does not leave a process
            raise AssertionError(f"{label} is not valid: {error}\n{json.dumps(configuration)}") from None
        broken = {check.__name__: told for check in CHECKS if (told := _broken(check, graph, configuration))}
        return cls(configuration, label, [_object(r) for r in graph if r.type.startswith("kubernetes:")], broken)

    def of_kind(self, *kinds: str) -> list[Object]:
        """Objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]


def corners() -> list[Deployment]:
    """What chance would leave out."""
    spare_the_collector()
    return [Deployment.of(spelled_out(each), f"corner {number}") for number, each in enumerate(CORNERS)]


def part(number: int) -> list[Deployment]:
    """One part of what is generated, every other one with all that can be said."""
    spare_the_collector()
    labels = f"SEED={SEED}, part {number}, number "
    return [
        Deployment.of(spelled_out(each) if index % 2 else each, f"{labels}{index}")
        for index, each in enumerate(generate(SEED + number))
    ]


def check_previews() -> None:
    """The rules where nothing is known yet that providers compute; what breaks one is shrunk here."""

    @settings(max_examples=50)
    @given(configurations())
    def check_preview(configuration: dict[str, Any]) -> None:
        graph = deploy(configuration, preview=True)
        for check in CHECKS:
            check(graph, configuration)

    spare_the_collector()
    check_preview()


def _broken(check: Check, graph: Graph, configuration: Mapping[str, Any]) -> str:
    try:
        check(graph, configuration)
    except (AssertionError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {str(error)[:2000]}"
    return ""


def _object(registration: Registration) -> Object:
    made = _revealed(registration.inputs)
    made["metadata"].setdefault("name", f"{registration.name}-1a2b3c4d")  # as Pulumi names it
    return made


def _revealed(value: Any) -> Any:
    """The value with its secrets in clear."""
    if isinstance(value, Secret):
        return _revealed(value.value)
    if isinstance(value, Mapping):
        return {key: _revealed(item) for key, item in value.items()}
    return [_revealed(item) for item in value] if isinstance(value, list) else value


def none_has(deployments: Iterable[Deployment], problems: Callable[[Deployment], Iterable[str]]) -> None:
    """Fail with the smallest deployment that has problems, and count those that have the same ones."""
    found = [(deployment, told) for deployment in deployments if (told := sorted(set(problems(deployment))))]
    if not found:
        return
    deployment, told = min(found, key=lambda pair: len(json.dumps(pair[0].configuration, default=str)))
    configuration = json.dumps(deployment.configuration, indent=2, ensure_ascii=False)
    raise AssertionError("\n".join([f"{len(found)} deployments, such as {deployment.label}:", *told, configuration]))
