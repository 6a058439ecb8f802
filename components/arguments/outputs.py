"""Values that become known only while things are made, and must be taken apart then."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import pulumi

from .base import Input

T = TypeVar("T")
R = TypeVar("R")


class UnreadableError(pulumi.RunError):
    """A value that became known while things were made is not what its argument asks for. Names the argument, never the value."""


def read(value: Input[T], parse: Callable[[T], R], path: str, what: str, fix: str) -> pulumi.Output[R]:
    """What a parser makes of a value, as soon as that is known.

    Args:
        value: Value of an argument.
        parse: Takes it apart. What it raises is not shown, since parsers quote what they cannot read.
        path: The argument, as in a stack file.
        what: What is wrong where the parser fails.
        fix: What to write instead.
    """

    def attempt(known: T) -> R:
        with contextlib.suppress(Exception):
            return parse(known)
        raise UnreadableError(f"{path}: {what}; {fix}")

    return pulumi.Output.from_input(value).apply(attempt)  # type: ignore[arg-type]
