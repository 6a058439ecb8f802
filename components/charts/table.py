"""The tables: what each value key of a chart is here."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHARTS = ("official", "community", "deprecated", "kubernetes", "sb-helm-charts")
"""Names of the charts, in the order of docs/charts.md."""
_FOLDER = Path(__file__).with_name("tables")


@dataclass(frozen=True)
class Row:
    """Keys of a chart that become something here together.

    Attributes:
        keys: Paths in the chart's values. `path.*` stands for all keys below it.
        ours: Arguments here; empty if there is no counterpart.
        note: What differs, or why there is none.
        by: Name of the transformation; None if each key is the argument at the same place of `ours`.
        variables: Names within the key, if the row is about some entries of a list alone.
    """

    keys: tuple[str, ...]
    ours: tuple[str, ...] = ()
    note: str = ""
    by: str | None = None
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: What `--chart` takes.
        title: What it is called.
        version: The version that the table was read from.
        rows: The table.
        defaults: Its values by path, without those that are empty, zero or false.
        always_suffixed: Whether the objects' names are `release-chart` even where the release's name has the chart's in it.
        keep: Keys whose default is carried too, since clients rely on it and ours is another.
        intro: What the document says before the table.
    """

    name: str
    title: str
    version: str
    rows: tuple[Row, ...]
    defaults: Mapping[str, Any]
    always_suffixed: bool
    intro: str = ""
    keep: tuple[str, ...] = ()

    @functools.cached_property
    def keys(self) -> Mapping[str, Row]:
        """Rows by the keys as the table has them; rows about entries of a list are those of the list."""
        return {key.partition("[")[0]: row for row in self.rows if not row.variables for key in row.keys}

    @functools.cached_property
    def _parents(self) -> frozenset[str]:
        """Paths that have keys below them."""
        known = [*self.keys, *self.defaults]
        return frozenset(
            ".".join(parts[:depth]) for parts in (key.split(".") for key in known) for depth in range(1, len(parts))
        )

    @functools.cached_property
    def switches(self) -> frozenset[str]:
        """Blocks that `enabled` switches on."""
        return frozenset(key.removesuffix(".enabled") for key in self.keys if key.endswith(".enabled"))

    def row(self, path: str) -> Row | None:
        """The row of a value's path, by itself or by a `path.*` above it."""
        if path in self.keys:
            return self.keys[path]
        parts = path.split(".")
        above = [".".join(parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
        return next((self.keys[key] for each in above for key in (f"{each}.*", each) if key in self.keys), None)

    def leaves(self, values: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
        """The values that the table speaks of, by their paths; unknown ones by the first path that is unknown."""
        for key, value in values.items():
            path = f"{under}.{key}" if under else str(key)
            # A key with a dot is a name of the user's in a mapping of theirs, never one of the chart.
            divided = path in self._parents and path not in self.keys and "." not in str(key)
            if divided and isinstance(value, Mapping):
                yield from self.leaves(value, path)
            else:
                yield path, value

    def default(self, path: str) -> Any:
        """The chart's own value; None for an empty one."""
        return self.defaults.get(path)

    def is_default(self, path: str, value: Any) -> bool:
        """Whether a value changes nothing."""
        known = self.default(path)
        if self.row(path) is None:
            return False
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            # Helm merges mappings.
            return all(key in known and known[key] == item for key, item in value.items())
        if known is None:
            return value is None or value is False or value in ("", {}, [])
        return value == known and isinstance(value, bool) is isinstance(known, bool)


@functools.cache
def chart(name: str) -> Chart:
    """The chart of a name.

    Args:
        name: One of `CHARTS`.
    """
    data = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    rows = tuple(
        Row(
            keys=tuple(row["keys"]),
            ours=tuple(row.get("ours", ())),
            note=row.get("note", ""),
            by=row.get("by"),
            variables=tuple(row.get("variables", ())),
        )
        for row in data["rows"]
    )
    return Chart(
        name=name,
        title=data["title"],
        version=str(data["version"]),
        rows=rows,
        defaults=data["defaults"],
        always_suffixed=data["full_name"] == "release-chart",
        intro=data.get("intro", ""),
        keep=tuple(data.get("keep", ())),
    )
