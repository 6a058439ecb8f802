"""Parts of Kubernetes objects written by users: keys are checked against the API's types, names become camelCase."""

import collections.abc
import functools
import importlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi

from . import input_types
from .base import Path, Problem, plain, sort_of, suggestion

Manifest = dict[str, Any]
"""A part of a Kubernetes object, as in the API documentation; leaves may be outputs."""


def shape(value: Any, kind: str, path: Path, *, part: bool = False) -> Iterator[Problem]:
    """Unknown and missing keys, and values of the wrong type. Custom resources are not checked.

    Args:
        value: What was given; outputs are not checked.
        kind: API group, version and type, for example `core/v1.Affinity`, or a list of them: `[core/v1.Toleration]`.
        path: Path of the value, for messages.
        part: The value is a patch: no key is required, and items of lists may contain `$patch`.
    """
    declared = _declared(kind)
    if declared is not None:
        yield from _shape(value, declared, path, part)


def in_camel_case(value: Any, kind: str) -> Any:
    """The value with all keys in Kubernetes' spelling. Python callers may write them in snake_case."""
    return _camel(value, _declared(kind))


def _declared(kind: str) -> Any:
    if kind.startswith("["):
        return Sequence[_declared(kind[1:-1])]
    module, _, name = kind.rpartition(".")
    group, _, version = module.partition("/")
    # Imported here, since importing takes time and few configurations need it.
    try:
        package = importlib.import_module(f"pulumi_kubernetes.{group.removesuffix('.k8s.io')}.{version}")
    except ModuleNotFoundError:
        return None
    return getattr(package, f"{name}Args", None)


@functools.cache
def _fields(block: Any) -> dict[str, tuple[str, Any]]:
    """Name in Kubernetes and type of each field, by either spelling of its name."""
    known = input_types.fields(block)
    return {spelling: (camel, kind) for name, (camel, kind) in known.items() for spelling in (name, camel)}


def _kinds(declared: Any) -> tuple[Any, ...]:
    """The types that a declaration allows, without the wrappers of inputs."""
    if typing.get_origin(declared) is typing.Union:
        return tuple(kind for member in typing.get_args(declared) for kind in _kinds(member))
    wrappers = (collections.abc.Awaitable, pulumi.Output)
    return () if declared is type(None) or typing.get_origin(declared) in wrappers else (declared,)


def _shape(  # noqa: C901 - one branch per form of type
    value: Any, declared: Any, path: Path, part: bool
) -> Iterator[Problem]:
    known = plain(value)
    if known is None:
        return
    kinds = _kinds(declared)
    origin = typing.get_origin(kinds[0])
    if input_types.is_input_type(kinds[0]):
        if not isinstance(known, Mapping):
            yield _wrong(known, "a mapping", path)
            return
        fields = _fields(kinds[0])
        given = {fields[key][0] for key in known if key in fields}
        for key, item in known.items():
            if key in fields:
                yield from _shape(item, fields[key][1], (*path, key), part)
            elif not (part and key == "$patch"):
                yield _unknown(str(key), [camel for camel, _ in fields.values()], path)
        for name in () if part else input_types.required(kinds[0]):
            if fields[name][0] not in given:
                yield Problem((*path, fields[name][0]), "is required", "give a value")
    elif origin is collections.abc.Sequence:
        if not isinstance(known, (list, tuple)):
            yield _wrong(known, "a list", path)
            return
        for index, item in enumerate(known):
            yield from _shape(item, typing.get_args(kinds[0])[0], (*path, index), part)
    elif origin is collections.abc.Mapping:
        if not isinstance(known, Mapping):
            yield _wrong(known, "a mapping", path)
            return
        for key, item in known.items():
            yield from _shape(item, typing.get_args(kinds[0])[1], (*path, str(key)), part)
    elif kinds[0] is not Any and not _fits(known, kinds):
        spelled = {str: "a string (in quotes)", int: "a whole number", bool: "true or false", float: "a number"}
        yield _wrong(known, " or ".join(spelled.get(kind, "another value") for kind in kinds), path)


def _fits(value: Any, kinds: tuple[Any, ...]) -> bool:
    # In Python a bool is an int.
    return any(isinstance(value, kind) and isinstance(value, bool) is (kind is bool) for kind in kinds)


def _wrong(value: Any, expected: str, path: Path) -> Problem:
    return Problem(path, f"expected {expected}, got {sort_of(value)}", f"write {expected}")


def _unknown(key: str, names: list[str], path: Path) -> Problem:
    close = suggestion(key, names)
    known = ", ".join(dict.fromkeys(names))
    return Problem((*path, key), "unknown key", f"did you mean {close}?" if close else f"known keys here: {known}")


def _camel(value: Any, declared: Any) -> Any:
    kinds = _kinds(declared)
    if isinstance(value, Mapping) and input_types.is_input_type(kinds[0]):
        fields = _fields(kinds[0])
        return {fields[key][0]: _camel(item, fields[key][1]) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and typing.get_args(kinds[0]):
        return [_camel(item, typing.get_args(kinds[0])[0]) for item in value]
    return value
