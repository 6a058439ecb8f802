"""What the arguments say about a configuration."""

from typing import Any

import pytest

from components import ConfigurationError, to_arguments


def messages(configuration: Any, **options: Any) -> list[str]:
    """The messages about a configuration, spelled as in stack files; empty if it is accepted."""
    try:
        to_arguments(configuration, **options)
    except ConfigurationError as error:
        return lines_of(error)
    return []


def lines_of(error: ConfigurationError) -> list[str]:
    """One message for each problem, without the heading."""
    heading, *lines = str(error).splitlines()
    assert heading.split()[0] == str(len(lines)), heading
    return [line.strip() for line in lines]


def cases(values: list[tuple[Any, str, list[Any], list[Any]]], accepted: bool) -> list[Any]:
    """Parameters of a test, one for each value of (configuration, path, refused values, allowed values)."""
    return [
        pytest.param(configuration, path, value, id=f"{path}={value!r}"[:80])
        for configuration, path, refused, allowed in values
        for value in (allowed if accepted else refused)
    ]


PAST = "2026-03-14T09:26:53Z"
"""A point in time that a database can be restored to."""
NO_TIMES = [
    "yesterday",
    "2026-03-14",
    "2026-03-14T09:26:53",
    "2026-02-30T09:26:53Z",
    "2026-03-14T09:26Z",
    "9026-03-14T09:26:53Z",
]
"""What is none."""
