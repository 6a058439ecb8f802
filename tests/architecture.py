"""Keeps the diagram of layers in `docs/architecture.md` true: its arrows are the imports between the packages of `components/`.

`python -m tests.architecture` checks the file, `--write` brings it up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

from tests.documents import between, keep

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
START, END = "<!-- imports: written by python -m tests.architecture -->\n", "<!-- end of imports -->\n"
ROOT = "components"


def imports() -> set[tuple[str, str]]:
    """Pairs of packages, or of single modules at the top, of which the first imports the second."""
    graph = grimp.build_graph(ROOT, cache_dir=None)
    found = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = (_place(importer), _place(imported))
            if pair[0] != pair[1] and "" not in pair:
                found.add(pair)
    return found


def _place(module: str) -> str:
    """First part of the name below the package; empty for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def without_detours(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs that do not follow from others: what A imports by way of B is not drawn from A."""

    def reachable(start: str, skip: tuple[str, str]) -> set[str]:
        seen, todo = set(), [start]
        while todo:
            place = todo.pop()
            for pair in pairs - {skip}:
                if pair[0] == place and pair[1] not in seen:
                    seen.add(pair[1])
                    todo.append(pair[1])
        return seen

    return {pair for pair in pairs if pair[1] not in reachable(pair[0], pair)}


def render(text: str) -> str:
    """The document with its diagram made anew."""
    arrows = "".join(f"  {a} --> {b}\n" for a, b in sorted(without_detours(imports())))
    return between(text, START, END, f"\n```mermaid\nflowchart TB\n{arrows}```\n\n")


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, render, "tests.architecture"))
