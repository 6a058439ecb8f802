"""Keeps the table of rules in `docs/policies.md` true to `components.protection`.

`python -m tests.policies` checks the file, `--write` brings it up to date.
"""

import sys
from pathlib import Path

from components.protection import SETTINGS
from tests.documents import between, keep

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "policies.md"
START, END = "<!-- rules: written by python -m tests.policies -->\n", "<!-- end of rules -->"


def render(text: str) -> str:
    """The document with its table made anew."""
    rows = "".join(
        f"| `{each.name}` | {'mandatory' if each.mandatory else 'advisory'} | {each.what} | "
        f"{f'`{each.path}`: ' if each.path else ''}{each.fix} |\n"
        for each in SETTINGS
    )
    return between(text, START, END, f"\n| policy | level | what it keeps | how |\n|---|---|---|---|\n{rows}\n")


if __name__ == "__main__":
    sys.exit(keep(DOCUMENT, render, "tests.policies"))
