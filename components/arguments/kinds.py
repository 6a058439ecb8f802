"""Choices: blocks of which exactly one is given. What is chosen has a type of its own, so that it can be matched to the end."""

import functools
import typing
from collections.abc import Iterator
from dataclasses import fields
from typing import Generic, TypeVar

from .base import Block, Problem
from .checks import exactly_one


class Kind(Block):
    """Base of the blocks that are chosen among: of which another field of the same block holds an alternative."""


class DatabaseBlock(Kind):
    """Base of the kinds of database."""


class ArtifactBlock(Kind):
    """Base of the kinds of artifact store."""


class IdentityBlock(Kind):
    """Base of the kinds of identity."""


K = TypeVar("K", bound=Kind)


@functools.cache
def choices(block: type) -> dict[str, type[Kind]]:
    """The kinds that a block lets choose among, by name: those of its fields that hold a kind."""
    held = {field.name: next(iter(typing.get_args(field.type)), None) for field in fields(block)}
    return {name: kind for name, kind in held.items() if isinstance(kind, type) and issubclass(kind, Kind)}


class Choice(Block, Generic[K]):
    """Base of the blocks that are a choice. `K` is the union of the kinds, each of which is the type of one optional field."""

    @property
    def chosen(self) -> tuple[str, K] | None:
        """Name and block of the kind that was chosen; None as long as nobody has checked that there is one."""
        given = ((name, getattr(self, name)) for name in choices(type(self)))
        return next(((name, kind) for name, kind in given if kind is not None), None)

    @property
    def kind(self) -> K:
        """The kind that was chosen; checked arguments have exactly one."""
        assert self.chosen is not None, "checked arguments hold exactly one choice"
        return self.chosen[1]

    def choice_problems(self, example: str) -> Iterator[Problem]:
        """Exactly one kind must be given."""
        yield from exactly_one(self, tuple(choices(type(self))), example)
