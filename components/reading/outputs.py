"""Values that are outputs are checked by the rules of plain ones, as soon as they are known."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import pulumi

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import Block, Path, Problem, blanks, never_empty
from .conversion import ConfigurationError
from .messages import masked

Check = Callable[[Any], list[Problem]]
"""The problems of a block if a field had this value."""


def checked_when_known(arguments: MlflowDeploymentArgs) -> MlflowDeploymentArgs:
    """The same arguments, in which each output fails with a `ConfigurationError` when it turns out to be empty, or not what
    its block accepts. Messages show no value of an output. What concerns several blocks is not checked again."""
    return _block(arguments, (), strict=not arguments.allow_insecure)


def _block(block: Any, path: Path, strict: bool) -> Any:
    made = copy.copy(block)
    for field in fields(block):
        name = field.name

        def check(known: Any, name: str = name) -> list[Problem]:
            return [problem.under(*path) for problem in _problems(block, name, known, strict)]

        _set(made, name, _value(getattr(block, name), (*path, name), check, strict))
    return made


def _value(value: Any, path: Path, check: Check, strict: bool) -> Any:
    if isinstance(value, Block):
        return _block(value, path, strict)
    if isinstance(value, list):
        return [
            _value(item, (*path, index), lambda known, i=index: check([*value[:i], known, *value[i + 1 :]]), strict)
            for index, item in enumerate(value)
        ]
    if isinstance(value, dict):
        return {
            key: _value(item, (*path, key), lambda known, k=key: check({**value, k: known}), strict)
            for key, item in value.items()
        }
    if not isinstance(value, (pulumi.Output, Awaitable)):
        return value

    def checked(known: Any) -> Any:
        if problems := check(known):
            raise ConfigurationError([masked(problem, frozenset({str(problem.path[0])})) for problem in problems])
        return known

    return pulumi.Output.from_input(value).apply(checked)


def _problems(block: Any, name: str, known: Any, strict: bool) -> list[Problem]:
    """What is wrong with one field; everything else in the block has been checked already."""
    kind = never_empty(type(block)).get(name)
    made = copy.copy(block)
    _set(made, name, "" if known is None and kind is str else known)
    found = [*blanks(made), *made.problems(), *(made.insecure() if strict else ())]
    return [problem for problem in found if problem.path[:1] == (name,)]


def _set(block: Any, name: str, value: Any) -> None:
    object.__setattr__(block, name, value)  # blocks are frozen
