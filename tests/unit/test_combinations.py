"""The combinations that are tried in a cluster: complete, and as documented."""

import itertools

from tests.support.combinations import COMBINATIONS, DATABASES, LOGINS, STORES, table
from toolchain.paths import ROOT


def test_any_two_choices_meet() -> None:
    found = {
        pair for each in COMBINATIONS for pair in itertools.combinations((each.database, each.store, each.login), 2)
    }
    wanted = {
        pair
        for choices in itertools.combinations((DATABASES, STORES, LOGINS), 2)
        for pair in itertools.product(*choices)
    }
    assert wanted == found and len({each.name for each in COMBINATIONS}) == len(COMBINATIONS)


def test_the_document_lists_them() -> None:
    lines = (ROOT / "docs" / "combinations.md").read_text().splitlines()
    listed = [line for line in lines if line.startswith("| ")]
    assert listed[1:] == table(), "write these rows into docs/combinations.md"
