"""Which engine version comes before which."""

import pytest

from components.resources.refusals import is_older


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("16", "17", True),
        ("17", "17.4", False),
        ("17.4", "17", False),
        ("17.4", "17.10", True),
        ("9.6", "10", True),
        ("POSTGRES_16", "POSTGRES_17", True),
        ("MYSQL_8_4", "MYSQL_8_0", False),
        ("8.0.mysql_aurora.3.08.2", "8.0.mysql_aurora.3.10.0", True),
        ("17", "16.9", False),
    ],
)
def test_versions_are_compared_as_far_as_both_say(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
