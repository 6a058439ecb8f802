"""Updates from what earlier versions of the component left behind; those of clouds are in the tests of each cloud."""

from pathlib import Path

import pytest

from tests.support import earlier
from tests.support.fixtures import Deploy

pytestmark = pytest.mark.core

STATES = [path for kind in ("dev", "postgresql", "published") for path in earlier.states(kind)]


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.stem)
def test_an_update_from_an_earlier_version_keeps_the_data(new_stack: Deploy, unreachable: Path, path: Path) -> None:
    with new_stack(unreachable) as stack, earlier.imported(stack, path, {}) as stack:
        assert earlier.harm(stack) == []
