"""Every value of a file to its transformation."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from ..arguments.base import suggestion
from ..reading.messages import is_block, type_at
from . import logins, rows, stores
from .conversion import Conversion, Outcome, Release, Transformation, target
from .table import Chart, Row

__all__ = ["convert", "counterpart", "kept"]


def convert(chart: Chart, values: Mapping[str, Any], release: Release) -> Conversion:
    """Convert values.

    Args:
        chart: The chart that they are for.
        values: The values.
        release: The release that has them.
    """
    found: dict[str, Transformation] = {**rows.BY, **stores.BY, **logins.BY}
    made = Conversion(chart, values, release)
    made.put("namespace", release.namespace)
    made.put("createNamespace", False)
    groups: dict[str, dict[str, Any]] = {name: {} for name in (*stores.BY, *logins.BY)}
    copied: list[tuple[str, Any]] = []
    for path, value in made.given.items():
        row = chart.row(path)
        if row is None:
            _unknown(made, path)
        elif switch := made.is_off(path):
            made.say(path, Outcome.NOT_IN_USE, f"{switch} is off")
        elif value is None:
            made.left(path, "null removes the chart's default; the one here applies")
        elif row.by:
            groups.setdefault(row.by, {})[path] = value
        else:
            copied.append((path, value))
    for path, value in (*copied, *kept(made)):
        _copy(made, path, value)
    for name, given in groups.items():
        if given or name in (*stores.BY, *logins.BY):
            found[name](made, given)
            for path in given:
                row = chart.row(path)
                assert row is not None
                if not made.told(path):
                    ours = [each for each in row.ours if made.has(each)] or row.ours
                    made.say(path, Outcome.DIFFERS if row.note else Outcome.CARRIED, row.note, *ours)
    rows.remarks(made)
    paths = list(made.given)
    made.lines.sort(
        key=lambda line: next((i for i, path in enumerate(paths) if f"{line.key}.".startswith(f"{path}.")), len(paths))
    )
    return made


def _unknown(made: Conversion, path: str) -> None:
    known = sorted({key.removesuffix(".*") for key in made.chart.keys} | set(made.chart.defaults))
    close = suggestion(path, known)
    likely = f"; did you mean {close}?" if close else ""
    made.say(path, Outcome.UNKNOWN, f"{made.chart.title} {made.chart.version} has no such value{likely}")


def kept(made: Conversion) -> Iterator[tuple[str, Any]]:
    """Defaults that go on to hold: those of blocks that are switched on, and those that clients rely on."""
    chart = made.chart
    switched = [
        f"{block}." for block in chart.switches if not chart.default(f"{block}.enabled") and made.on(f"{block}.enabled")
    ]
    for path, value in chart.defaults.items():
        row = chart.row(path)
        if row is None or row.by or not row.ours or path in made.given or "*" in "".join(row.keys):
            continue
        within = path.startswith(tuple(switched)) and not made.is_off(path) and not path.endswith(".enabled")
        if within or path in chart.keep:
            yield path, copy.deepcopy(value)


def _copy(made: Conversion, path: str, value: Any) -> None:
    """A value becomes the argument at its place in the row, or is left out if there is none."""
    row = made.chart.row(path)
    assert row is not None
    if not row.ours:
        made.left(path, row.note)
        return
    ours = counterpart(row, path)
    if path.endswith(".enabled") and value is False and is_block(type_at(target(ours))):
        made.left(path, f"{ours} is on unless left out")
        return
    made.put(ours, value)
    if path in made.given:
        made.say(path, Outcome.DIFFERS if row.note else Outcome.CARRIED, row.note, ours)


def counterpart(row: Row, path: str) -> str:
    """The argument of a key in a row without a transformation."""
    key = next(key for key in row.keys if path == key or path.startswith(f"{key.removesuffix('.*')}."))
    return row.ours[row.keys.index(key)]
