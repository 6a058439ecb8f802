"""The tools of a deployed stack in the user's own shell: `make shell`, `make env`, `make password`, and what `make up` says last."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys

from toolchain import cluster, deployed, environments, pulumi
from toolchain.console import UserError, say
from toolchain.stack import Stack

DEFAULT_STACK = "dev"

_FROM_MAKE = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKE_TERMERR", "MAKE_TERMOUT")
"""With these in its environment every other `make` believes that it was called by this one, and announces its folder."""

_EXPORTED = ("KUBE_CONTEXT", "PORT", "ARGS", "RUNG", "YES")
"""Variables that our Makefile exports, empty or not."""


def next_steps(name: str, url: str, administrator: str | None) -> str:
    """What to do after `up`.

    Args:
        name: Name of the stack.
        url: The server's URL on this machine.
        administrator: Name of the account to log in with; None where nobody logs in.
    """
    stack = "" if name == DEFAULT_STACK else f" STACK={name}"
    steps = {
        f"make password{stack}": f"the password of {administrator}, to log in with" if administrator else "",
        f"export MLFLOW_TRACKING_URI={url}": "for Python's mlflow in your shell",
        f"make shell{stack}": 'a shell with pulumi, kubectl and its kubeconfig; in this one: eval "$(make env'
        + f'{stack})"',
        f"make logs{stack}": "follow the server's log",
        "make down": "stop; the data stays",
    }
    lines = [f"  {command:<{max(map(len, steps))}}  {what}" for command, what in steps.items() if what]
    return "\n".join([f"MLflow is running at {url}", *lines])


def env(name: str) -> None:
    """Print the lines that a shell evaluates, and nothing else on standard output: `eval "$(make env)"`.

    Args:
        name: Name of the stack.
    """
    with contextlib.redirect_stdout(sys.stderr):
        variables, folders = _variables(name)
    # A semicolon ends each, for those who leave out the quotes and so lose the line ends.
    for variable, value in variables.items():
        print(f"export {variable}={shlex.quote(value)};")
    print(f'export PATH={shlex.quote(folders)}:"$PATH";')


def open_shell(name: str) -> None:
    """Replace this process with the user's shell, with the stack's tools in it.

    Args:
        name: Name of the stack.
    """
    variables, folders = _variables(name)
    inherited = {
        variable: value
        for variable, value in os.environ.items()
        if variable not in _FROM_MAKE and (value or variable not in _EXPORTED)
    }
    path = f"{folders}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    say(f"pulumi, pulumi-mlflow and kubectl lead to the stack {name} in this shell; `exit` leaves it")
    program = os.environ.get("SHELL") or "/bin/sh"
    os.execvpe(program, [program], {**inherited, **variables, "PATH": path})  # noqa: S606


def password(name: str) -> None:
    """Print the administrator's password, and nothing else on standard output.

    Args:
        name: Name of the stack.

    Raises:
        UserError: The stack has no administrator.
    """
    with contextlib.redirect_stdout(sys.stderr):
        login = deployed.login(*deployed.running(name))
    if not login:
        raise UserError(f"the stack {name} has no administrator's password", "Nobody needs to log in: open its URL.")
    print(login[1])


def _variables(name: str) -> tuple[dict[str, str], str]:
    """What to set for the stack's tools, and the folders to put in front of PATH."""
    record, target = deployed.running(name)
    venv, cli = pulumi.for_stack(name, yaml=True)
    wanted = Stack(name, cli, venv, target.kubeconfig).variables
    own = {variable: value for variable, value in wanted.items() if os.environ.get(variable) != value}
    del own["PATH"]
    folders = [venv / "bin", *cli.path, environments.command_line().parent]
    if not shutil.which("kubectl"):
        folders.append(cluster.kubectl().parent)
    if cli.built:  # programs of the user's own get the SDKs whose plugins are there
        own["PIP_CONSTRAINT"] = os.environ.get("PIP_CONSTRAINT") or str(environments.LOCK)
    of_stack = {"STACK": name, "PULUMI_STACK": name, "PULUMI_MLFLOW_NAMESPACE": record.namespace}
    return {**own, **of_stack}, os.pathsep.join(map(str, folders))
