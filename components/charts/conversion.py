"""One conversion: values in, a stack configuration out, and a line for every value that is not the chart's own."""

from __future__ import annotations

import copy
import enum
import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..arguments.server.resources import ResourcesArgs
from ..reading.configuration import NAMESPACE
from ..reading.messages import is_block, path_of, type_at
from .table import Chart

__all__ = ["Conversion", "Line", "Outcome", "Release", "Secret", "Transformation", "fit", "resources", "target"]


class Outcome(enum.Enum):
    """What became of a value."""

    CARRIED = "carried"
    DIFFERS = "differs"
    NOT_NEEDED = "not needed"
    NOT_IN_USE = "not in use"
    SECRET = "to be set"
    LEFT = "not carried"
    UNKNOWN = "unknown"

    @property
    def open(self) -> bool:
        """Whether somebody has to decide or do something."""
        return self in (Outcome.SECRET, Outcome.LEFT, Outcome.UNKNOWN)


@dataclass(frozen=True)
class Line:
    """What became of one value.

    Attributes:
        key: Its path in the values.
        outcome: What became of it.
        ours: Arguments that it has become.
        text: What differs, or why it was not carried.
    """

    key: str
    outcome: Outcome
    ours: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Secret:
    """A secret of the values, which is not written into the file.

    Attributes:
        path: The argument, for `pulumi config set --secret --path`.
        key: Where the value stands in the values.
        value: The value, for checks alone.
    """

    path: str
    key: str
    value: Any = field(repr=False)

    @property
    def command(self) -> str:
        """How to set it."""
        return f"pulumi config set --secret --path '{NAMESPACE}:{self.path}' '<{self.key}>'"


@dataclass(frozen=True)
class Release:
    """The release that is moved.

    Attributes:
        name: Its name.
        namespace: Where it runs.
    """

    name: str
    namespace: str


