"""`pulumi-mlflow gate` on what the real engine previews: updates from recorded states, so that no cluster is needed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from components.operations.cli import app
from components.operations.gate import Judgement, Level, judge, read
from tests.configurations import changed
from tests.support import earlier
from tests.support.fixtures import Deploy
from tests.support.pulumi import Stack

pytestmark = pytest.mark.core

NOTHING = "import pulumi\n"
CLAIM, NAMESPACE = "kubernetes:core/v1:PersistentVolumeClaim", "kubernetes:core/v1:Namespace"
SERVER = "kubernetes:apps/v1:Deployment"
BACKUP = {"destination": {"volume": {}}, "clientImage": "docker.io/library/postgres:17"}


class Deployed:
    """A stack as an earlier version has left it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.program = (stack.folder / "__main__.py").read_text()
        self._file = json.loads(stack.config_file.read_text())
        self._state = json.loads(stack.export())

    def preview(self, changes: Mapping[str, Any], *arguments: str, program: str | None = None) -> str:
        """What the engine tells of an update, also if it fails."""
        config = dict(self._file["config"])
        for path, value in changes.items():
            first = path.partition(".")[0]
            config |= changed({f"mlflow:{first}": config.get(f"mlflow:{first}")}, f"mlflow:{path}", value)
        self.stack.config_file.write_text(json.dumps({**self._file, "config": config}))
        (self.stack.folder / "__main__.py").write_text(self.program if program is None else program)
        return self.stack._run("preview", "--json", "--show-sames", *arguments, quiet=True).output

    def judged(self, changes: Mapping[str, Any], *allow: str, program: str | None = None) -> Judgement:
        """What the gate says of an update."""
        return judge(read(self.preview(changes, program=program)), allow)

    def protected(self, *types: str) -> None:
        """Have the engine protect what it has of these types."""
        state = json.loads(json.dumps(self._state))
        for each in state["deployment"]["resources"]:
            each["protect"] = each["type"] in types
        self.stack.load(state)

    def reset(self) -> None:
        """The state as it was."""
        self.stack.load(self._state)


def _deployed(new_stack: Deploy, unreachable: Path, kind: str) -> Iterator[Deployed]:
    with new_stack(unreachable) as stack, earlier.imported(stack, earlier.states(kind)[-1], {}):
        yield Deployed(stack)


@pytest.fixture(scope="module")
def dev(new_stack: Deploy, unreachable: Path) -> Iterator[Deployed]:
    """SQLite and artifacts on claims."""
    yield from _deployed(new_stack, unreachable, "dev")


@pytest.fixture(scope="module")
def production(new_stack: Deploy, unreachable: Path) -> Iterator[Deployed]:
    """PostgreSQL, two replicas."""
    yield from _deployed(new_stack, unreachable, "postgresql")


def refused(judgement: Judgement) -> set[tuple[str, str]]:
    """Rule and type of each refusal, each of which has a fix."""
    found = [each for each in judgement.findings if each.level is Level.REFUSED]
    assert all(each.fix and each.message for each in found)
    return {(each.rule, each.type) for each in found}


def messages(judgement: Judgement, rule: str) -> str:
    return "\n".join(each.message for each in judgement.findings if each.rule == rule)


@pytest.mark.feature("gate")
def test_an_update_that_loses_nothing_passes_and_tells_its_downtime(dev: Deployed) -> None:
    judgement = dev.judged({})
    assert refused(judgement) == set()
    assert "downtime" in messages(judgement, "restart")


