"""Every option of `mlflow server` and of uvicorn in the version of the image is either passed on or has its own argument."""

import subprocess
import sys
from typing import Any

import click
import pytest
from mlflow.cli import server as command

from components.arguments.environment import OWN_VARIABLES
from components.arguments.server.server import OWN_OPTIONS, OWN_UVICORN
from tests.configurations import DEV, changed
from tests.unit.refusals import messages

OPTIONS = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
PASSED_ON = {"x-frame-options", "trace-archival-config", "secrets-cache-ttl", "secrets-cache-max-size"}
"""What nothing else in a deployment depends on."""


def names_of(option: click.Option) -> set[str]:
    return {name.removeprefix("--") for name in [*option.opts, *option.secondary_opts] if name.startswith("--")}


def test_own_options_are_those_of_the_real_command() -> None:
    real = set[str]().union(*map(names_of, OPTIONS))
    assert len(real) > 20
    assert set(OWN_OPTIONS) == real - PASSED_ON
    assert real >= PASSED_ON


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: str(option.name))
def test_each_option_is_accepted_or_refused_with_what_to_use(option: click.Option) -> None:
    for name in names_of(option):
        value = "DENY" if name == "x-frame-options" else "30"
        lines = messages(changed(DEV, "server.options", {name: True if option.is_flag else value}))
        if name in PASSED_ON:
            assert lines == []
        else:
            assert lines == [f"{_path(name)}: is set by this component; {OWN_OPTIONS[name]}"]


def _path(name: str) -> str:
    return f"server.options.{name}" if name.isalnum() else f'server.options["{name}"]'


def test_variables_that_stand_for_an_own_option_are_refused_too() -> None:
    variables: set[Any] = {option.envvar for option in OPTIONS if names_of(option) & set(OWN_OPTIONS) and option.envvar}
    allowed = {"MLFLOW_READ_REPLICA_BACKEND_STORE_URI"}
    assert len(variables) > 15
    assert variables - set(OWN_VARIABLES) == allowed


def test_own_options_of_uvicorn_are_options_of_it() -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="it is in the image")
    done = subprocess.run(
        [sys.executable, "-m", uvicorn.__name__, "--help"], capture_output=True, text=True, check=True
    )
    assert {name for name in OWN_UVICORN if f"--{name} " not in done.stdout.replace("\n", " ")} == set()
