"""A metric and how it is reported."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from toolchain.files import write
from toolchain.paths import ROOT

FILE = ROOT / "build" / "bench.json"
"""The metrics of the newest run."""


@dataclass(frozen=True)
class Goal:
    """A bound for a metric."""

    bound: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the value keeps to it."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Metric:
    """One line of the table.

    Attributes:
        name: What was measured.
        value: The metric.
        against: What it is compared with.
        unit: Unit of the value.
        goal: Its bound, if it has one.
        runs: The same metric from each single run; the value is computed from all of them.
        more: Plain measurements behind it, with the unit in their names.
    """

    name: str
    value: float
    against: str
    unit: str = "ratio"
    goal: Goal | None = None
    runs: Sequence[float] = ()
    more: dict[str, float] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The metric as `build/bench.json` holds it."""
        runs = self.runs or [self.value]
        spread = {"min": min(runs), "median": statistics.median(runs), "max": max(runs), "runs": len(runs)}
        goal = {"goal": str(self.goal), "goal_met": self.goal.met(self.value)} if self.goal else {}
        numbers = {name: round(value, 4) for name, value in {**spread, **self.more}.items()}
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "unit": self.unit,
            "against": self.against,
            **goal,
            **numbers,
        }


def ratio(
    name: str,
    over: Sequence[float],
    under: Sequence[float],
    against: str,
    goal: Goal | None = None,
    **more: float,
) -> Metric:
    """The ratio of two medians.

    Args:
        name: Name of the metric.
        over: What is looked at, one value for each run.
        under: What it is compared with, from the same runs in the same order.
        against: Says what `under` is.
        goal: Bound of the ratio.
        **more: Further measurements.
    """
    runs = [a / b for a, b in zip(over, under, strict=True)]
    value = statistics.median(over) / statistics.median(under)
    return Metric(name, value, against, goal=goal, runs=runs, more=more)


def save(metrics: Sequence[Metric]) -> None:
    """Replace `FILE`."""
    FILE.parent.mkdir(exist_ok=True)
    write(FILE, json.dumps([metric.entry() for metric in metrics], indent=2) + "\n")


def table(metrics: Sequence[Metric]) -> str:
    """The metrics for people, with the measurements behind each below it."""
    lines = [f"{'metric':<46}{'value':>8}  {'min':>7} {'median':>7} {'max':>7}  goal"]
    for metric in metrics:
        entry = metric.entry()
        verdict = f"{metric.goal} {'met' if entry['goal_met'] else 'MISSED'}" if metric.goal else ""
        spread = " ".join(f"{entry[key]:>7.2f}" for key in ("min", "median", "max"))
        lines.append(f"{metric.name:<46}{metric.value:>8.2f}  {spread}  {verdict}")
        details = [f"over {metric.against}", *(f"{name} {value:.4g}" for name, value in metric.more.items())]
        lines.append(f"    {'; '.join(details)}")
    return "\n".join(lines)
