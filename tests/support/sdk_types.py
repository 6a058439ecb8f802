"""Inputs of a resource against the types of its SDK: known properties, required ones, kinds of values, enumerations.

The SDKs are generated from the providers' schemas, so that what does not fit them would be refused by the real provider.
"""

import enum
import importlib
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi.runtime.rpc import UNKNOWN

from components.arguments import input_types

# Not AWS: its SDK lists a part of the values of some enumerations.
_PACKAGES = {"gcp": "pulumi_gcp", "azure-native": "pulumi_azure_native"}


def is_typed(token: str) -> bool:
    """Whether inputs of a type can be judged here."""
    return token.split(":")[0] in _PACKAGES


def resource_class(token: str) -> type[pulumi.CustomResource]:
    """The SDK's class for a type, such as `gcp:sql/user:User` or `azure-native:storage:StorageAccount`."""
    package, module, name = token.split(":")
    return getattr(importlib.import_module(f"{_PACKAGES[package]}.{module.split('/')[0]}"), name)


def args_class(token: str) -> type:
    """The SDK's class for the inputs of a type."""
    made = resource_class(token)
    module = importlib.import_module(made.__module__)
    # The second name, where a block within some inputs has the first one.
    return getattr(module, f"{made.__name__}InitArgs", None) or getattr(module, f"{made.__name__}Args")


def misfits(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """What of a resource's inputs does not fit the SDK, each with its path; secrets must be plain values here."""
    return list(_block(args_class(token), inputs, ""))


def _block(cls: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    fields = input_types.fields(cls)
    kinds = dict(fields.values())
    for python in input_types.required(cls):
        if value.get(name := fields[python][0]) is None:
            yield f"{path}.{name}: is required"
    for name, item in value.items():
        if name.startswith("__"):
            continue
        if name not in kinds:
            yield f"{path}.{name}: is unknown"
        elif item is not None and item != UNKNOWN:
            yield from _value(kinds[name], item, f"{path}.{name}")


def _value(kind: Any, value: Any, path: str) -> Iterator[str]:
    members = [member for member in _members(kind) if member is not type(None)]
    found = [list(_one(member, value, path)) for member in members]
    choices = [member for member in members if isinstance(member, type) and issubclass(member, enum.Enum)]
    if choices and isinstance(value, str):
        # The SDKs also take any text for many enumerations; what is not among them is refused all the same.
        if not any(value in [member.value for member in choice] for choice in choices):
            yield f"{path}: {value!r} is none of {[member.value for choice in choices for member in choice]}"
    elif found and all(found):
        yield from min(found, key=len)


def _members(kind: Any) -> Iterator[Any]:
    """What a union may hold, without the wrappers of inputs."""
    if typing.get_origin(kind) is typing.Union:
        for member in typing.get_args(kind):
            yield from _members(member)
    elif typing.get_origin(kind) not in (Awaitable, pulumi.Output):
        yield kind


def _one(kind: Any, value: Any, path: str) -> Iterator[str]:
    if value == UNKNOWN:
        return
    origin = typing.get_origin(kind)
    if origin in (list, Sequence):
        if not isinstance(value, list):
            yield f"{path}: expected a list, got {value!r}"
            return
        for index, item in enumerate(value):
            yield from _value(typing.get_args(kind)[0], item, f"{path}[{index}]")
    elif origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            yield f"{path}: expected a mapping, got {value!r}"
            return
        for key, item in value.items():
            yield from _value(typing.get_args(kind)[1], item, f"{path}.{key}")
    elif input_types.is_input_type(kind):
        if isinstance(value, Mapping):
            yield from _block(kind, value, path)
        else:
            yield f"{path}: expected a block, got {value!r}"
    elif kind in (str, bool, int, float):
        fits = {str: str, bool: bool, int: int, float: (int, float)}[kind]
        if not isinstance(value, fits) or (kind in (int, float) and isinstance(value, bool)):
            yield f"{path}: expected {kind.__name__}, got {value!r}"
