"""The pipelines in `examples/ci`, step by step: a change that loses data fails the check and is commented on; a fork needs no credentials.

The commands of the hosted services are recorded instead of run; the preview is one of the real engine.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support import configurations
from tests.support.fixtures import Deploy
from tests.support.pulumi import Stack
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

EXAMPLES = ROOT / "examples" / "ci"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def _github(job: str) -> list[str]:
    steps = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"][job]["steps"]
    return [step["run"] for step in steps if "run" in step]


def _gitlab(job: str) -> list[str]:
    found = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())[job]
    first = [*found.get("before_script", ()), *found["script"]]
    return ["\n".join(first), *found.get("after_script", ())]


def _azure(job: str) -> list[str]:
    jobs = yaml.safe_load((EXAMPLES / "azure-pipelines.yml").read_text())["jobs"]
    (found,) = [each for each in jobs if each["job"] == job]
    scripts = [step.get("script") or step.get("inputs", {}).get("inlineScript") for step in found["steps"]]
    return [script for script in scripts if script]


SERVICES: dict[str, Callable[[str], list[str]]] = {"github": _github, "gitlab": _gitlab, "azure": _azure}


@dataclass
class Pipeline:
    """A program's folder, with what the pipelines call."""

    folder: Path
    programs: Path
    python: str

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a step as the services do: the first command that fails ends it."""
        variables = {
            "AWS_TOKEN": "token", "GATE_TOKEN": "t", "CI_API_V4_URL": "https://gitlab/api/v4", "CI_PROJECT_ID": "7",
            "CI_MERGE_REQUEST_IID": "8", "NUMBER": "8", "TOKEN": "t", "THREADS": "https://azure/threads",
            "servicePrincipalId": "a", "tenantId": "b", "idToken": "c", "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }  # fmt: skip
        path = f"{self.programs}:/usr/bin:/bin"
        return subprocess.run(
            ["bash", "-e", "-u", "-c", script],
            cwd=self.folder,
            env={**variables, "PATH": path, "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, program: str) -> str:
        """Arguments with which a recorded command was called, and what it was sent."""
        return (self.programs / f"{program}.calls").read_text()


@pytest.fixture(scope="module")
def preview(new_stack: Deploy, unreachable: Path) -> Iterator[str]:
    """A preview of the real engine in which two claims would be deleted."""
    from tests.support import earlier

    with new_stack(unreachable) as stack, earlier.imported(stack, earlier.states("dev")[-1], {}):
        yield _without_claims(stack)


def _without_claims(stack: Stack) -> str:
    values = json.loads(stack.config_file.read_text())
    values["config"]["mlflow:database"] = {"sqlite": {"volume": {"existingClaim": "other"}}}
    values["config"]["mlflow:artifacts"] = {"volume": {"existingClaim": "others"}}
    stack.config_file.write_text(json.dumps(values))
    return stack._run("preview", "--json", "--show-sames", quiet=True).succeeded().output


@pytest.fixture
def pipeline(session: Session, preview: str, tmp_path: Path) -> Pipeline:
    folder, programs = tmp_path / "program", tmp_path / "bin"
    for made in (folder, programs):
        made.mkdir()
    for name in ("gate.sh", "graph.py"):
        shutil.copy(EXAMPLES / name, folder)
    (tmp_path / "preview.json").write_text(preview)

    def program(name: str, text: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    expected = "preview --json --show-sames --non-interactive --stack prod"
    program("pulumi", f'[ "$*" = "{expected}" ] && cat "{tmp_path}/preview.json"')
    program("pulumi-mlflow", f'exec "{session.python}" -m components.operations "$@"')
    program("python", f'exec "{session.python}" "$@"')
    for name in ("pip", "gh", "curl", "az"):
        program(
            name,
            f'echo "$@" >>"{programs}/{name}.calls"; for f in comment.md comment.json; do [ ! -f $f ] || cat $f; done >>"{programs}/{name}.calls"',
        )
    return Pipeline(folder, programs, session.python)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.feature("pull-requests")
def test_a_change_that_loses_data_fails_the_check_and_is_commented_on(service: str, pipeline: Pipeline) -> None:
    scripts = SERVICES[service]("gate")
    (judging,) = [place for place, script in enumerate(scripts) if "gate.sh" in script]
    for script in scripts[:judging]:
        assert pipeline.run(script).returncode == 0
    done = pipeline.run(scripts[judging])
    assert done.returncode == 1 and done.stdout.startswith("### ❌ MLflow gate: refused: 2 reasons"), done.stderr
    for script in scripts[judging + 1 :]:
        commented = pipeline.run(script)
        assert commented.returncode == 0, commented.stderr
    assert "refused: 2 reasons" in pipeline.calls("gh" if service == "github" else "curl")

    (pipeline.folder / "gate-allow.txt").write_text(f"{CLAIM}\n")
    agreed = pipeline.run("sh gate.sh prod")
    assert agreed.returncode == 0 and "#### Agreed to" in agreed.stdout
    broken = pipeline.run("sh gate.sh another")
    assert broken.returncode == 2 and "There is no preview of this change" in broken.stdout


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.feature("pull-requests")
def test_a_fork_is_told_what_its_program_would_make(service: str, pipeline: Pipeline) -> None:
    (pipeline.folder / "Pulumi.yaml").write_text("name: mlflow\nruntime: python\n")
    (pipeline.folder / "__main__.py").write_text((ROOT / "__main__.py").read_text())
    secrets = {"keys": {name: {"secure": "v1:x:y"} for name in ("flaskSecretKey", "kekPassphrase")}}
    values = {**configurations.sqlite("of-a-fork"), **secrets}
    stack_file = pipeline.folder / "Pulumi.prod.yaml"
    stack_file.write_text(json.dumps({"config": {f"mlflow:{key}": value for key, value in values.items()}}))
    script = "\n".join(SERVICES[service]("fork"))
    done = pipeline.run(script)
    summary = pipeline.folder / "summary.md"
    told = summary.read_text() if service == "github" else done.stdout
    assert done.returncode == 0 and "| `kubernetes:apps/v1:Deployment` | 1 |" in told, done.stderr
    if service == "github":
        stack_file.write_text(stack_file.read_text().replace("of-a-fork", "of a fork"))
        assert pipeline.run(script).returncode == 1 and "mlflow:namespace" in summary.read_text()
