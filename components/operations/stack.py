"""The Pulumi stack that has made a deployment, by the `pulumi` of whoever runs this, in the folder of the program."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .errors import OperationError


def deployment(stack: str) -> tuple[str, str]:
    """Namespace and name of the Deployment that a stack has deployed.

    Raises:
        OperationError: Pulumi cannot read them, or they are not exported.
    """
    done = _pulumi("stack", "output", "--json", "--stack", stack)
    if done.returncode:
        raise OperationError(
            f"the outputs of the stack {stack} cannot be read: {done.stderr.strip()}",
            "Run this in the folder of the Pulumi program, or use --namespace and --name instead of --stack.",
        )
    found: dict[str, Any] = json.loads(done.stdout)
    try:
        return found["namespace"], found["deploymentName"]
    except KeyError as error:
        raise OperationError(
            f"the stack {stack} exports no {error.args[0]}",
            "Export the component's `namespace` as `namespace` and its `deployment_name` as `deploymentName`, or use "
            "--namespace and --name.",
        ) from None


def configured(stack: str, path: str) -> str | None:
    """A value of its configuration; None if it has none.

    Args:
        stack: The stack.
        path: Where the value is in the deployment's arguments.
    """
    done = _pulumi("config", "get", "--path", f"mlflow:{path}", "--stack", stack)
    return None if done.returncode else done.stdout.strip()


def configure(stack: str, path: str, value: str) -> None:
    """Change a value of its configuration.

    Args:
        stack: The stack.
        path: Where the value is in the deployment's arguments.
        value: The value.

    Raises:
        OperationError: Pulumi cannot.
    """
    done = _pulumi("config", "set", "--path", f"mlflow:{path}", value, "--stack", stack)
    if done.returncode:
        raise OperationError(
            f"`mlflow:{path}` cannot be set in the stack {stack}: {done.stderr.strip()}",
            "Run this in the folder of the Pulumi program.",
        )


def up(stack: str) -> None:
    """Run `pulumi up`, and show what it prints as progress.

    Raises:
        OperationError: It has failed.
    """
    if _pulumi("up", "--yes", "--stack", stack, shown=True).returncode:
        raise OperationError(
            f"`pulumi up --stack {stack}` has failed",
            "Mend what it says above, and run the same command again: it goes on.",
        )


def _pulumi(*arguments: str, shown: bool = False) -> subprocess.CompletedProcess[str]:
    # What is shown is progress, and belongs to standard error.
    output, errors = (2, None) if shown else (subprocess.PIPE, subprocess.PIPE)
    try:
        return subprocess.run(["pulumi", *arguments], stdout=output, stderr=errors, text=True, check=False)
    except FileNotFoundError:
        raise OperationError(
            "there is no `pulumi` on PATH to work on the stack with",
            "In the repository `make shell` has it. Other commands take --namespace and --name instead of --stack.",
        ) from None