class Conversion:
    """What is known while values are converted.

    Attributes:
        chart: The chart.
        values: The values as given.
        given: Those that are not the chart's own, by their paths.
        release: The release.
        config: The configuration that comes out.
        lines: What became of the values.
        remarks: What differs without a value that says so.
        secrets: Secrets to set by hand.
        claims: Claims of the release that the configuration takes over.
        referred: Secrets and ConfigMaps of the cluster that the configuration names: (kind, name).
        copies: Steps that bring data over which cannot be taken over in place.
    """

    def __init__(self, chart: Chart, values: Mapping[str, Any], release: Release) -> None:
        self.chart = chart
        self.values = values
        self.release = release
        self.config: dict[str, Any] = {}
        self.lines: list[Line] = []
        self.remarks: list[str] = []
        self.secrets: list[Secret] = []
        self.claims: list[str] = []
        self.referred: list[tuple[str, str]] = []
        self.copies: list[str] = []
        self.consumed_volumes: set[str] = set()
        self.given = {path: value for path, value in chart.leaves(values) if not chart.is_default(path, value)}

    @property
    def full_name(self) -> str:
        """What the objects of the release are called."""
        given = self.get("fullnameOverride")
        if given:
            return str(given)[:63].rstrip("-")
        name = str(self.get("nameOverride") or "mlflow")
        joined = self.release.name
        if self.chart.always_suffixed or name not in joined:
            joined = f"{joined}-{name}"
        return joined[:63].rstrip("-")

    def get(self, path: str) -> Any:
        """A value, or the chart's default."""
        node: Any = self.values
        for part in path.split("."):
            if not isinstance(node, Mapping) or part not in node:
                break
            node = node[part]
        else:
            if node is not None:
                return node
        if (known := self.chart.default(path)) is not None:
            return known
        parent, _, last = path.rpartition(".")
        inside = self.chart.default(parent) if parent else None
        return inside.get(last) if isinstance(inside, Mapping) else None

    def text(self, path: str) -> str:
        """A value as text, empty if there is none."""
        value = self.get(path)
        return "" if value is None or isinstance(value, (Mapping, list)) else str(value).strip()

    def on(self, path: str) -> bool:
        """Whether a switch is on, as Helm's templates take it."""
        return bool(self.get(path))

    def put(self, ours: str, value: Any) -> None:
        """Set an argument."""
        *parents, last = ours.split(".")
        node = self.config
        for part in parents:
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {}
            node = below
        fitted = fit(ours, value)
        if isinstance(fitted, dict) and isinstance(node.get(last), dict):
            node[last].update(fitted)
        else:
            node[last] = fitted

    def has(self, ours: str) -> bool:
        """Whether an argument is set."""
        node: Any = self.config
        for part in ours.split("."):
            if not isinstance(node, dict) or part not in node:
                return False
            node = node[part]
        return True

    def say(self, key: str, outcome: Outcome, text: str = "", *ours: str) -> None:
        """Record what became of a value, or of a part of it."""
        line = Line(key, outcome, ours, text)
        if line not in self.lines:
            self.lines.append(line)

    def told(self, key: str) -> bool:
        """Whether something was said of a value or of its parts."""
        return any(line.key == key or line.key.startswith(f"{key}.") for line in self.lines)

    def left(self, key: str, why: str) -> None:
        """A value could not be carried."""
        self.say(key, Outcome.LEFT, why)

    def secret(self, ours: str, key: str, value: Any) -> None:
        """A secret that the user has to set."""
        made = Secret(ours, key, value)
        self.secrets.append(made)
        parent = ours.rpartition(".")[0]
        if not self.has(parent):
            self.put(parent, {})
        self.say(key, Outcome.SECRET, f"a secret; set it with: {made.command}", ours)

    def refer(self, ours: str, name: str, kind: str = "Secret", **keys: str | None) -> None:
        """Name an existing Secret or ConfigMap, with the keys in it."""
        self.put(ours, {"name": name, **{field: key for field, key in keys.items() if key}})
        if (kind, name) not in self.referred:
            self.referred.append((kind, name))

    def held(self, ours: str, suffix: str, *keys: str, **named: str | None) -> None:
        """Secrets of the values are in a Secret of the release, which the configuration names instead."""
        name = f"{self.full_name}-{suffix}"
        self.refer(ours, name, "Secret", **named)
        for key in keys:
            if key in self.given:
                self.say(key, Outcome.DIFFERS, f"stays in the release's Secret {name}, which must be kept", ours)

    def claim(self, ours: str, name: str, sub_path: str = "") -> None:
        """Take a claim over."""
        self.put(ours, {"existingClaim": name, **({"subPath": sub_path} if sub_path else {})})
        if name not in self.claims:
            self.claims.append(name)

    @property
    def user(self) -> int | None:
        """The user of the chart's pods, to whom the files on claims belong."""
        user = self.get("securityContext.runAsUser") or self.get("podSecurityContext.runAsUser")
        return user if isinstance(user, int) and user > 0 else None

    def rename(self, claim: str, old: str, new: str) -> None:
        """A file on a claim has another name here: a step that renames it, by a pod of the release's image."""
        spec = {
            "securityContext": {"runAsUser": self.user} if self.user else {},
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
            "containers": [
                {
                    "name": "rename",
                    "command": ["mv", "-n", f"/data/{old}", f"/data/{new}"],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
        }
        kubectl = f"kubectl --namespace {self.release.namespace}"
        image = f"$({kubectl} get deployment/{self.full_name} --output jsonpath='{{.spec.template.spec.containers[0].image}}')"
        self.copies.append(
            f"Rename {old} on the claim {claim} to {new}, while nothing has it open: {kubectl} run rename --restart=Never --attach --rm "
            f'--quiet --image="{image}" --override-type=strategic --overrides={shlex.quote(json.dumps({"spec": spec}))}'
        )

    def is_off(self, path: str) -> str | None:
        """The switch that makes a value without effect, if one does."""
        parts = path.split(".")
        for depth in range(1, len(parts)):
            block = ".".join(parts[:depth])
            if block in self.chart.switches and path != f"{block}.enabled" and not self.on(f"{block}.enabled"):
                return f"{block}.enabled"
        return None


Transformation = Callable[[Conversion, Mapping[str, Any]], None]
"""Sets arguments from values (by path) that it is for, and says what it leaves out."""


def target(ours: str) -> tuple[str | int, ...]:
    """An argument's path in Python names."""
    return path_of(tuple(ours.split(".")))


def fit(ours: str, value: Any) -> Any:
    """A value of a chart in the shape of an argument."""
    kind = type_at(target(ours))
    if kind is ResourcesArgs and isinstance(value, Mapping) and set(value) <= {"requests", "limits"}:
        return resources(value)
    if is_block(kind):
        return {} if value is True else value
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and isinstance(value, str):
        same = [member.value for member in kind if str(member.value).lower() == value.lower()]
        return same[0] if same else value
    if kind is int and isinstance(value, str) and re.fullmatch(r"\d{1,9}", value):
        return int(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and type_at((*target(ours), 0)) is str:
        return [each["name"] if isinstance(each, Mapping) and set(each) == {"name"} else each for each in value]
    return copy.deepcopy(value)


def resources(value: Mapping[str, Any]) -> dict[str, str]:
    """Requests and limits as the arguments have them. A memory limit that is not given is the argument's default."""
    made = {}
    for kind, field_ in (("requests", "Request"), ("limits", "Limit")):
        given = value.get(kind)
        for name in ("cpu", "memory"):
            if isinstance(given, Mapping) and given.get(name) is not None:
                made[f"{name}{field_}"] = _quantity(given[name])
    return made


def _quantity(value: Any) -> str:
    text = str(value)
    return str(int(text[:-1]) // 1000) if re.fullmatch(r"\d+000m", text) else text