@pytest.mark.feature("gate")
def test_a_replaced_namespace_is_refused_with_the_claims_in_it_until_somebody_agrees(dev: Deployed) -> None:
    output = dev.preview({"namespace": "other"})
    judgement = judge(read(output))
    assert refused(judgement) == {("data", NAMESPACE), ("data", CLAIM)}
    (namespace,) = [each for each in judgement.findings if each.type == NAMESPACE]
    assert namespace.property == "metadata.name" and namespace.urn in namespace.fix
    assert refused(judge(read(output), [CLAIM])) == {("data", NAMESPACE)}
    assert not judge(read(output), ["kubernetes:core:PersistentVolumeClaim", namespace.urn]).refused

    run = CliRunner().invoke(app, ["gate", "-"], input=output)
    assert run.exit_code == 1 and "refused: 3 reasons" in run.stdout and "fix: Take back the change of" in run.stdout
    markdown = CliRunner().invoke(app, ["gate", "-", "--format", "markdown"], input=output)
    assert markdown.exit_code == 1 and "- `mlflow-namespace` `metadata.name`" in markdown.stdout
    agreed = CliRunner().invoke(
        app, ["gate", "-", "--format", "json", "--allow", CLAIM, "--allow", NAMESPACE, "--allow", "x"], input=output
    )
    assert agreed.exit_code == 0
    result = json.loads(agreed.stdout)
    assert not result["refused"] and result["unusedAllow"] == ["x"]
    assert {each["level"] for each in result["findings"] if each["rule"] == "data"} == {"agreed"}


def test_a_program_without_the_deployment_is_refused_for_all_that_holds_data(dev: Deployed) -> None:
    judgement = dev.judged({}, program=NOTHING)
    assert refused(judgement) == {
        ("data", NAMESPACE),
        ("data", CLAIM),
        ("data", "random:index/randomPassword:RandomPassword"),
    }
    assert "its pods end" in messages(judgement, "restart")


@pytest.mark.extended
@pytest.mark.feature("gate")
def test_protection_that_ends_is_refused_and_a_preview_that_fails_for_it_too(dev: Deployed) -> None:
    dev.protected(CLAIM)
    try:
        assert refused(dev.judged({})) == {("protection", CLAIM)}
        judgement = dev.judged({}, program=NOTHING)
        assert ("preview", "") in refused(judgement)
        assert "cannot be deleted" in messages(judgement, "preview")
    finally:
        dev.reset()


@pytest.mark.feature("gate")
def test_a_secret_that_becomes_plain_text_is_refused(production: Deployed) -> None:
    judgement = production.judged({"server": {"replicas": 2, "env": {"EXTRA": "now everybody reads it"}}})
    found = [each for each in judgement.findings if each.rule == "secret"]
    assert [each.type for each in found] == [SERVER] and "EXTRA" in found[0].message
    assert "now everybody" not in str(judgement.findings)
    assert refused(judgement) == {("secret", SERVER)}


@pytest.mark.extended
@pytest.mark.feature("gate")
@pytest.mark.parametrize(
    ("changes", "rules", "said"),
    [
        ({}, {("schema", SERVER)}, "nothing saves it before"),
        ({"upgrade.mode": "automatic", "upgrade.withoutBackup": True}, {("schema", SERVER)}, "nothing saves it before"),
        ({"upgrade.mode": "automatic", "backup": BACKUP}, set(), "the migration stops the servers, saves it"),
        ({"backup": BACKUP}, set(), "pulumi-mlflow backup"),
    ],
    ids=["manual", "automatic-without", "automatic-with", "manual-with"],
)
def test_another_schema_is_refused_without_a_backup(
    production: Deployed, changes: dict[str, Any], rules: set[tuple[str, str]], said: str
) -> None:
    judgement = production.judged({"image.tag": "v3.99.0-full", **changes})
    assert refused(judgement) == rules
    assert said in messages(judgement, "schema")


@pytest.mark.extended
def test_an_older_version_is_refused(production: Deployed) -> None:
    judgement = production.judged({"image.tag": "v3.1.0-full"})
    assert refused(judgement) == {("schema", SERVER)}
    assert "the older version does not start on the schema of the newer one" in messages(judgement, "schema")


@pytest.mark.extended
def test_the_event_log_says_the_same_as_the_preview(dev: Deployed, tmp_path: Path) -> None:
    log = tmp_path / "events.json"
    judgement = judge(read(dev.preview({"namespace": "other"}, "--event-log", str(log))))
    assert judge(read(log.read_text())).findings == judgement.findings
