"""Python virtual environments, made with uv from the requirements files and exactly as locked.

Each environment holds only what its use needs: the Pulumi engine fetches the plugin of every provider SDK that it finds
installed, so a stack without a cloud must not see the cloud SDKs.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from toolchain import files, versions
from toolchain.console import UserError, run, say, step
from toolchain.paths import ROOT, cache, lock, state

UV_VERSION = "0.13.8"
OLDEST_PYTHON = "3.10"

INTERPRETER = os.path.realpath(sys.executable)
"""The interpreter behind a virtual environment that may be active, because that one may have no pip."""

REQUIREMENTS = ROOT / "requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
LOCK = ROOT / "requirements.lock"

CORE = ("pulumi", "pulumi-kubernetes", "pulumi-random", "pydantic")
"""What every stack uses."""

CLOUDS = {
    "pulumi-aws": ("rds", "aurora", "awsBucket", "irsa", "podIdentity", "aws"),
    "pulumi-gcp": ("cloudSql", "gcpBucket", "gcpServiceAccount", "gcpDirect", "gcp"),
    "pulumi-azure-native": ("azureFlexibleServer", "azureContainer", "azureWorkloadIdentity", "azure"),
}
"""The SDK of each cloud, and the keys in a stack file that choose it."""


COMMAND_LINE = ("kubernetes", "rich", "typer")
"""What `pulumi-mlflow` uses besides."""


def stack_file(stack: str) -> Path:
    """The stack's configuration in the checkout.

    Raises:
        UserError: There is no such file.
    """
    path = ROOT / f"Pulumi.{stack}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.name.split(".")[1] for p in ROOT.glob("Pulumi.*.yaml"))) or "none"
        raise UserError(
            f"there is no {path.name} for the stack {stack!r}",
            f"Use one of the stacks there are ({known}), or write the file.",
        )
    return path


def clouds_of(stack: str) -> list[str]:
    """The cloud SDKs that the stack's configuration chooses."""
    keys = set(re.findall(r"^\s*(?:-\s+)?([\w-]+):", stack_file(stack).read_text(), re.MULTILINE))
    keys |= set(re.findall(r"[{,]\s*([\w-]+):", stack_file(stack).read_text()))
    return [sdk for sdk, choosing in CLOUDS.items() if keys & set(choosing)]


def plugins(clouds: Iterable[str] = ()) -> list[str]:
    """Names of the provider plugins that a program with the SDKs of these clouds uses."""
    return [sdk.removeprefix("pulumi-") for sdk in (*CORE, *clouds) if sdk.startswith("pulumi-")]


def requirements(path: Path) -> dict[str, str]:
    """The lines of a requirements file by package name."""
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]: line for line in lines if line}


def locked(package: str) -> str:
    """The locked version of a package.

    Raises:
        UserError: The lock does not hold the package.
    """
    found = re.search(rf"^{re.escape(package)}==([^\s;]+)", LOCK.read_text(), re.MULTILINE)
    if not found:
        raise UserError(f"{LOCK} does not hold {package}", "Run `make lock`.")
    return found.group(1)


def wanted(kind: str, clouds: Iterable[str] = ()) -> list[str]:
    """The requirements of a kind of environment.

    Args:
        kind: `up` for what a stack's program imports, `cli` for the command line, `test` for tests, checks and benchmarks with
            every cloud SDK.
        clouds: SDKs of the clouds that the program uses; only for `up`.
    """
    runtime, development = requirements(REQUIREMENTS), requirements(DEVELOPMENT)
    if kind == "up":
        return [runtime[name] for name in (*CORE, *clouds)]
    if kind == "cli":
        return [*(runtime[name] for name in CORE), *(development[name] for name in COMMAND_LINE)]
    return [*runtime.values(), *development.values()]


