"""Keeps `docs/features.md` true: which test proves which row.

`python -m tests.features` checks the file, `--write` brings it up to date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.documents import keep

TESTS = Path(__file__).resolve().parent
DOCUMENT = TESTS.parent / "docs" / "features.md"
RUNGS = {"unit": 1, "graph": 1, "engine": 2, "cluster": 3}
NEEDED = {"U": 1, "E": 2, "C": 3}


def marked_tests() -> Iterator[tuple[str, str, str]]:
    """(id, rung folder, test id) of every test that carries the mark."""
    for folder in RUNGS:
        for file in sorted((TESTS / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    for feature in _features(node):
                        yield feature, folder, f"{file.relative_to(TESTS.parent)}::{node.name}"


def _features(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.feature":
            for argument in decorator.args:
                assert isinstance(argument, ast.Constant), f"{node.name}: ids of features are written out"
                yield str(argument.value)


def render(text: str) -> str:
    """The document with its last two columns made anew.

    Raises:
        ValueError: A test names a row that does not exist, or proves one on too low a rung.
    """
    proofs: dict[str, list[tuple[str, str]]] = {}
    for feature, folder, test in marked_tests():
        proofs.setdefault(feature, []).append((folder, test))
    lines = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 5:
            feature, rung = cells[0].strip("`"), cells[2]
            found = proofs.pop(feature, [])
            low = [test for folder, test in found if RUNGS[folder] < NEEDED[rung[0]]]
            if low:
                raise ValueError(f"{feature} needs rung {rung}, which these do not reach: {', '.join(low)}")
            shown = "<br>".join(f"`{test}`" for _, test in found)
            line = f"| {cells[0]} | {cells[1]} | {rung} | {'done' if found else 'open'} | {shown} |".replace(
                "|  |", "| |"
            )
        lines.append(line)
    if proofs:
        raise ValueError(f"docs/features.md has no row {', '.join(sorted(proofs))}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, render, "tests.features"))
