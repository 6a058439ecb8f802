"""What the user sees: progress on standard error, results on standard output, as text or as one JSON document."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .errors import USAGE, OperationError


class Console:
    """Where a command reports to.

    Args:
        as_json: Whether results are for a script.
        yes: Whether questions are answered already.
    """

    def __init__(self, *, as_json: bool = False, yes: bool = False) -> None:
        self.as_json = as_json
        self.yes = yes
        self._going_on: list[str] = []

    def say(self, text: str) -> None:
        """A line of progress."""
        print(text, file=sys.stderr, flush=True)

    def result(self, data: Any, text: str) -> None:
        """What came out.

        Args:
            data: For scripts.
            text: For people.
        """
        print(json.dumps(data, indent=2, default=str) if self.as_json else text, flush=True)

    def table(self, data: Any, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A result in rows."""
        if self.as_json:
            self.result(data, "")
            return
        from rich import box
        from rich.console import Console as Rich
        from rich.table import Table

        made = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            made.add_row(*row)
        # Into a pipe nothing is cut off: a column may be what a script looks for.
        Rich(markup=False, highlight=False, width=None if sys.stdout.isatty() else 200).print(made)

    def confirm(self, what: str) -> None:
        """Ask before something that cannot be taken back.

        Raises:
            OperationError: The answer is no, or there is nobody to ask.
        """
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise OperationError(f"this would {what}", "Confirm with --yes.", USAGE)
        print(f"This will {what}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise OperationError("nothing was changed", "Answer y to go on.")

    @contextlib.contextmanager
    def goes_on(self, text: str) -> Iterator[None]:
        """While the body runs, an interruption of this program does not interrupt what the text says."""
        self._going_on.append(text)
        yield
        self._going_on.remove(text)  # after an error too it is what the user must know

    @property
    def going_on(self) -> list[str]:
        """What goes on in the cluster, the innermost first."""
        return self._going_on[::-1]


class Quiet(Console):
    """Tells nothing of a Job whose output is only for this program, except why its pod does not start."""

    def __init__(self, console: Console) -> None:
        super().__init__(as_json=console.as_json, yes=console.yes)
        self._going_on = console._going_on

    def say(self, text: str) -> None:
        if text.startswith(("▸", "    ")):
            super().say(text)
