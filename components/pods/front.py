"""What the server is run by, and what stands in front of MLflow's application in its process: see `in_image/serve.py` and `front.py`."""

import dataclasses

import pulumi

from ..arguments import Input
from ..arguments.checks import amount
from ..in_image import Program
from .addresses import https_hosts
from .environment import plain_environment
from .part import PodPart, join
from .plugin import installed, plugin
from .scope import Scope

_PROGRAM, _SERVE, _TERMINATING = Program("front.py"), Program("serve.py"), Program("terminating.py")
_DIRECTORY = "/etc/mlflow/front"
SERVE = ["python", f"{_DIRECTORY}/{_SERVE.name}"]
"""Runs `mlflow server`; its arguments follow."""
DRAIN = ["python", "-I", "-S", f"{_DIRECTORY}/{_TERMINATING.name}"]
"""Goes on for so many seconds, which follow, and says that the pod is about to end."""
_OPTION = "--app-name="


def front(scope: Scope, behind: PodPart) -> PodPart:
    """The front, as an application of MLflow that has the name of the one behind it. It must come before that on Python's path.

    Args:
        scope: The deployment.
        behind: The other parts of the server, one of which may choose an application of MLflow.
    """
    args = scope.args
    app = next((each.removeprefix(_OPTION) for each in behind.arguments if each.startswith(_OPTION)), "")
    # `mlflow server` prepares more for applications of some names.
    name = app or _PROGRAM.module
    module = plugin(_PROGRAM, "front", _DIRECTORY, "mlflow.app", {name: "create"})
    module = dataclasses.replace(module, plain={**module.plain, **_SERVE.files})
    settings: dict[str, Input[str]] = {}
    if app:
        settings["FRONT_APP"] = app
    if hosts := https_hosts(scope):
        settings["FRONT_HTTPS_HOSTS"] = pulumi.Output.all(*hosts).apply(",".join)
    if proxies := args.server.trusted_proxies:
        settings["FRONT_PROXIES"] = pulumi.Output.all(*proxies).apply(",".join)
    if behind.proxy_port is not None:
        settings["FRONT_SIDECAR"] = "https" if args.serves_tls else "http"
    if args.artifacts.spooled:
        settings["FRONT_TMP_BYTES"] = str(int(amount(args.pod.tmp_size) or 0))
    return join(
        PodPart(
            arguments=[] if app else [f"{_OPTION}{name}"],
            environment=plain_environment(settings),
        ),
        installed(scope, "server", module),
    )
