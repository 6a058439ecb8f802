"""The judgement for a terminal, for a comment on a pull request, and for a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from .judgement import Finding, Judgement, Level
from .plan import Step

_SIGNS = {Level.REFUSED: "✗", Level.AGREED: "!", Level.NOTICE: "·"}
_OPS = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_SHOWN = 6
NO_PRICES = "No amounts: prices depend on region and contract, and Pulumi's preview has none."


def as_data(judgement: Judgement) -> dict[str, Any]:
    """The judgement as JSON has it."""
    return {
        "refused": judgement.refused,
        "changes": [
            {"op": each.op, "urn": each.urn, "type": each.type, "name": each.name, "properties": list(each.changed)}
            for each in judgement.changes
        ],
        "findings": [{**asdict(each), "level": each.level.value} for each in judgement.findings],
        "costs": list(judgement.costs),
        "unusedAllow": list(judgement.unused),
    }


def _verdict(judgement: Judgement) -> str:
    count = sum(each.level is Level.REFUSED for each in judgement.findings)
    return (
        f"refused: {count} {'reason' if count == 1 else 'reasons'}"
        if count
        else "nothing here loses data or protection"
    )


def _summary(steps: Iterable[Step]) -> str:
    words = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to delete"}
    counts = Counter(each.op for each in steps)
    return ", ".join(f"{counts[op]} {word}" for op, word in words.items() if counts[op]) or "no changes"


def _changed(step: Step) -> str:
    more = len(step.changed) - _SHOWN
    return ", ".join(step.changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _lines(steps: Iterable[Step]) -> list[str]:
    return [f"{_OPS[each.op]} {each.title}" + (f": {_changed(each)}" if each.changed else "") for each in steps]


def _line(finding: Finding) -> str:
    where = f"{finding.type} {finding.name}".strip()
    place = f"{where} {finding.property}".strip()
    return f"{place}: {finding.message}" if place else finding.message


def as_text(judgement: Judgement) -> str:
    """For a terminal."""
    lines = [_summary(judgement.changes)]
    lines += [f"  {line}" for line in _lines(judgement.changes)]
    for each in judgement.findings:
        lines.append(f"{_SIGNS[each.level]} {_line(each)}")
        if each.level is Level.REFUSED:
            lines.append(f"    fix: {each.fix}")
    if judgement.costs:
        lines += ["costs change:", *(f"  {each}" for each in judgement.costs), f"  {NO_PRICES}"]
    lines += [f"note: nothing needed --allow {each}" for each in judgement.unused]
    return "\n".join([*lines, _verdict(judgement)])


def as_markdown(judgement: Judgement) -> str:
    """For a comment on a pull request."""
    refused = judgement.refused
    lines = [
        f"### {'❌' if refused else '✅'} MLflow gate: {_verdict(judgement)}",
        "",
        f"{_summary(judgement.changes).capitalize()}.",
        "",
    ]
    for level, title in ((Level.REFUSED, "Refused"), (Level.AGREED, "Agreed to"), (Level.NOTICE, "Good to know")):
        found = [each for each in judgement.findings if each.level is level]
        if not found:
            continue
        lines += [f"#### {title}", ""]
        for each in found:
            place = (
                f"`{each.name}` " + (f"`{each.property}` " if each.property else "") + f"({each.type}): "
                if each.name
                else ""
            )
            lines.append(f"- {place}{_escaped(each.message)}")
            if level is Level.REFUSED:
                lines.append(f"  **Fix:** {_escaped(each.fix)}")
        lines.append("")
    if judgement.costs:
        lines += ["#### Costs change", "", *(f"- {_escaped(each)}" for each in judgement.costs), "", NO_PRICES, ""]
    if judgement.changes:
        changes = _lines(judgement.changes)
        lines += ["<details><summary>Changes</summary>", "", "```diff", *changes, "```", "</details>", ""]
    return "\n".join(lines).rstrip()


def _escaped(text: str) -> str:
    """So that what a resource is called can neither break the list nor mention anybody."""
    return text.replace("\r", " ").replace("\n", " ").replace("<", "&lt;").replace("@", "@\u200b")
