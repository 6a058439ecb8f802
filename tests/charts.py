"""Keeps the tables of `docs/charts.md` those of `components/charts/tables/`, from which `import-values` converts.

`python -m tests.charts` checks the file, `--write` brings it up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from components.charts.table import CHARTS, Chart, Row, chart
from tests.documents import between, keep

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "charts.md"
START, END = "<!-- tables: written by python -m tests.charts -->\n", "<!-- end of tables -->\n"


def render(text: str) -> str:
    """The document with its tables made anew."""
    return between(text, START, END, "\n" + "".join(map(_section, map(chart, CHARTS))))


def _section(each: Chart) -> str:
    intro = f"{each.intro}\n\n" if each.intro else ""
    rows = "".join(map(_row, each.rows))
    return f"## {each.title}\n\n{intro}`--chart {each.name}`\n\n| chart | here | note |\n|---|---|---|\n{rows}\n"


def _row(row: Row) -> str:
    theirs = _listed(row.keys) + (f": {_listed(row.variables)}" if row.variables else "")
    return f"| {theirs} | {_listed(row.ours) or '—'} | {row.note} |\n".replace("|  |", "| |")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, render, "tests.charts"))
