"""Documents that are written, in part or whole, from the code."""

import sys
from collections.abc import Callable
from pathlib import Path


def between(text: str, start: str, end: str, made: str) -> str:
    """The text with something else between two marks.

    Args:
        text: The document.
        start: The first mark.
        end: The second one.
        made: What is to stand between them.
    """
    head, _, rest = text.partition(start)
    _, _, tail = rest.partition(end)
    return f"{head}{start}{made}{end}{tail}"


def keep(document: Path, render: Callable[[str], str], module: str) -> int:
    """Compare a document with what it should be; with `--write` on the command line, bring it up to date.

    Args:
        document: The file.
        render: Makes its text anew from the present text.
        module: Module to run with `--write`.

    Returns:
        The exit code: 1 if the document is out of date.
    """
    text = document.read_text()
    made = render(text)
    if "--write" in sys.argv[1:]:
        document.write_text(made)
    elif made != text:
        print(f"docs/{document.name} is out of date; run: python -m {module} --write", file=sys.stderr)
        return 1
    return 0
