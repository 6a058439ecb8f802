"""Run `mlflow server` in one process, where it would start another one and wait for that.

Runs inside the MLflow image (`python serve.py --port=5000 …`). What waits holds all of MLflow as well: two fifths of a
pod's memory, and of what a start costs. Everything else stays MLflow's: its command line checks the options and the database, makes
the first administrator, and chooses what uvicorn is to run; only how that is started differs. The server then gets signals itself,
which versions of MLflow before 3.10 did not pass on.

The jobs of MLflow need both processes, and get them.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import gc
import os
import sys
from typing import Any, NoReturn

READ_EARLY = {
    "--allowed-hosts": "MLFLOW_SERVER_ALLOWED_HOSTS",
    "--cors-allowed-origins": "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    "--disable-security-middleware": "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE",
    "--expose-prometheus": "prometheus_multiproc_dir",
    "--static-prefix": "_MLFLOW_STATIC_PREFIX",
    "--x-frame-options": "MLFLOW_SERVER_X_FRAME_OPTIONS",
}
"""Options that MLflow's application reads from the environment while it is imported, which its command line does first."""


def main(arguments: list[str]) -> None:
    """Run the server.

    Args:
        arguments: Those of `mlflow server`, each with its value after `=`. Without `--host`, all addresses of the pod, of both
            families, are listened on.
    """
    if not any(each.startswith("--host=") for each in arguments):
        arguments = [f"--host={everywhere(arguments)}", *arguments]
    if os.environ.get("MLFLOW_SERVER_ENABLE_JOB_EXECUTION") == "true":
        os.execvp("mlflow", ["mlflow", "server", *arguments])  # noqa: S606 - its arguments are of the pod
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option in READ_EARLY:
            os.environ[READ_EARLY[option]] = value or "true"
    # What is imported stays: looking through it for garbage, again and again while it grows, is a seventh of what a start costs.
    gc.disable()
    import uvicorn  # noqa: F401 - by this, MLflow's application knows that it is imported to serve
    from mlflow import server
    from mlflow.cli import cli

    if hasattr(server, "_exec_cmd"):
        setattr(server, "_exec_cmd", served)  # noqa: B010 - it is not of MLflow's interface
    cli(["server", *arguments])


def everywhere(arguments: list[str]) -> str:
    """What stands for all addresses of the pod.

    One process opens a socket for each family that the kernel has, if told nothing. Several share one socket, which is of one
    family, by the form of the address; `::` takes IPv4 as well, but is no address where the kernel has no IPv6.
    """
    if "--workers=1" in arguments:
        return ""
    return "::" if ":" in os.environ["POD_IPS"] else "0.0.0.0"  # noqa: S104


def served(command: list[str], *, extra_env: dict[str, str], **_: Any) -> NoReturn:
    """Become what MLflow would start.

    Args:
        command: `python -m uvicorn` with its arguments.
        extra_env: Variables that it is given.
    """
    os.environ.update(extra_env)
    gc.freeze()
    gc.enable()
    if command[1:3] == ["-m", "uvicorn"] and command[command.index("--workers") + 1] == "1":
        import uvicorn

        uvicorn.main(command[3:])
    # Several are started by a supervisor, which without MLflow is small.
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
