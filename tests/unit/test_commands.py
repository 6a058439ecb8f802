"""Every command in the documents is one that its program takes; those of `pulumi` and `kubectl` are tried in tests/cluster/test_make_up.py."""

import re

import pytest
from typer.testing import CliRunner

from bench.measurements import chosen
from components.operations.cli import app
from tests.support.arguments import known
from tests.support.commands import Command, documented
from toolchain import rungs
from toolchain.commands import COMMANDS
from toolchain.paths import ROOT

VARIABLES = re.findall(r"\w+", re.search(r"^export (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1])  # type: ignore[index]


@pytest.mark.parametrize("command", documented("make"), ids=str)
def test_make_knows_the_command_its_variables_and_the_rungs(command: Command) -> None:
    target, *given = command.words[1:]
    assert target in COMMANDS
    values = dict(each.split("=", 1) for each in given)
    assert set(values) <= set(VARIABLES)
    assert set(filter(None, values.get("RUNG", "").split(","))) <= set(rungs.RUNGS)
    if target == "bench":
        chosen([name for name in values.get("ARGS", "").split() if name != "--list"])


@pytest.mark.parametrize("command", documented("pulumi-mlflow"), ids=str)
def test_the_command_line_takes_the_command(command: Command) -> None:
    # Unknown commands and options are refused before help is given.
    result = CliRunner().invoke(app, [*command.words[1:], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", documented("kubectl"), ids=str)
def test_kubectl_is_told_the_namespace(command: Command) -> None:
    """The context of the reader's kubeconfig has another one, or none."""
    verb, *rest = command.words[1:]
    if rest and "--local" not in rest and "-" not in rest:
        assert {"--namespace", "-n", "--all-namespaces"} & set(command.words), f"{verb}: write `--namespace mlflow`"


@pytest.mark.parametrize("command", documented("pulumi"), ids=str)
def test_configuration_that_is_set_exists_in_the_schema(command: Command) -> None:
    if command.words[1:3] != ("config", "set"):
        return
    paths = [word for word in command.words[3:] if word.startswith("mlflow:")]
    assert not paths or "--path" in command.words
    assert [path for path in paths if not known(path.removeprefix("mlflow:"))] == []


@pytest.mark.parametrize("program", ["__main__.py", "examples/template/__main__.py"])
def test_outputs_that_are_read_are_exported(program: str) -> None:
    exported = set(re.findall(r'pulumi\.export\("(\w+)"', (ROOT / program).read_text()))
    read = {each.words[3] for each in documented("pulumi") if each.words[:3] == ("pulumi", "stack", "output")}
    assert len(read) > 4 and read <= exported


def test_the_commands_are_found() -> None:
    assert {each.program for each in documented("kubectl", "make", "pulumi", "pulumi-mlflow")} == {
        "kubectl",
        "make",
        "pulumi",
        "pulumi-mlflow",
    }
    assert len(documented("kubectl")) > 20
