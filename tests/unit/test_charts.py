"""What stands in docs/charts.md is true of the arguments, and the examples of the charts load."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.reading.schema import stack_schema
from tests.unit.conftest import Load
from toolchain.paths import ROOT

DOCUMENT = ROOT / "docs" / "charts.md"
VALUES = sorted(Path(__file__).with_name("charts").glob("*.txt"))
"""Every key of a chart's values, a line each; the file's name is the chart's, with its version."""
EXAMPLES = sorted((ROOT / "examples" / "charts").rglob("*.yaml"))
SCHEMA: Mapping[str, Any] = stack_schema()


def rows() -> Iterator[tuple[str, list[str]]]:
    """Each row of the tables, with the heading that it stands below."""
    heading = ""
    for line in DOCUMENT.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif line.startswith("| `"):
            yield heading, [cell.strip() for cell in line.strip().strip("|").split("|")]


def keys(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def known(path: str) -> bool:
    """Whether the schema of stack files has the argument."""
    first, *rest = path.split(".")
    places = [SCHEMA["properties"]["config"]["properties"].get(f"mlflow:{first}")]
    for name in rest:
        places = [below[name] for place in places for below in _properties(place) if name in below]
    return any(place is not None for place in places)


def _properties(node: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(node, Mapping):
        return
    if "$ref" in node:
        yield from _properties(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]])
    if "properties" in node:
        yield node["properties"]
    for each in (*node.get("anyOf", ()), *node.get("allOf", ()), *node.get("oneOf", ()), node.get("items")):
        yield from _properties(each)


def test_every_key_of_a_chart_has_a_counterpart_or_a_reason() -> None:
    found = list(rows())
    assert len({heading for heading, _ in found}) == 5 and len(found) > 100
    for heading, cells in found:
        assert len(cells) == 3, (heading, cells)
        _, ours, note = cells
        assert keys(ours) or (ours == "—" and note), (heading, cells)


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_tables_cover_the_values_of_the_version_that_they_name(path: Path) -> None:
    chart, _, version = path.stem.rpartition("-")
    assert version in DOCUMENT.read_text().partition("\n## ")[0], f"name {chart} {version}"
    (heading,) = {heading for heading, _ in rows() if chart in heading.lower()}
    table = {key for found, (theirs, _, _) in rows() if found == heading for key in whole(keys(theirs))}

    def covered(key: str) -> bool:
        parents = [key.rsplit(".", count)[0] for count in range(1, key.count(".") + 1)]
        return key in table or any(each in table or f"{each}.*" in table for each in parents)

    assert [key for key in path.read_text().splitlines() if not covered(key)] == []


def whole(listed: list[str]) -> list[str]:
    """Keys with what `….` stands for: the parents of the key before it."""
    made: list[str] = []
    for key in listed:
        made.append(f"{made[-1].rpartition('.')[0]}.{key[2:]}" if key.startswith("….") else key)
    return made


def test_no_key_of_a_chart_stands_twice() -> None:
    seen: dict[str, list[str]] = {}
    for heading, (theirs, _, _) in rows():
        # What follows a colon is a single variable.
        seen.setdefault(heading, []).extend([] if ":" in theirs else whole(keys(theirs)))
    assert [key for found in seen.values() for key in found if found.count(key) > 1] == []


def test_every_counterpart_is_an_argument() -> None:
    named = {key for _, (_, ours, _) in rows() for key in keys(ours)}
    assert sorted(key for key in named if not known(key)) == []
    assert not known("database.postgres") and not known("no"), "what does not exist must be noticed"


def test_notes_name_no_argument_that_does_not_exist() -> None:
    roots = {name.partition(":")[2] for name in SCHEMA["properties"]["config"]["properties"]}
    named = {key for _, (_, _, note) in rows() for key in keys(note)}
    ours = {key for key in named if re.fullmatch(r"[a-z]\w+(\.\w+)+", key) and key.partition(".")[0] in roots}
    assert sorted(key for key in ours if not known(key)) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_configuration_of_a_chart_loads(path: Any, load: Load) -> None:
    text = path.read_text()
    assert text.startswith("# "), "name the chart's own example"
    config = yaml.safe_load(text)["config"]
    load({name.removeprefix("mlflow:"): value for name, value in config.items()})
    assert json.loads(json.dumps(config)) == config


def test_every_chart_has_examples() -> None:
    assert len({path.parent for path in EXAMPLES}) == 5
