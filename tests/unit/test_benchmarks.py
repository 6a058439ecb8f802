"""The benchmarks' own arithmetic, and that their metrics are explained."""

import json
from pathlib import Path

import pytest

from bench import metrics, wrk
from bench.measurements import MEASUREMENTS, chosen
from toolchain.paths import ROOT

OUTPUT = """Running 8s test @ http://10.0.0.1:5000/api/2.0/mlflow/runs/log-metric
  1 threads and 4 connections
  Latency Distribution
     50%    1.50ms
     99%   36.02ms
  1396 requests in 8.01s, 355.83KB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 3
Requests/sec:    174.33
"""


def test_every_figure_is_explained() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    for name in (name for each in MEASUREMENTS for name in each.metrics):
        stem, _, last = name.rpartition("_")
        assert f"`{name}`" in text or (f"`{stem}_none`" in text and f"`_{last}`" in text), name


def test_every_measurement_can_be_run() -> None:
    assert all(callable(each.run) for each in MEASUREMENTS)


def test_only_the_named_ones_are_chosen() -> None:
    (one,) = chosen(["imports"])
    assert not one.cluster and not one.clouds
    assert {each.name for each in chosen(["preview_over_floor_aws"])} == {"clouds"}
    assert "installs" not in {each.name for each in chosen([])}


def test_what_wrk_prints_is_read() -> None:
    assert wrk.parse(OUTPUT) == wrk.Load(per_second=174.33, p50_ms=1.5, failed=6)


def test_a_ratio_is_that_of_the_medians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = metrics.ratio("x", [1, 4, 100], [2, 4, 2], "y", metrics.Goal(1.5), seconds=4)
    monkeypatch.setattr(metrics, "FILE", tmp_path / "build" / "bench.json")
    metrics.save([metric])
    (entry,) = json.loads(metrics.FILE.read_text())
    assert entry == {
        "name": "x",
        "value": 2,
        "unit": "ratio",
        "against": "y",
        "goal": "≤ 1.5",
        "goal_met": False,
        "min": 0.5,
        "median": 1,
        "max": 50,
        "runs": 3,
        "seconds": 4,
    }
    assert "MISSED" in metrics.table([metric])
