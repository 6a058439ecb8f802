"""One way from a plain mapping to typed arguments, with every problem reported at once."""

import copy
import dataclasses
import enum
import re
import typing
from collections.abc import Mapping
from typing import Any

import pulumi
import pydantic
from pydantic.alias_generators import to_camel

from .base import Missing, Problem, is_secret_field, pattern, suggestion, walk
from .deployment import MlflowDeploymentArgs

_ROUNDS = 8
# A Service is a DNS label that starts with a letter; Pulumi's suffix and ours must fit behind it.
_NAME_FIX = "use at most 40 lower-case letters, digits and hyphens, starting with a letter"
_UNION_MEMBER = re.compile(r"^(str|int|float|bool|is-instance\[.*|dict\[.*|list\[.*|function-.*|nullable.*)$")
_KINDS = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "dataclass_type": "a block of keys",
    "dataclass_exact_type": "a block of keys",
}


class ConfigurationError(pulumi.RunError):
    """The arguments are wrong. Carries all problems; nothing has been registered with the engine yet.

    Attributes:
        problems: What is wrong, each with its path.
    """

    def __init__(self, problems: list[Problem], prefix: str = "", camel_case: bool = False) -> None:
        self.problems = problems
        lines = [f"{_spell(p.path, prefix, camel_case)}: {p.message}; {p.fix}" for p in problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(f"{count} in the configuration of MLflow:\n" + "\n".join(f"  {line}" for line in lines))


def to_arguments(
    value: MlflowDeploymentArgs | Mapping[str, Any],
    *,
    prefix: str = "",
    camel_case: bool = False,
    hide: frozenset[str] = frozenset(),
    name: str | None = None,
) -> MlflowDeploymentArgs:
    """Convert a mapping (camelCase or snake_case keys) and check it; check typed arguments.

    Args:
        value: Arguments, or a mapping of the same shape; leaves may be Pulumi outputs.
        prefix: Written before each path in messages (`mlflow:` for stack configuration).
        camel_case: Spell paths as in stack configuration.
        hide: Top-level names whose values must not appear in messages, since the configuration marks them secret.
        name: Name of the component, checked as well if given.

    Raises:
        ConfigurationError: With all problems at once.
    """
    arguments, problems = _validate(value, hide)
    broken = [p.path for p in problems]
    if arguments is not None:
        for path, block in walk(arguments):
            for problem in block.problems():
                full = problem.under(*path)
                if not any(_concerns(full.path, other) for other in broken):
                    problems.append(_masked(full, hide))
    if name is not None:
        problems += pattern(name, r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", "name", "a component name", _NAME_FIX)
    if problems:
        raise ConfigurationError(sorted(problems, key=lambda p: [str(part) for part in p.path]), prefix, camel_case)
    assert arguments is not None
    return arguments


def _validate(value: Any, hide: frozenset[str]) -> tuple[MlflowDeploymentArgs | None, list[Problem]]:
    """Validate; take out what is wrong and validate again, so that one mistake does not hide another."""
    if isinstance(value, MlflowDeploymentArgs):
        return value, []
    if not isinstance(value, Mapping):
        return None, [
            Problem((), f"expected a mapping, got {type(value).__name__}", "give MlflowDeploymentArgs or a dict")
        ]
    rest = _copy(value)
    problems: list[Problem] = []
    for _ in range(_ROUNDS):
        try:
            return _ADAPTER.validate_python(rest), problems
        except pydantic.ValidationError as error:
            seen = {p.path for p in problems}
            for item in error.errors(include_url=False):
                path = _path(item["loc"])
                if path in seen:
                    continue
                seen.add(path)
                problems.append(_problem(path, item, hide))
                _take_out(rest, path, missing=item["type"] == "missing")
    return None, problems


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return (
        [_copy(item) for item in value]
        if isinstance(value, list)
        else copy.copy(value)
        if isinstance(value, str)
        else value
    )


def _path(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The location without pydantic's names of union members, in Python spelling where it names a field."""
    path: list[str | int] = []
    kind: Any = MlflowDeploymentArgs
    for part in loc:
        if dataclasses.is_dataclass(kind):
            names = {to_camel(f.name): f.name for f in dataclasses.fields(kind)}
            name = names.get(str(part), part)
            path.append(name)
            kind = _field_type(kind, str(name))
        elif isinstance(part, str) and _UNION_MEMBER.match(part):
            continue
        else:
            path.append(part)
            kind = _item_type(kind)
    return tuple(path)


def _field_type(block: Any, name: str) -> Any:
    field = {f.name: f.type for f in dataclasses.fields(block)}.get(name)
    return _unwrap(field)


def _unwrap(kind: Any) -> Any:
    """`X | None` and `Input[X]` to X."""
    members = typing.get_args(kind)
    if members and typing.get_origin(kind) not in (list, dict):
        return _unwrap(members[0])
    return kind


def _item_type(kind: Any) -> Any:
    members = typing.get_args(kind)
    return _unwrap(members[-1]) if members else None


def _block_at(path: tuple[str | int, ...]) -> Any:
    kind: Any = MlflowDeploymentArgs
    for part in path:
        kind = _field_type(kind, str(part)) if dataclasses.is_dataclass(kind) else _item_type(kind)
    return kind


def _problem(path: tuple[str | int, ...], item: Any, hide: frozenset[str]) -> Problem:
    parent, kind = _block_at(path[:-1]), _block_at(path)
    name = str(path[-1]) if path else ""
    code = item["type"]
    if code in ("extra_forbidden", "unexpected_keyword_argument"):
        allowed = [to_camel(f.name) for f in dataclasses.fields(parent)] if dataclasses.is_dataclass(parent) else []
        close = suggestion(name, allowed)
        return Problem(
            path, "unknown key", f"did you mean {close}?" if close else f"known keys here: {', '.join(allowed)}"
        )
    if code in ("missing", "missing_argument"):
        example = "a block of keys" if dataclasses.is_dataclass(kind) else "a value"
        return Problem(path, "is required", f"give {example}: {_described(path)}")
    shown = "[secret]" if _hidden(path, parent, hide) else _shown(item.get("input"))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        allowed = [str(member.value) for member in kind]
        close = suggestion(str(item.get("input")), allowed)
        return Problem(
            path,
            f"{shown} is not allowed",
            (f"did you mean {close}? " if close else "") + f"allowed: {', '.join(allowed)}",
        )
    expected = _KINDS.get(code) or _kind_name(kind)
    return Problem(path, f"expected {expected}, got {shown}", f"write {expected}: {_described(path)}")


def _kind_name(kind: Any) -> str:
    if dataclasses.is_dataclass(kind):
        return "a block of keys"
    return {str: "a string", int: "a whole number", bool: "true or false", float: "a number"}.get(kind, "another value")


def _described(path: tuple[str | int, ...]) -> str:
    """First sentence of what the field is for; of the nearest field above for items of lists and mappings."""
    for depth in range(len(path), 0, -1):
        field = getattr(_block_at(path[: depth - 1]), "__pydantic_fields__", {}).get(str(path[depth - 1]))
        if field is not None and field.description:
            return " ".join(field.description.split()).split(". ")[0].rstrip(".")
    return "see the documentation"


def _hidden(path: tuple[str | int, ...], parent: Any, hide: frozenset[str]) -> bool:
    if path and str(path[0]) in hide:
        return True
    ancestors = [_block_at(path[:depth]) for depth in range(len(path))]
    return any(
        dataclasses.is_dataclass(a) and is_secret_field(a, str(part)) for a, part in zip(ancestors, path, strict=False)
    )


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return (text if len(text) <= 60 else text[:57] + "…") + f" ({type(value).__name__})"


def _take_out(tree: Any, path: tuple[str | int, ...], *, missing: bool) -> None:
    """Remove what is wrong at the path, or put a stand-in where something is missing."""
    for depth, part in enumerate(path):
        key = _key(tree, part)
        if depth == len(path) - 1:
            if missing and isinstance(tree, dict):
                tree[part] = {} if dataclasses.is_dataclass(_block_at(path)) else Missing()
            elif isinstance(tree, (dict, list)) and key is not None:
                del tree[key]
            return
        if key is None:
            return
        tree = tree[key]


def _key(tree: Any, part: str | int) -> Any:
    if isinstance(tree, dict):
        return next((key for key in (part, to_camel(str(part))) if key in tree), None)
    if isinstance(tree, list) and isinstance(part, int) and part < len(tree):
        return part
    return None


def _concerns(path: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    """Whether a problem at `path` is (or may be) only a consequence of one at `other`."""
    return path[: len(other)] == other or (len(other) == len(path) + 1 and other[: len(path)] == path)


def _masked(problem: Problem, hide: frozenset[str]) -> Problem:
    if problem.path and str(problem.path[0]) in hide:
        return Problem(
            problem.path,
            re.sub(r"(['\"]).*\1", "[secret]", problem.message),
            re.sub(r"(['\"]).*\1", "[secret]", problem.fix),
        )
    return problem


def _spell(path: tuple[str | int, ...], prefix: str, camel_case: bool) -> str:
    text = ""
    kind: Any = MlflowDeploymentArgs
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            named = dataclasses.is_dataclass(kind) and camel_case
            text += ("." if text else "") + (to_camel(part) if named else part)
        kind = _field_type(kind, str(part)) if dataclasses.is_dataclass(kind) else _item_type(kind)
    return prefix + text if text else (prefix.rstrip(":") or "arguments")


_ADAPTER = pydantic.TypeAdapter(MlflowDeploymentArgs)
