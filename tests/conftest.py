"""Settings of all tests, and the tier that each of them belongs to."""

import gc
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from toolchain.rungs import CORE, EXTENDED, RUNGS

# Time says nothing on a busy machine, examples are not kept between runs, and CI tries the same ones each time.
settings.register_profile(
    "project",
    deadline=None,
    database=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("project")


def spare_the_collector() -> None:
    """Let the garbage collector leave alone what stays to the end, and look less often at the rest.

    Pulumi's SDKs and what Hypothesis and pydantic keep are a million objects, and each deployment in a test makes enough new ones for
    several full collections: two fifths of the time of the tests that make many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    spare_the_collector()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=(CORE, EXTENDED), help="run the tests of this tier alone; of both if not given")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose by tier, and refuse tests for which nobody has decided."""
    tiers = [_tier_of(item) for item in items]
    undecided = sorted({item.nodeid.partition("[")[0] for item, tier in zip(items, tiers, strict=True) if not tier})
    if undecided:
        lines = "\n  ".join(undecided)
        raise pytest.UsageError(
            f"mark these with pytest.mark.core or pytest.mark.extended (CONTRIBUTING.md):\n  {lines}"
        )
    wanted = config.getoption("--tier")
    if wanted:
        config.hook.pytest_deselected(items=[i for i, tier in zip(items, tiers, strict=True) if tier != wanted])
        items[:] = [item for item, tier in zip(items, tiers, strict=True) if tier == wanted]
    _longest_first(items)


def _longest_first(items: list[pytest.Item]) -> None:
    """Put files first that are known to take long, then those with many tests; the order in a file stays."""
    counts = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        known = RUNGS[_rung_of(item)].longest
        return known.index(item.path.stem) if item.path.stem in known else len(known), -counts[item.path]

    if any(RUNGS[_rung_of(item)].longest for item in items):
        items.sort(key=place)


def _rung_of(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def _tier_of(item: pytest.Item) -> str | None:
    """The only tier of its rung, else that of the nearest mark: on the test, or on its file."""
    rung = _rung_of(item)
    if len(RUNGS[rung].tiers) == 1:
        return RUNGS[rung].tiers[0]
    return next((mark.name for mark in item.iter_markers() if mark.name in (CORE, EXTENDED)), None)
