"""What an operator needs to know of a deployment, as Markdown: Pulumi shows an output of the name `readme` on a stack's page."""

from collections.abc import Mapping
from typing import Any

import pulumi


def instructions(name: str, logs_in: bool, **known: pulumi.Output[Any]) -> pulumi.Output[str]:
    """The text; it names where passwords are and holds none.

    Args:
        name: Name of the deployment.
        logs_in: Whether users log in.
        **known: The component's outputs of these names: `namespace`, `deployment_name`, `url`, `tracking_uri`, `forward_command`,
            `password_command`, `backup_password_command`, `admin`.
    """
    return pulumi.Output.all(**known).apply(lambda values: _markdown(name, logs_in, values))


def _markdown(name: str, logs_in: bool, values: Mapping[str, Any]) -> str:
    target = f"--namespace {values['namespace']} --name {name}"
    parts = [
        f"# MLflow: {name}",
        f"- People and programs outside the cluster: {values['url']}"
        if values["url"]
        else "- Published nowhere. From your machine, at http://localhost:5000 while this runs:"
        + _console(values["forward_command"]),
        f"- Programs in the cluster: `MLFLOW_TRACKING_URI={values['tracking_uri']}`",
        "## Log-in",
        _login(logs_in, values),
        "## Next",
        "State, checks and logs:"
        + _console(
            f"pulumi-mlflow status {target}",
            f"pulumi-mlflow check {target}",
            f"kubectl logs --namespace {values['namespace']} deployment/{values['deployment_name']}",
        ),
    ]
    if values["backup_password_command"]:
        commands = (f"pulumi-mlflow list {target}", f"pulumi-mlflow backup {target}", values["backup_password_command"])
        parts.append(
            "Backups. The last command prints their password, without which none can be restored: keep it outside of the cluster."
            + _console(*commands)
        )
    else:
        parts.append("This deployment takes no backups of its own: set `backup`.")
    return "\n\n".join(parts) + "\n"


def _login(logs_in: bool, values: Mapping[str, Any]) -> str:
    if not logs_in:
        return "Nobody has to log in."
    if not values["admin"]:
        return "With an account of the application that you have configured for it."
    who = f" `{values['admin']['username']}`" if "username" in values["admin"] else ""
    return f"The administrator is{who or ' named in the same Secret'}; this prints the password:" + _console(
        values["password_command"]
    )


def _console(*commands: str) -> str:
    return "\n\n```console\n" + "\n".join(f"$ {command}" for command in commands) + "\n```"
