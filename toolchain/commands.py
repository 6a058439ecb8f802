"""The command line: `python -m toolchain <command>`, which every target of the Makefile calls."""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import shutil
import signal
import sys
from types import FrameType

from toolchain import bump, checks, environments, lifecycle, shell
from toolchain.console import UserError, fail, interrupt, say
from toolchain.paths import cache, state
from toolchain.rungs import CORE, EXTENDED

COMMANDS = {
    "help": "list the commands and variables",
    "up": "deploy MLflow: install missing tools and a cluster, verify it, print its URL and the next steps",
    "down": "stop everything and keep the built-in cluster's data; with STACK=name, remove that one stack and its data",
    "shell": "a shell with pulumi, pulumi-mlflow, kubectl and the stack's kubeconfig",
    "env": 'the same for the shell you are in: eval "$(make env)"',
    "password": "print the administrator's password",
    "preview": "show what `up` would change; needs no cluster",
    "logs": "follow the logs",
    "open": "open MLflow in a browser, and a port to it if there is none",
    "drill": "restore the latest backup of the running stack into a database that is thrown away, and compare",
    "test": "run the core of the tests: unit, graph, property, engine, cluster, node",
    "test-all": "run all tests: the core, then those of clouds, combinations and faults",
    "bench": "run the benchmarks and write build/bench.json",
    "docs": "build the documentation as a site in build/site",
    "lint": "check style, format, types, workflows and generated files",
    "format": "format the code",
    "lock": "write requirements.lock anew from the requirements",
    "schema": "write the JSON schema of stack files anew",
    "bump": 'change versions, as in ARGS="mlflow=3.x.y", and write what is derived from them',
    "purge": "stop it and delete all local data and state",
}

OPTIONS = {
    "up": ("stack", "context", "port"),
    "down": ("stack",),
    "shell": ("stack",),
    "env": ("stack",),
    "password": ("stack",),
    "preview": ("stack", "args"),
    "logs": ("stack", "args"),
    "open": ("stack", "port"),
    "drill": ("stack",),
    "test": ("context", "rung", "args"),
    "test-all": ("context", "rung", "args"),
    "bench": ("context", "args"),
    "bump": ("args",),
}
"""The options of each command."""

DEFAULTS = {"stack": shell.DEFAULT_STACK, "args": "", "rung": ""}

VARIABLES = {
    "STACK": "stack to work on, which chooses Pulumi.<stack>.yaml (default: dev)",
    "KUBE_CONTEXT": "context of your kubeconfig to deploy to or test on (default: a cluster of our own)",
    "PORT": "port on this machine (default: 5000, or the next free one)",
    "ARGS": 'further arguments, for example ARGS="-k name" for test-all',
    "RUNG": "one rung of tests, or several with commas (default: all)",
    "YES": "1 answers yes to every question",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The command line without the program; `sys.argv` if None.

    Returns:
        The exit code: 0 for success, 1 for an error, 130 after an interruption.
    """
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return _run(options)
    except UserError as error:
        return fail(error) or _tell_space()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return (
            fail(
                UserError(
                    f"the disk is full: {error}",
                    "Free some space and run the same command again; finished parts are kept.",
                )
            )
            | _tell_space()
        )
    except KeyboardInterrupt:
        say(f"\ninterrupted; `make {options.command}` goes on from here")
        return 130


def _run(options: argparse.Namespace) -> int:  # noqa: C901 - one case for each command
    match options.command:
        case "up":
            lifecycle.up(options.stack, options.context, options.port)
        case "down" if options.stack:
            lifecycle.remove(options.stack)
        case "down":
            lifecycle.down()
        case "purge":
            lifecycle.purge()
        case "shell":
            shell.open_shell(options.stack)
        case "env":
            shell.env(options.stack)
        case "password":
            shell.password(options.stack)
        case "preview":
            lifecycle.preview(options.stack, shlex.split(options.args))
        case "logs":
            lifecycle.logs(options.stack, shlex.split(options.args))
        case "open":
            lifecycle.open_(options.stack, options.port)
        case "drill":
            return lifecycle.drill(options.stack)
        case "test" | "test-all":
            tiers = (CORE,) if options.command == "test" else (CORE, EXTENDED)
            return checks.test([name for name in options.rung.split(",") if name], tiers, options.context, options.args)
        case "bench":
            return checks.bench(options.context, options.args)
        case "docs":
            return checks.docs()
        case "lint":
            return checks.lint()
        case "format":
            return checks.format_()
        case "lock":
            environments.compile_lock()
        case "schema":
            checks.schema()
        case "bump":
            bump.bump(shlex.split(options.args))
        case _:
            _help()
    return 0


def _parser() -> argparse.ArgumentParser:
    """Options have the Makefile's variables as defaults, which make hands over in the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m toolchain", description="Run, test and measure MLflow on Kubernetes."
    )
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, what in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        for option in OPTIONS.get(name, ()):
            variable = "KUBE_CONTEXT" if option == "context" else option.upper()
            command.add_argument(
                f"--{option}",
                type=_port if option == "port" else str,
                # What is removed is named on the command line, never by what happens to be in the environment.
                default=None
                if (name, option) == ("down", "stack")
                else os.environ.get(variable) or DEFAULTS.get(option),
                help=VARIABLES[variable],
            )
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 1 to 65535")
    return int(text)


def _help() -> None:
    for name, what in COMMANDS.items():
        say(f"  make {name:<9} {what}")
    say("\nvariables:")
    for name, what in VARIABLES.items():
        say(f"  {name:<14} {what}")


def _tell_space() -> int:
    """After an error: say so if it may come from a disk that is nearly full."""
    for path in {cache(), state()}:
        if path.exists() and (free := shutil.disk_usage(path).free) < 500 * 1024**2:
            print(f"  note: only {free // 1024**2} MiB are free where {path} is", file=sys.stderr)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Let a termination signal unwind like Ctrl-C, so that child processes are ended in order."""
    interrupt()
    raise KeyboardInterrupt
