"""Reading a file of values, and what comes out of one: the configuration with what is still wrong with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

from ..arguments.base import Problem
from ..reading.configuration import NAMESPACE
from ..reading.conversion import ConfigurationError, to_arguments
from ..reading.messages import spelled
from .conversion import Conversion

__all__ = ["BYTES", "ValuesError", "document", "problems", "read"]

BYTES = 2_000_000
"""How large a file of values may be. Kubernetes keeps a release, values included, in an object of half of that."""
_NODES = 100_000
"""How many values it may have once its aliases are resolved: a few lines can stand for millions."""
_DEPTH = 50


class ValuesError(ValueError):
    """The file is not one of values; the message says why, and never shows its content."""


class _Loader(yaml.SafeLoader):
    """Refuses keys that are given twice, of which Helm takes the last and YAML neither."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise ValuesError(f"line {key.start_mark.line + 1}: the key {key.value!r} is given twice")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _timestamp_as_text(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    """Helm knows no dates: they are text."""
    return str(loader.construct_scalar(node))  # type: ignore[arg-type]


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _timestamp_as_text)


def read(content: bytes) -> dict[str, Any]:
    """The values of a file.

    Args:
        content: The file.

    Raises:
        ValuesError: It is no YAML, not a mapping of names, or larger than values are.
    """
    if len(content) > BYTES:
        raise ValuesError(f"the file has {len(content):,} bytes; values have at most {BYTES:,}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValuesError("the file is not text in UTF-8") from None
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValuesError(f"the file is not YAML: {where}{error.problem or 'it cannot be read'}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ValuesError):
            raise
        raise ValuesError("the file is not YAML, or is nested too deeply") from None
    if len(documents) > 1:
        raise ValuesError(f"the file has {len(documents)} documents; Helm takes one file of values per --values")
    values = documents[0] if documents else None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValuesError(
            f"the file has a {'list' if isinstance(values, list) else 'single value'}, not keys with values"
        )
    _measure(values)
    return values


def _measure(values: Any) -> None:
    """Aliases resolved, it must be a tree of reasonable size with text for keys."""
    count, todo = 0, [(values, 0)]
    while todo:
        node, depth = todo.pop()
        count += 1
        if depth > _DEPTH or count > _NODES:
            raise ValuesError(
                f"the file has more than {_NODES:,} values, or more than {_DEPTH} levels, aliases resolved"
            )
        if isinstance(node, dict):
            if odd := next((key for key in node if not isinstance(key, (str, int, float, bool))), None):
                raise ValuesError(f"a key is not text but a {type(odd).__name__}")
            todo += [(each, depth + 1) for each in node.values()]
        elif isinstance(node, list):
            todo += [(each, depth + 1) for each in node]


def problems(made: Conversion) -> list[str]:
    """What the program would refuse, each with its path; secrets that have to be set are taken from the values for this."""
    whole = copy.deepcopy(made.config)
    for secret in made.secrets:
        *parents, last = secret.path.split(".")
        node: Any = whole
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = secret.value
    hidden = frozenset(secret.path.partition(".")[0] for secret in made.secrets)
    try:
        to_arguments(whole, prefix=f"{NAMESPACE}:", hide=hidden)
    except ConfigurationError as error:
        return [_line(problem) for problem in error.problems]
    return []


def _line(problem: Problem) -> str:
    return f"{spelled(problem.path, f'{NAMESPACE}:')}: {problem.message}; {problem.fix}"


def document(made: Conversion, values: str) -> str:
    """The stack file.

    Args:
        made: The conversion.
        values: Name of the file of values, for the comment.
    """
    config = {f"{NAMESPACE}:{name}": _plain(value) for name, value in made.config.items()}
    body = yaml.safe_dump({"config": config}, sort_keys=False, allow_unicode=True, width=120)
    head = f"# From {values} of {made.chart.title} {made.chart.version}, by `pulumi-mlflow import-values`.\n"
    secrets = "".join(f"# Still to be set: {secret.command}\n" for secret in made.secrets)
    return head + secrets + body


def _plain(value: Any) -> Any:
    """Copies, so that what stands twice is not written as an alias."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
