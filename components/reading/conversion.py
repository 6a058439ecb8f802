"""One way from a plain mapping to typed arguments, with every problem reported at once."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pydantic
from pydantic.alias_generators import to_camel

from ..arguments.base import Path, Problem, blanks, walk
from ..arguments.checks import pattern
from ..arguments.deployment import MlflowDeploymentArgs
from ..rules import problems as rules
from ..rules.names import too_long
from .messages import MISSING, UNKNOWN_KEY, is_block, masked, meant, path_of, problem_of, spelled, type_at

_ADAPTER = pydantic.TypeAdapter(MlflowDeploymentArgs)
# Each round removes what the one before found; at most one round per level of nesting is needed.
_ROUNDS = 8
# A Service's name is a DNS label that starts with a letter; Pulumi's suffix and ours must fit after it.
_NAME_FIX = "use at most 40 lower-case letters, digits and hyphens, starting with a letter"


class ConfigurationError(pulumi.RunError):
    """The arguments are invalid. Carries all problems; nothing has been registered with the engine yet.

    Attributes:
        problems: All problems, each with its path.
    """

    def __init__(self, problems: list[Problem], prefix: str = "") -> None:
        self.problems = problems
        lines = [f"{spelled(p.path, prefix)}: {p.message}; {p.fix}" for p in problems]
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        super().__init__(f"{count} in the configuration of MLflow:\n" + "\n".join(f"  {line}" for line in lines))


def to_arguments(
    value: MlflowDeploymentArgs | Mapping[str, Any],
    *,
    prefix: str = "",
    hide: frozenset[str] = frozenset(),
    name: str | None = None,
) -> MlflowDeploymentArgs:
    """Convert a mapping (camelCase or snake_case keys) and check it; check typed arguments.

    Args:
        value: Arguments, or a mapping of the same shape; leaves may be Pulumi outputs.
        prefix: Prepended to each path in messages (`mlflow:` for stack configuration).
        hide: Top-level names whose values must not appear in messages, since the configuration marks them as secret.
        name: Name of the component, also checked if given.

    Raises:
        ConfigurationError: With all problems at once, except those that only follow from others.
    """
    arguments, problems, broken = _validate(value, hide)
    # Innermost blocks first: a number out of range is wrong on its own, whatever it would mean further up.
    blocks = list(reversed(list(walk(arguments))))
    asked = [[problem.under(*path) for problem in blanks(block)] for path, block in blocks]
    asked += [[problem.under(*path) for problem in block.problems()] for path, block in blocks]
    # Rules between blocks last, for the same reason.
    for found in (*asked, list(rules(arguments)) if arguments is not None else []):
        found = [p for p in found if not any(_is_consequence(p, mistake) for mistake in broken)]
        problems += found
        broken += [p.path for p in found]
    if name is not None:
        wrong = [*pattern(name, r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", "name", "a component name", _NAME_FIX)]
        problems += wrong or (too_long(name, arguments) if arguments is not None else [])
    if problems:
        problems = [masked(p, hide) for p in sorted(problems, key=lambda p: [str(part) for part in p.path])]
        raise ConfigurationError(problems, prefix)
    assert arguments is not None
    return arguments


def _validate(value: Any, hide: frozenset[str]) -> tuple[MlflowDeploymentArgs | None, list[Problem], list[Path]]:
    """Validate, remove what is wrong and validate again, so that one mistake does not hide another.

    Returns:
        The remaining arguments, the problems, and the paths that must not be reported again.
    """
    if isinstance(value, MlflowDeploymentArgs):
        return value, [], []
    if not isinstance(value, Mapping):
        message = f"expected a mapping, got {type(value).__name__}"
        return None, [Problem((), message, "give MlflowDeploymentArgs or a dict")], [()]
    rest = _copy(value)
    problems: list[Problem] = _scalars(rest)
    broken: list[Path] = [p.path for p in problems]
    for path in broken:
        _take_out(rest, path)
    for _ in range(_ROUNDS):
        try:
            return _ADAPTER.validate_python(rest), problems, broken
        except pydantic.ValidationError as error:
            known = len(problems)
            # Unknown keys first: they may be misspellings of missing ones.
            for item in sorted(error.errors(include_url=False), key=lambda item: item["type"] not in UNKNOWN_KEY):
                path, code = path_of(item["loc"]), item["type"]
                if code in UNKNOWN_KEY and (likely := meant(path)) and _key(_at(rest, path[:-1]), likely[-1]) is None:
                    broken.append(likely)
                if path not in (p.path for p in problems) and not (code in MISSING and path in broken):
                    problems.append(problem_of(path, code, item.get("input"), hide))
                    broken.append(path)
                _take_out(rest, path, missing=code in MISSING)
            if len(problems) == known:
                break
    return None, problems, broken


def _is_consequence(problem: Problem, mistake: Path) -> bool:
    """Whether a problem may only follow from a mistake at that path."""
    return any(place[: len(mistake)] == mistake for place in (problem.path, *problem.either))


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, (list, tuple)) else value


def _scalars(tree: Any, path: Path = ()) -> list[Problem]:
    """Take whole numbers and booleans as strings where users' own names have values; find what pydantic would take for
    something else: booleans given for numbers, and words other than `true` and `false` given for booleans."""
    places: list[tuple[Any, Path]]
    if isinstance(tree, dict):
        places = [(key, path_of((*path, key))) for key in tree if isinstance(key, (str, int))]
    elif isinstance(tree, list):
        places = [(index, (*path, index)) for index in range(len(tree))]
    else:
        return []
    problems: list[Problem] = []
    for key, inner in places:
        value, kind = tree[key], type_at(inner)
        if kind is str and isinstance(tree, dict) and not is_block(type_at(path)):
            tree[key] = _text(value, str(path[-1]))
        elif isinstance(value, (dict, list)):
            problems += _scalars(value, inner)
        elif kind in WRITTEN and _is_another(value, kind):
            problems.append(problem_of(inner, "type", value, frozenset()))
    return problems


WRITTEN = {bool: "true|false", int: r"-?\d+", float: r"-?\d+(\.\d+)?"}
"""How values of these types may be written as text, which templates and `pulumi config set` make of them."""


def names(field: str) -> bool:
    """Whether the values of a field name things. A decimal number there may have been a version: YAML makes 1.1 of 1.10."""
    return field.lower().endswith(("labels", "annotations", "selector", "tags"))


def _is_another(value: Any, kind: type) -> bool:
    if isinstance(value, str):
        return not re.fullmatch(WRITTEN[kind], value, re.ASCII)
    return value is not None and (
        isinstance(value, (bool, int, float)) and isinstance(value, bool) is not (kind is bool)
    )


def _text(value: Any, field: str) -> Any:
    """A number or truth value as YAML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and (names(field) or not re.fullmatch(WRITTEN[float], str(value))):
        return value
    return str(value) if isinstance(value, (int, float)) else value


def _at(tree: Any, path: Path) -> Any:
    """The value at a path, or None."""
    for part in path:
        key = _key(tree, part)
        if key is None:
            return None
        tree = tree[key]
    return tree


def _take_out(tree: Any, path: Path, *, missing: bool = False) -> None:
    """Remove what is wrong at the path, or put a placeholder there if it is missing or an item of a list."""
    parent, part = _at(tree, path[:-1]), path[-1]
    key = _key(parent, part)
    kind = type_at(path)
    stand_in = {} if is_block(kind) else {int: 1}.get(kind, "")
    if isinstance(parent, dict) and missing:
        parent[part] = stand_in
    elif isinstance(parent, list) and key is not None:
        parent[key] = stand_in
    elif isinstance(parent, dict) and key is not None:
        del parent[key]


def _key(tree: Any, part: str | int) -> Any:
    """The key as it is spelled in the tree; None if it is not there."""
    if isinstance(tree, dict):
        spellings = (part, to_camel(str(part)))
        return next((key for key in spellings if key in tree), None) or next((k for k in tree if str(k) == part), None)
    return part if isinstance(tree, list) and isinstance(part, int) and part < len(tree) else None
