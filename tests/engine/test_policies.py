"""The policy pack in the real engine: each rule refuses what it must and nothing else."""

import json
import re
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

PACK = str(ROOT / "components" / "policies")

PROGRAM = """
import json
from pathlib import Path

import pulumi

# Components of these types, because policies are asked about every resource, and no provider of a cloud is.
for name, (kind, properties) in json.loads(Path("cases.json").read_text()).items():
    pulumi.ComponentResource(kind, name, properties)
"""


@pytest.fixture(scope="module")
def with_policies(session: Session) -> dict[str, str]:
    """A Python first on PATH that has what the pack needs."""
    return {"PATH": f"{Path(str(session.python)).parent}:{session.path}"}


@pytest.fixture(scope="module")
def cases(new_stack: Deploy, unreachable: Path, with_policies: dict[str, str]) -> Iterator[Stack]:
    """A program with a resource of each case."""
    with new_stack(unreachable, program=PROGRAM, variables=with_policies) as stack:
        yield stack


def violations(output: str) -> set[tuple[str, str, str]]:
    """Level, policy and resource of each violation that the engine prints."""
    return set(re.findall(r"\[(mandatory|advisory)\]\s+(\S+)\s+\(\S+: (\S+)\)", output))


@pytest.mark.feature("policies")
def test_each_rule_refuses_the_unsafe_and_accepts_the_safe(cases: Stack) -> None:
    made = {}
    for name, (kind, safe, unsafe) in CASES.items():
        made |= {f"{name}-safe": (kind, safe), f"{name}-unsafe": (kind, unsafe)}
    (cases.folder / "cases.json").write_text(json.dumps(made))
    output = cases.preview("--policy-pack", PACK).failed().output
    found = violations(output)
    for setting in SETTINGS:
        level = "mandatory" if setting.mandatory else "advisory"
        assert (level, setting.name, f"{setting.name}-unsafe") in found
        assert (level, setting.name, f"{setting.name}-safe") not in found
        assert setting.fix in output


def test_what_is_only_advised_lets_a_preview_pass_unless_its_level_is_raised(cases: Stack) -> None:
    kind, _, unsafe = CASES["kubernetes-restricted-pods"]
    (cases.folder / "cases.json").write_text(json.dumps({"pods": (kind, unsafe)}))
    output = cases.preview("--policy-pack", PACK).succeeded().output
    assert violations(output) == {("advisory", "kubernetes-restricted-pods", "pods")}
    levels = cases.folder / "policies.json"
    levels.write_text(json.dumps({"kubernetes-restricted-pods": "mandatory"}))
    output = cases.preview("--policy-pack", PACK, "--policy-pack-config", str(levels)).failed().output
    assert violations(output) == {("mandatory", "kubernetes-restricted-pods", "pods")}


@pytest.mark.extended
@pytest.mark.feature("policies")
def test_a_deployment_of_this_component_keeps_every_rule(
    new_stack: Deploy, unreachable: Path, with_policies: dict[str, str]
) -> None:
    with new_stack(unreachable, variables=with_policies) as stack:
        stack.configure(configurations.sqlite("of-policies"))
        output = stack.preview("--policy-pack", PACK).succeeded().output
        assert "pulumi-mlflow" in output and violations(output) == set()
        ingress = {"className": "nginx", "hosts": [{"host": "mlflow.example.com"}]}
        stack.configure(configurations.sqlite("of-policies", ingress=ingress, allowInsecure=True))
        output = stack.preview("--policy-pack", PACK).failed().output
        assert violations(output) == {("mandatory", "kubernetes-ingress-tls", "mlflow-ingress")}
