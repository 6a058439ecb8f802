"""What every argument block is built from: the dataclass settings, input leaves, and problems with their paths.

Annotations must not be strings (no `from __future__ import annotations`): Pulumi's component analyzer and
pydantic read these classes at run time.
"""

import ast
import difflib
import functools
import inspect
import re
import textwrap
import typing
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, Union

import pulumi
import pydantic.dataclasses
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import dataclass_transform

T = TypeVar("T")

Path = tuple[str | int, ...]
"""Python attribute names, keys of mappings and indices of lists, from the root of the arguments."""

# `pulumi.Input` itself holds an unresolved forward reference, which pydantic cannot read.
Input = Union[T, Awaitable[T], pulumi.Output[T]]

BLOCK = ConfigDict(
    extra="forbid",
    alias_generator=to_camel,
    validate_by_name=True,
    validate_by_alias=True,
    arbitrary_types_allowed=True,
    hide_input_in_errors=True,
)
"""Settings of every block: camelCase in stack configuration, snake_case in Python, unknown keys refused."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def block(cls: type[T]) -> type[T]:
    """Class decorator: a frozen, keyword-only dataclass that pydantic validates."""
    made: Any = pydantic.dataclasses.dataclass(config=BLOCK, kw_only=True, frozen=True)(cls)
    # Pulumi's component analyzer reads annotations and treats an argument as optional only if it may be None.
    required = {name for name, field in made.__pydantic_fields__.items() if field.is_required()}
    kinds: dict[str, Any] = {field.name: field.type for field in fields(made)}
    made.__annotations__ = {name: kind if name in required else kind | None for name, kind in kinds.items()}
    return made


@dataclass(frozen=True)
class Problem:
    """One mistake in the arguments.

    Attributes:
        path: Python attribute names and list indices from the root.
        message: What is wrong, with the value where it is not secret.
        fix: What to write instead.
        either: Other fields that would settle it; if one of them has a mistake of its own, this is only its consequence.
    """

    path: Path
    message: str
    fix: str
    either: tuple[Path, ...] = ()

    def under(self, *parents: str | int) -> "Problem":
        """The same problem, with its path seen from a block further up."""
        return Problem((*parents, *self.path), self.message, self.fix, tuple((*parents, *e) for e in self.either))


class Block:
    """Base of all argument blocks."""

    # Without an annotation, which Pulumi's component analyzer would take for an argument.
    one_of = typing.cast("tuple[str, ...]", ())
    """Fields of which exactly one must be given; `problems()` checks it, and the JSON schema says it."""

    def problems(self) -> Iterable[Problem]:
        """Problems that types alone cannot show; paths are relative to this block. Nested blocks report their own."""
        return ()

    def insecure(self) -> Iterable[Problem]:
        """What would undo a protection that is on by default: refused unless `allowInsecure` is set. The fix says how to keep
        the protection. Paths are relative to this block; nested blocks are asked too."""
        return ()


ACCEPT = "or accept it explicitly with allowInsecure: true"
"""The other fix of everything that is insecure."""


def secret() -> Any:
    """A field that holds a secret: never shown in messages or `repr`, always stored as a Pulumi secret."""
    return Field(default=None, repr=False, json_schema_extra={"writeOnly": True})


def unwrapped(kind: Any) -> Any:
    """A type without `| None` and `Input[…]`."""
    members = typing.get_args(kind)
    return unwrapped(members[0]) if members and typing.get_origin(kind) not in (list, dict) else kind


@functools.cache
def never_empty(block: type) -> dict[str, Any]:
    """Fields that hold text which may not be empty, with their types: text, lists of text, and mappings of secrets.

    That is all text but what is empty by default (a prefix, for example). A variable that is not secret may be empty too.
    """
    found = {}
    for field in fields(block):
        kind = unwrapped(field.type)
        text = kind is str or (
            typing.get_origin(kind) in (list, dict)
            and unwrapped(typing.get_args(kind)[-1]) is str
            and (typing.get_origin(kind) is list or is_secret_field(block, field.name))
        )
        info = block.__pydantic_fields__[field.name]  # type: ignore[attr-defined]
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if text and default != "" and not (isinstance(default, list) and "" in default):
            found[field.name] = kind
    return found


def blanks(block: Any) -> Iterator[Problem]:
    """Text that is empty, or white space alone: most often a variable of a pipeline that was not set."""
    for name in never_empty(type(block)):
        value = getattr(block, name)
        items: Iterable[tuple[Path, Any]] = [((name,), value)]
        if isinstance(value, list):
            items = [((name, index), item) for index, item in enumerate(value)]
        elif isinstance(value, dict):
            items = [((name, key), item) for key, item in value.items()]
        for path, item in items:
            if isinstance(item, str) and "\0" in item:
                yield Problem(path, "contains a NUL character, which no variable, name or file may have", "remove it")
            elif isinstance(item, str) and not item.strip():
                yield Problem(
                    path, "is empty" if not item else "is white space alone", "give a value, or leave the key out"
                )


@functools.cache
def descriptions(block: type) -> dict[str, str]:
    """What each field of a block is for: the text below it in the source.

    Read on demand, not when the class is defined: messages and the schema need it, a deployment does not.
    """
    classes = [each for each in reversed(block.__mro__) if issubclass(each, Block) and each is not Block]
    known = {field.name for field in fields(block)}
    return {name: text for each in classes for name, text in _described(each) if name in known}


def _described(block: type) -> Iterator[tuple[str, str]]:
    """The same of the fields that one class of them declares."""
    (made,) = ast.parse(textwrap.dedent(inspect.getsource(block))).body
    assert isinstance(made, ast.ClassDef)
    for field, text in zip(made.body, made.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(text.value.value)


def is_secret_field(block: type, name: str) -> bool:
    """Whether the field was declared with `secret()`."""
    field = getattr(block, "__pydantic_fields__", {}).get(name)
    return bool(field and isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("writeOnly"))


def looks_secret(name: str) -> bool:
    """Whether a user's name (of an environment variable, say) suggests a secret, and not a file that holds one."""
    name = name.upper()
    telling = re.search(r"PASSWORD|SECRET|TOKEN|PASSPHRASE|ACCESS_KEY$|API_KEY|CREDENTIAL", name)
    return bool(telling) and not re.search(r"_(FILE|PATH|DIR|URL|SECONDS|FROM_ENV)$", name)


def suggestion(given: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was most likely meant, if any is close."""
    names = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in allowed}
    close = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", given.lower()), list(names), n=1, cutoff=0.6)
    return names[close[0]] if close else None


def sort_of(value: Any) -> str:
    """What sort of value it is, in words of YAML."""
    sorts = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return "null" if value is None else sorts.get(type(value), "another value")


def plain(value: Any) -> Any:
    """The value if it is known now; None for outputs and awaitables, which cannot be checked."""
    return None if isinstance(value, (pulumi.Output, Awaitable)) else value


def walk(block: Any, path: Path = ()) -> Iterator[tuple[Path, Block]]:
    """Every block in the tree with its path, the root first."""
    if isinstance(block, Block) and is_dataclass(block):
        yield path, block
        for field in fields(block):
            yield from walk(getattr(block, field.name), (*path, field.name))
    elif isinstance(block, (list, tuple)):
        for index, item in enumerate(block):
            yield from walk(item, (*path, index))
    elif isinstance(block, dict):
        for key, item in block.items():
            yield from walk(item, (*path, key))
