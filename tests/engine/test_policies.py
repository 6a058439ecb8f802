"""The policy pack in the real engine: each rule refuses what it must and nothing else."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.protection import SETTINGS
from tests.support import configurations
from tests.support.fixtures import Deploy
from tests.support.pulumi import Stack
from tests.unit.test_protection import CASES
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.core

PROGRAM = """
import json
from pathlib import Path

import pulumi

# Components of these types, because policies are asked about every resource, and no provider of a cloud is.
for name, (kind, properties) in json.loads(Path("cases.json").read_text()).items():
    pulumi.ComponentResource(kind, name, properties)
"""


@pytest.fixture(scope="module")
def tools(session: Session, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """PATH and folder of the pack. Where the engine asks the language host to run a pack, the one that is built here cannot; so
    the pack names a runtime without one, for which the engine starts a program of that name, as it has always done."""
    programs = tmp_path_factory.mktemp("bin")
    shim = programs / "pulumi-analyzer-policy-tests"
    shim.write_text(f'#!/bin/sh\nexec "{session.python}" -u -m pulumi.policy "$1" "$2"\n')
    shim.chmod(0o755)
    package = tmp_path_factory.mktemp("package") / "components"
    shutil.copytree(ROOT / "components", package)
    pack = package / "policies"
    description = pack / "PulumiPolicy.yaml"
    description.write_text(description.read_text().replace("runtime: python", "runtime: tests"))
    return f"{programs}:{session.path}", str(pack)


@pytest.fixture(scope="module")
def cases(new_stack: Deploy, unreachable: Path, tools: tuple[str, str]) -> Iterator[Stack]:
    """A program with a resource of each case."""
    with new_stack(unreachable, program=PROGRAM, variables={"PATH": tools[0]}) as stack:
        yield stack


def violations(output: str) -> set[tuple[str, str, str]]:
    """Level, policy and resource of each violation that the engine prints."""
    return set(re.findall(r"\[(mandatory|advisory)\]\s+(\S+)\s+\(\S+: (\S+)\)", output))


@pytest.mark.feature("policies")
def test_each_rule_refuses_the_unsafe_and_accepts_the_safe(cases: Stack, tools: tuple[str, str]) -> None:
    made = {}
    for name, (kind, safe, unsafe) in CASES.items():
        made |= {f"{name}-safe": (kind, safe), f"{name}-unsafe": (kind, unsafe)}
    (cases.folder / "cases.json").write_text(json.dumps(made))
    output = cases.preview("--policy-pack", tools[1]).failed().output
    found = violations(output)
    for setting in SETTINGS:
        level = "mandatory" if setting.mandatory else "advisory"
        assert (level, setting.name, f"{setting.name}-unsafe") in found
        assert (level, setting.name, f"{setting.name}-safe") not in found
        assert setting.fix in output


def test_what_is_only_advised_lets_a_preview_pass_unless_its_level_is_raised(
    cases: Stack, tools: tuple[str, str]
) -> None:
    kind, _, unsafe = CASES["kubernetes-restricted-pods"]
    (cases.folder / "cases.json").write_text(json.dumps({"pods": (kind, unsafe)}))
    output = cases.preview("--policy-pack", tools[1]).succeeded().output
    assert violations(output) == {("advisory", "kubernetes-restricted-pods", "pods")}
    levels = cases.folder / "policies.json"
    levels.write_text(json.dumps({"kubernetes-restricted-pods": "mandatory"}))
    output = cases.preview("--policy-pack", tools[1], "--policy-pack-config", str(levels)).failed().output
    assert violations(output) == {("mandatory", "kubernetes-restricted-pods", "pods")}


@pytest.mark.extended
@pytest.mark.feature("policies")
def test_a_deployment_of_this_component_keeps_every_rule(
    new_stack: Deploy, unreachable: Path, tools: tuple[str, str]
) -> None:
    with new_stack(unreachable, variables={"PATH": tools[0]}) as stack:
        stack.configure(configurations.sqlite("of-policies"))
        output = stack.preview("--policy-pack", tools[1]).succeeded().output
        assert "pulumi-mlflow" in output and violations(output) == set()
        ingress = {"className": "nginx", "hosts": [{"host": "mlflow.example.com"}]}
        stack.configure(configurations.sqlite("of-policies", ingress=ingress, allowInsecure=True))
        output = stack.preview("--policy-pack", tools[1]).failed().output
        assert violations(output) == {("mandatory", "kubernetes-ingress-tls", "mlflow-ingress")}