@functools.cache
def uv() -> tuple[list[str], dict[str, str]]:
    """The command that runs the pinned uv, and the environment variables that make it follow pip's own configuration.

    Raises:
        UserError: It is not there and could not be installed.
    """
    folder = cache("uv", UV_VERSION)
    program = folder / "bin" / "uv"
    if not program.exists():
        with lock("uv", "installing uv"), step(f"installing uv {UV_VERSION}", "a few seconds"):
            if not program.exists():
                partial = folder.with_name(f"{UV_VERSION}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                # --target leaves the interpreter's own packages alone, also where its distribution forbids installing.
                run(
                    [INTERPRETER, "-m", "pip", "install", "--quiet", "--target", partial, f"uv=={UV_VERSION}"],
                    log=state("logs", "uv.log"),
                    fix="This needs pip (on Debian and Ubuntu the package python3-pip) and the package index it is set up for.",
                )
                shutil.rmtree(folder, ignore_errors=True)
                partial.replace(folder)
    return [str(program)], {**os.environ, **_uv_settings()}


def _uv_settings() -> dict[str, str]:
    """pip's index, certificates and so on, as uv's environment variables; those already set are left alone."""
    listing = subprocess.run(
        [INTERPRETER, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    pip: dict[str, list[str]] = {}
    for line in listing.splitlines():  # e.g. global.index-url='https://…' and :env:.cert='…', the stronger source last
        key, _, value = line.partition("=")
        try:
            pip[key.rpartition(".")[2]] = ast.literal_eval(value).split()
        except (SyntaxError, ValueError, AttributeError):
            continue
    names = {  # https://docs.astral.sh/uv/reference/environment/
        "index-url": ("UV_DEFAULT_INDEX", " "),
        "extra-index-url": ("UV_INDEX", " "),
        "find-links": ("UV_FIND_LINKS", ","),
        "cert": ("SSL_CERT_FILE", " "),
        "trusted-host": ("UV_INSECURE_HOST", " "),
        "default-timeout": ("UV_HTTP_TIMEOUT", " "),
        "timeout": ("UV_HTTP_TIMEOUT", " "),
        "proxy": ("ALL_PROXY", " "),
    }
    settings = {names[key][0]: names[key][1].join(values) for key, values in pip.items() if key in names and values}
    if "UV_INDEX" in settings:
        settings["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip takes the best version of all indexes
    settings["UV_PYTHON_DOWNLOADS"] = "never"
    return {name: value for name, value in settings.items() if name not in os.environ}


def ensure(kind: str, clouds: Iterable[str] = ()) -> Path:
    """The virtual environment of a kind, made if it is not there yet.

    Args:
        kind: See `wanted`.
        clouds: SDKs of the clouds that the program uses; only for `up`.

    Returns:
        The environment's folder.

    Raises:
        UserError: A package could not be installed.
    """
    packages = wanted(kind, clouds)
    version = ".".join(str(part) for part in sys.version_info[:3])
    digest = hashlib.sha256("\n".join([LOCK.read_text(), version, INTERPRETER, *packages]).encode()).hexdigest()[:16]
    folder = cache("venv", digest)
    complete = folder / ".complete"
    if complete.exists() and python(folder).exists():
        return folder
    with lock(f"venv-{digest}", "preparing the Python environment"):
        if complete.exists() and python(folder).exists():
            return folder
        with step(f"preparing the Python environment for `{kind}`", "about 20 seconds") as doing:
            command, env = uv()
            shutil.rmtree(folder, ignore_errors=True)
            log = state("logs", f"venv-{kind}.log")
            # With pip (--seed): Pulumi's language host asks it which provider SDKs are installed where a project names this environment.
            run([*command, "venv", "--seed", "--python", INTERPRETER, folder], log=log, doing=doing, env=env)
            install = [
                *command,
                "pip",
                "install",
                "--python",
                python(folder),
                "--constraint",
                LOCK,
                # All of the clouds' SDKs would take minutes, and tests import little of them.
                *(["--compile-bytecode"] if kind == "up" else []),
                *packages,
            ]
            run(install, log=log, doing=doing, env=env)
            complete.touch()
    return folder


def python(venv: Path) -> Path:
    """The interpreter of an environment."""
    return venv / "bin" / "python"


def variables(venv: Path) -> dict[str, str]:
    """The current environment variables with the virtual environment activated."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")}
    return {**env, "VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"}


def command_line() -> Path:
    """The program `pulumi-mlflow`, which runs this checkout's code."""
    script = state("bin", "pulumi-mlflow")
    command = shlex.join([str(python(ensure("cli"))), "-m", "components.operations"])
    files.write(script, f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {command} "$@"\n')
    script.chmod(0o755)
    return script


def link(venv: Path) -> None:
    """Let `.venv` in the checkout point to the environment, unless the user has made one of their own there."""
    path = ROOT / ".venv"
    if path.is_symlink() and path.resolve() != venv.resolve():
        path.unlink()
    elif path.exists() and not path.is_symlink():
        say(f"  your own {path} is left as it is")
    if not path.is_symlink() and not path.exists():
        path.symlink_to(venv)


def compile_lock(check: bool = False, upgrade: bool = True) -> None:
    """Write requirements.lock: the newest versions that the requirements allow, for every supported Python.

    Args:
        check: Write nothing; only see whether the locked versions fit.
        upgrade: Take newer versions where there are some; otherwise only where the locked ones do not fit.

    Raises:
        UserError: The lock could not be made, or `check` found it outdated.
    """
    with step("checking requirements.lock" if check else "locking the requirements"):
        made = ROOT / "build" / LOCK.name
        made.parent.mkdir(exist_ok=True)
        made.unlink(missing_ok=True)
        if (check or not upgrade) and LOCK.exists():
            shutil.copyfile(LOCK, made)
        resolve((REQUIREMENTS, DEVELOPMENT), made, "--universal", "--python-version", OLDEST_PYTHON)
        if not check:
            made.replace(LOCK)
        elif made.read_text() != LOCK.read_text():
            raise UserError(
                f"{LOCK.name} does not fit the requirements files", "Run `make lock` and commit the result."
            )


def resolve(sources: Iterable[Path], made: Path, *options: str) -> None:
    """Lock requirements files, in the versions that components/versions.py names.

    Args:
        sources: Files of one folder.
        made: The file to write. uv keeps the versions that it holds already, as far as they fit.
        options: Further options of `uv pip compile`.

    Raises:
        UserError: No set of versions fits.
    """
    command, env = uv()
    constraints = ROOT / "build" / "versions.txt"
    constraints.parent.mkdir(exist_ok=True)
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in versions.LOCKED.items()))
    files = list(sources)
    quiet = ("--no-header", "--no-emit-index-url", "--no-emit-find-links")
    run(
        [*command, "pip", "compile", *options, *quiet, "-c", constraints, *(file.name for file in files), "-o", made],
        log=state("logs", "lock.log"),
        env=env,
        cwd=files[0].parent,
    )
    # The constraints are a temporary file; what they say comes from there.
    made.write_text(re.sub(r"-c \S*versions\.txt", f"-c {versions.FILE.relative_to(ROOT)}", made.read_text()))
