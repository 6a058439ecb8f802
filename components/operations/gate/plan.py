"""What the engine means to do, from `pulumi preview --json` or from its event log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...protection import UNKNOWN, plain_type
from ..errors import USAGE, OperationError

_REPLACES = ("replace", "create-replacement", "delete-replaced", "import-replacement", "read-replacement")
_HOW = (
    "Give it the output of `pulumi preview --json --show-sames`, or the file of `pulumi preview --event-log <file>` "
    "(with PULUMI_DEBUG_COMMANDS=true)."
)


@dataclass(frozen=True)
class Step:
    """What happens to one resource.

    Attributes:
        op: `create`, `update`, `replace`, `delete` or `same`.
        urn: The resource.
        type: Its type.
        old, new: Its properties before and after; empty where it does not exist.
        was, will: The engine's own switches before and after: `protect` and `retainOnDelete`.
        causes: Properties for whose change it is replaced.
        changed: Properties that change, as the provider tells.
    """

    op: str
    urn: str
    type: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    was: Mapping[str, Any]
    will: Mapping[str, Any]
    causes: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the resource in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def kind(self) -> str:
        """Its type without what varies."""
        return plain_type(self.type)

    @property
    def title(self) -> str:
        """Type and name, for people."""
        return f"{self.type} {self.name}"


@dataclass(frozen=True)
class Plan:
    """All of it.

    Attributes:
        steps: One for each resource.
        errors: Why the preview failed, if it did.
        config: The stack's configuration; secrets are masked.
        complete: Whether resources that stay the same are among the steps.
    """

    steps: tuple[Step, ...]
    errors: tuple[str, ...]
    config: Mapping[str, str]
    complete: bool


def read(text: str) -> Plan:
    """The plan in what Pulumi has printed.

    Raises:
        OperationError: It is neither a preview nor an event log.
    """
    documents: list[dict[str, Any]] = []
    for start in re.finditer(r"^\{", text, re.MULTILINE):  # a program may print something before, and the engine after
        try:
            documents.append(json.JSONDecoder().raw_decode(text, start.start())[0])
        except ValueError as error:
            if not any(_is_digest(each) for each in documents):
                raise OperationError(f"the preview is not whole: {error}", _HOW, USAGE) from None
    if not documents:
        raise OperationError("there is no preview to read", _HOW, USAGE)
    if "sequence" in documents[0] or "timestamp" in documents[0]:
        return _plan(*_of_events(documents))
    digest = next((each for each in reversed(documents) if _is_digest(each)), None)
    if digest is None:
        raise OperationError("this is no preview of Pulumi", _HOW, USAGE)
    return _plan(digest.get("steps") or [], digest.get("diagnostics") or [], digest.get("config") or {})


def _is_digest(document: Mapping[str, Any]) -> bool:
    return bool({"steps", "changeSummary", "diagnostics"} & document.keys())


def _of_events(events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """Steps, messages and configuration. A log of `pulumi up` tells the preview first; only that is of interest."""
    steps = [each["resourcePreEvent"] for each in events if "resourcePreEvent" in each]
    planned = [each for each in steps if each.get("planning")] or steps
    rows = []
    for each in planned:
        data = each["metadata"]
        rows.append(
            {
                **data,
                "oldState": data.get("old"),
                "newState": data.get("new"),
                "replaceReasons": data.get("keys"),
                "diffReasons": data.get("diffs"),
            }
        )
    messages = [each["diagnosticEvent"] for each in events if "diagnosticEvent" in each]
    if not any("summaryEvent" in each for each in events):
        messages.append({"severity": "error", "message": "the log ends before the preview does"})
    config = next((each["preludeEvent"].get("config") or {} for each in events if "preludeEvent" in each), {})
    return rows, messages, config


def _plan(rows: Iterable[Mapping[str, Any]], messages: Iterable[Mapping[str, Any]], config: Mapping[str, str]) -> Plan:
    together: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        known = together.get(row["urn"])
        # The parts of a replacement are several steps of one resource; the one that tells the reasons is kept.
        if known is None or (row["op"] == "replace" and known["op"] != "same"):
            together[row["urn"]] = row
        elif known["op"] == "delete-replaced":
            together[row["urn"]] = {**row, "oldState": known.get("oldState") or row.get("oldState")}
    steps = tuple(_step(row) for row in together.values())
    errors = tuple(
        f"{each.get('message', '').strip()}" for each in messages if each.get("severity") in ("error", "fatal")
    )
    complete = any(step.op == "same" and not step.type.startswith("pulumi:") for step in steps)
    return Plan(steps, errors, config, complete)


def _step(row: Mapping[str, Any]) -> Step:
    old, new = row.get("oldState") or {}, row.get("newState") or {}
    op = row["op"]
    kind = new.get("type") or old.get("type") or row["urn"].split("::")[2].rpartition("$")[2]
    return Step(
        op="replace" if op in _REPLACES else "create" if op == "import" else op,
        urn=row["urn"],
        type=kind,
        old=old.get("inputs") or {},
        new=new.get("inputs") or {},
        was=old,
        will=new,
        causes=tuple(row.get("replaceReasons") or ()),
        changed=tuple(sorted(row.get("detailedDiff") or row.get("diffReasons") or ())),
    )


def differing(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, former and new value of what differs between two values, the smallest parts that do."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            if not key.startswith("__"):
                yield from differing(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and _named(old) and _named(new):
        before, after = ({each["name"]: each for each in side} for side in (old, new))
        for name in {**before, **after}:
            yield from differing(before.get(name), after.get(name), f"{path}[{name}]")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differing(before, after, f"{path}[{place}]")
    elif old != new:
        yield path, old, new


def leaves(value: Any) -> Iterator[Any]:
    """The values in a value."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not key.startswith("__"):
                yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def known(value: Any) -> bool:
    """Whether a preview tells a value."""
    return value is not None and value != UNKNOWN


def _named(values: list[Any]) -> bool:
    """Whether each is a mapping with a name of its own, as containers and variables are."""
    names = [each.get("name") for each in values if isinstance(each, Mapping)]
    return (
        bool(values)
        and len(names) == len(values)
        and all(isinstance(name, str) for name in names)
        and len(set(names)) == len(names)
    )
