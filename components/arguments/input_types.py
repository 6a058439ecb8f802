"""Input types of Pulumi's SDKs, such as `pulumi_kubernetes.core.v1.ContainerArgs`, as data.

The only module that uses private names of Pulumi: no public API tells how a provider spells a field (`imagePullPolicy` for
`image_pull_policy`), although every SDK declares its classes with it. `tests/unit/test_input_types.py` fails if these
names change.
"""

import functools
import inspect
from typing import Any

from pulumi import _types  # noqa: PLC2701 - see above


def is_input_type(kind: Any) -> bool:
    """Whether this is the class of an input type."""
    return isinstance(kind, type) and _types.is_input_type(kind)


@functools.cache
def fields(kind: type) -> dict[str, tuple[str, Any]]:
    """Each field by its Python name, with the provider's name and the declared type."""
    types = _types.input_type_types(kind)
    return {python: (name, types[name]) for python, name in _types.input_type_py_to_pulumi_names(kind).items()}


@functools.cache
def required(kind: type) -> list[str]:
    """Python names of the fields that have no default."""
    parameters = inspect.signature(kind).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]


def as_mapping(value: Any) -> Any:
    """An object of an input type as a mapping with the provider's names, one level deep; anything else unchanged."""
    return _types.input_type_to_dict(value) if is_input_type(type(value)) else value
