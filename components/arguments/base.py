"""What every argument block is made of: the dataclass settings, input leaves, and checks that report all problems.

Annotations stay unevaluated-string free (no `from __future__ import annotations`): Pulumi's component analyzer and
pydantic read the same classes at run time.
"""

import difflib
import re
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar, Union

import pulumi
import pydantic.dataclasses
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import dataclass_transform

T = TypeVar("T")

# `pulumi.Input` itself holds an unresolved forward reference, which pydantic cannot read.
Input = Union[T, Awaitable[T], pulumi.Output[T]]

BLOCK = ConfigDict(
    extra="forbid",
    alias_generator=to_camel,
    validate_by_name=True,
    validate_by_alias=True,
    arbitrary_types_allowed=True,
    use_attribute_docstrings=True,
    hide_input_in_errors=True,
)
"""Settings of every block: camelCase in stack configuration, snake_case in Python, unknown keys refused."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def block(cls: type[T]) -> type[T]:
    """Class decorator: a frozen, keyword-only dataclass that pydantic validates."""
    return pydantic.dataclasses.dataclass(config=BLOCK, kw_only=True, frozen=True)(cls)  # type: ignore[return-value]


class Missing(str):
    """Stands in for a required value that was not given, so that the remaining checks can still run."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the arguments.

    Attributes:
        path: Python attribute names and list indices from the root.
        message: What is wrong, with the value where it is not secret.
        fix: What to write instead.
    """

    path: tuple[str | int, ...]
    message: str
    fix: str

    def under(self, *parents: str | int) -> "Problem":
        """The same problem, seen from further up."""
        return Problem((*parents, *self.path), self.message, self.fix)


class Block:
    """Base of all argument blocks."""

    def problems(self) -> Iterable[Problem]:
        """Problems that types alone cannot show; paths are relative to this block. Nested blocks are asked too."""
        return ()


def secret(description: str | None = None) -> Any:
    """A field that holds a secret: never shown in messages or `repr`, always stored as a Pulumi secret."""
    return Field(default=None, repr=False, description=description, json_schema_extra={"writeOnly": True})


def is_secret_field(block: type, name: str) -> bool:
    """Whether the field was declared with `secret()`."""
    field = getattr(block, "__pydantic_fields__", {}).get(name)
    return bool(field and isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("writeOnly"))


def plain(value: Any) -> Any:
    """The value if it is known now; None for outputs, awaitables and stand-ins, which cannot be checked."""
    return None if isinstance(value, (pulumi.Output, Awaitable, Missing)) else value


def walk(block: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Block]]:
    """Every block in the tree with its path, the root first."""
    if isinstance(block, Block) and is_dataclass(block):
        yield path, block
        for field in fields(block):
            yield from walk(getattr(block, field.name), (*path, field.name))
    elif isinstance(block, (list, tuple)):
        for index, item in enumerate(block):
            yield from walk(item, (*path, index))


def suggestion(given: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was most likely meant."""
    names = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in allowed}
    close = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", given.lower()), list(names), n=1, cutoff=0.6)
    return names[close[0]] if close else None


def exactly_one(block: Any, among: Sequence[str], example: str) -> Iterator[Problem]:
    """A choice: exactly one of the optional blocks must be given."""
    given = [name for name in among if getattr(block, name) is not None]
    spelled = ", ".join(to_camel(name) for name in among)
    if not given:
        yield Problem((), f"no choice was made; give exactly one of: {spelled}", f"for example {example}")
    elif len(given) > 1:
        both = " and ".join(to_camel(name) for name in given)
        yield Problem((), f"{both} are given; they exclude each other", f"keep exactly one of: {spelled}")


def pattern(value: Any, regex: str, path: str, what: str, fix: str) -> Iterator[Problem]:
    """A known string must match the whole expression."""
    known = plain(value)
    if isinstance(known, str) and not re.fullmatch(regex, known):
        yield Problem((path,), f"{known!r} is not {what}", fix)


def between(value: Any, low: float, high: float, path: str, unit: str = "") -> Iterator[Problem]:
    """A known number must lie within bounds, both included."""
    known = plain(value)
    if isinstance(known, (int, float)) and not isinstance(known, bool) and not low <= known <= high:
        kind = f" {unit}" if unit else ""
        yield Problem((path,), f"{known} is out of range", f"use a value from {low} to {high}{kind}")


DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_SUBDOMAIN = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
QUANTITY = r"\d+(\.\d+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?"


def kubernetes_name(value: Any, path: str, what: str = "a Kubernetes name") -> Iterator[Problem]:
    """RFC 1123 label: what a namespace, a Service and a ServiceAccount may be called."""
    yield from pattern(
        value,
        DNS_LABEL,
        path,
        what,
        "use at most 63 lower-case letters, digits and hyphens, starting with a letter or digit",
    )


def host_name(value: Any, path: str) -> Iterator[Problem]:
    """A bare host: no scheme, no port, no path."""
    known = plain(value)
    if not isinstance(known, str):
        return
    bare = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", known).split("/")[0]
    if bare != known:
        yield Problem((path,), f"{known!r} has a scheme or a path", f"give the host alone: {bare!r}")
    elif re.search(r":\d+$", known) and known.count(":") == 1:
        yield Problem((path,), f"{known!r} has a port", "give the host alone, and the port in its own key")
    elif not known or re.search(r"\s", known):
        yield Problem((path,), f"{known!r} is not a host name", "give a DNS name or an IP address")
