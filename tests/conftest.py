"""Settings of all tests, and the tier that each of them belongs to."""

import os
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


def _tier_of(item: pytest.Item) -> str | None:
    """The only tier of its rung, else that of the nearest mark: on the test, or on its file."""
    rung = item.path.relative_to(Path(__file__).parent).parts[0]
    if len(RUNGS[rung].tiers) == 1:
        return RUNGS[rung].tiers[0]
    return next((mark.name for mark in item.iter_markers() if mark.name in (CORE, EXTENDED)), None)
