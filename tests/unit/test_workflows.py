"""The workflows of continuous integration, and the one for users: pinned actions, least rights, bounded time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolchain import checks
from toolchain.paths import ROOT

WORKFLOWS = checks.WORKFLOWS
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def workflow(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_actions_are_pinned_by_commit_with_the_version_beside_it(path: Path) -> None:
    used = [line.strip(" -") for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert used and [line for line in used if not PINNED.fullmatch(line)] == []


def test_an_action_has_one_version() -> None:
    used = {pin for path in WORKFLOWS for pin in re.findall(r"uses: (\S+@\S+ # \S+)", path.read_text(encoding="utf-8"))}
    names = [pin.partition("@")[0] for pin in used]
    assert sorted(names) == sorted(set(names))


def test_rights_are_least_and_time_is_bounded(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}, "a job that needs more says so itself"
    assert "concurrency" in workflow
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job, name
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert not any(step["with"]["persist-credentials"] for step in checkouts), name


def test_secrets_stay_out_of_scripts(workflow: dict[str, Any]) -> None:
    """An expression in a script is text that the shell runs; a variable of the environment is not."""
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert [script for script in scripts if "${{" in script] == []


def test_the_development_container_has_the_versions_of_ci() -> None:
    ci = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    container = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    kind = re.search(r"version: (v\S+)", ci)
    assert kind and f"sigs.k8s.io/kind@{kind[1]}" in container
