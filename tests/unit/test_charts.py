"""What stands in docs/charts.md is true of the arguments, and the examples of the charts load."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.charts.table import CHARTS, chart
from tests.charts import DOCUMENT, render
from tests.support.arguments import SCHEMA, known
from tests.unit.conftest import Load
from toolchain.paths import ROOT

VALUES = sorted(Path(__file__).with_name("charts").glob("*.txt"))
"""Every key of a chart's values, a line each; the file's name is the chart's, with its version."""
EXAMPLES = sorted((ROOT / "examples" / "charts").rglob("*.yaml"))
ROWS = [(chart(name), row) for name in CHARTS for row in chart(name).rows]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_document_has_the_tables() -> None:
    text = DOCUMENT.read_text()
    assert render(text) == text


def test_every_key_of_a_chart_has_a_counterpart_or_a_reason() -> None:
    for each, row in ROWS:
        assert row.ours or row.note, (each.name, row)
        assert row.by or not row.ours or len(row.ours) == len(row.keys), (each.name, row)


@pytest.mark.parametrize("path", VALUES, ids=lambda path: path.stem)
def test_tables_cover_the_values_of_the_version_that_they_name(path: Path) -> None:
    name, _, version = path.stem.rpartition("-")
    assert version in DOCUMENT.read_text().partition("\n## ")[0], f"name {name} {version}"
    table = chart(name.removesuffix("-charts"))
    assert table.version == version
    keys = path.read_text().splitlines()
    assert [key for key in keys if table.row(key) is None] == []


def test_no_key_of_a_chart_stands_twice() -> None:
    for name in CHARTS:
        keys = [key for row in chart(name).rows if not row.variables for key in row.keys]
        assert [key for key in keys if keys.count(key) > 1] == []


def test_every_counterpart_is_an_argument() -> None:
    named = {key for _, row in ROWS for key in row.ours}
    assert sorted(key for key in named if not known(key)) == []
    assert not known("database.postgres") and not known("no"), "what does not exist must be noticed"


def test_notes_name_no_argument_that_does_not_exist() -> None:
    roots = {name.partition(":")[2] for name in SCHEMA["properties"]["config"]["properties"]}
    named = {key for _, row in ROWS for key in quoted(row.note)}
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
