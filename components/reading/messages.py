"""pydantic's errors as problems with their path, value and likely fix."""

import dataclasses
import datetime
import enum
import functools
import re
import typing
from collections.abc import Mapping
from typing import Any

from pydantic.alias_generators import to_camel

from ..arguments.base import Path, Problem, descriptions, is_secret_field, looks_secret, suggestion, unwrapped
from ..arguments.deployment import MlflowDeploymentArgs

UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden", "invalid_key")
MISSING = ("missing", "missing_argument")
_HIDDEN = "[secret]"
_KINDS: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


def type_at(path: Path) -> Any:
    """The type of the value at a path, without `| None` and `Input[…]`; None if there is no such path."""
    kind: Any = MlflowDeploymentArgs
    for part in path:
        kind = _inside(kind, part)
    return kind


def is_block(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def fields_of(block: Any) -> dict[str, str]:
    """Python names of a block's fields by their names in stack configuration."""
    return _fields_of(block) if is_block(block) else {}


@functools.cache
def _fields_of(block: Any) -> dict[str, str]:
    return {to_camel(field.name): field.name for field in dataclasses.fields(block)}


@functools.cache
def _inside(kind: Any, part: str | int) -> Any:
    if is_block(kind):
        return unwrapped({field.name: field.type for field in dataclasses.fields(kind)}.get(str(part)))
    members = typing.get_args(kind)
    return unwrapped(members[-1]) if members else None


def path_of(location: tuple[str | int, ...]) -> Path:
    """pydantic's location in Python names, without the union members that pydantic appends."""
    path: Path = ()
    for part in location:
        kind = type_at(path)
        if is_block(kind):
            path = (*path, fields_of(kind).get(str(part), part))
        elif typing.get_origin(kind) is dict or (typing.get_origin(kind) is list and isinstance(part, int)):
            path = (*path, part)
    return path


def meant(path: Path) -> Path | None:
    """The known key that was most likely meant by an unknown one."""
    names = fields_of(type_at(path[:-1]))
    close = suggestion(str(path[-1]), names)
    return (*path[:-1], names[close]) if close else None


def problem_of(path: Path, code: str, value: Any, hide: frozenset[str]) -> Problem:
    """A problem for an error of pydantic.

    Args:
        path: Where it is.
        code: pydantic's error type.
        value: What was given.
        hide: Top-level names whose values must not be shown.
    """
    kind = type_at(path)
    if code in UNKNOWN_KEY:
        return _unknown_key(path)
    if code in MISSING:
        return Problem(
            path, "is required", f"give {'a block of keys' if is_block(kind) else 'a value'}: {_about(path)}"
        )
    # Null and the words for lists and mappings tell nothing.
    telling = value is not None and not isinstance(value, (Mapping, list, tuple))
    shown = _HIDDEN if telling and _is_hidden(path, kind, hide) else _shown(value)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        allowed = [str(member.value) for member in kind]
        close = suggestion(str(value), allowed)
        fix = (f"did you mean {close}? " if close else "") + f"allowed: {', '.join(allowed)}"
        return Problem(path, f"{shown} is not allowed", fix)
    expected = "a block of keys" if is_block(kind) else _KINDS.get(typing.get_origin(kind) or kind, "another value")
    message, fix = f"expected {expected}, got {shown}", f"write {expected}"
    if kind is str and isinstance(value, (bool, int, float, datetime.date)):
        return Problem(path, message, "put it in quotes" + ("" if shown == _HIDDEN else f": '{shown}'"))
    if path[-1:] and is_block(type_at(path[:-1])):
        return Problem(path, message, f"{fix}: {_about(path)}")
    return Problem(path, message, f"{fix}, or remove it" if value is None else fix)


def _unknown_key(path: Path) -> Problem:
    names = fields_of(type_at(path[:-1]))
    if path[-1] in names.values():
        camel, snake = to_camel(str(path[-1])), str(path[-1])
        return Problem(path, f"is given twice, as {camel} and as {snake}", "keep one of them")
    likely = meant(path)
    return Problem(
        path,
        "unknown key",
        f"did you mean {to_camel(str(likely[-1]))}?" if likely else f"known keys here: {', '.join(names)}",
    )


def _about(path: Path) -> str:
    """First sentence of the field's description."""
    text = descriptions(type_at(path[:-1])).get(str(path[-1]), "see the documentation")
    return " ".join(text.split()).split(". ")[0].rstrip(".")


def _is_hidden(path: Path, kind: Any, hide: frozenset[str]) -> bool:
    secret_field = any(is_secret_field(type_at(path[:depth]), str(part)) for depth, part in enumerate(path))
    named_so = bool(path) and not is_block(type_at(path[:-1])) and looks_secret(str(path[-1]))
    return (bool(path) and path[0] in hide) or secret_field or named_so or _holds_secret(kind)


def _holds_secret(kind: Any) -> bool:
    """Whether a string given instead of this block may contain the value of a secret field."""
    return any(is_secret_field(kind, name) or _holds_secret(_inside(kind, name)) for name in fields_of(kind).values())


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime.date):  # which YAML makes of what looks like one
        return value.isoformat()
    text = _without_credentials(repr(value))
    return text if len(text) <= 60 else text[:57] + "…"


def _without_credentials(text: str) -> str:
    """The text, with user and password removed from URLs, and from what stands in quotes as `user:password@host` (not the tag of
    an image before its digest)."""
    text = re.sub(r"://[^'\"\n]*@|://\S*@", f"://{_HIDDEN}@", text)
    return re.sub(r"(?<=['\"])[^'\"/:@\s]*:(?!//)[^'\"@]*@(?!sha256:)", f"{_HIDDEN}@", text)


_LONGEST = 200
"""Characters of a word that messages show."""


def _shortened(text: str) -> str:
    """The text without the rest of values that nobody can read."""
    return re.sub(rf"\S{{{_LONGEST},}}", lambda word: f"{word[0][: _LONGEST // 2]}…{word[0][-10:]}", text)


def masked(problem: Problem, hide: frozenset[str]) -> Problem:
    """The problem without secret values. In messages, values are quoted strings or numbers."""
    message, fix = _without_credentials(problem.message), _without_credentials(problem.fix)
    if problem.path and problem.path[0] in hide:
        # From the first quote to the last: the value may itself contain quotes.
        quoted = r"(['\"]).*\1"
        message = re.sub(rf"{quoted}|\b\d+(\.\d+)?\b", _HIDDEN, message, flags=re.DOTALL)
        fix = re.sub(quoted, _HIDDEN, fix, flags=re.DOTALL)
    return dataclasses.replace(problem, message=_shortened(message), fix=_shortened(fix))


def spelled(path: Path, prefix: str) -> str:
    """A path in Pulumi's notation for structured configuration: `mlflow:server.options["x y"]`."""
    text = ""
    for depth, part in enumerate(path):
        kind = type_at(path[:depth])
        name = to_camel(part) if isinstance(part, str) and part in fields_of(kind).values() else str(part)
        if typing.get_origin(kind) is list or (isinstance(part, int) and typing.get_origin(kind) is not dict):
            text += f"[{part}]"
        elif re.fullmatch(r"\w+", name):
            text += ("." if text else "") + name
        else:
            text += f'["{name}"]'
    return prefix + text if text else (prefix.rstrip(":") or "arguments")
