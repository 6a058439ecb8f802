"""The Pulumi command line and its plugins: the installed ones, else the official downloads, else built from source."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from toolchain import environments, versions
from toolchain.bare import golang
from toolchain.console import UserError, run, say, step
from toolchain.paths import cache, state

INSTALLER = "https://get.pulumi.com"
"""Pulumi's own installer script, and the server that its plugins come from."""

BUILDABLE = ("kubernetes", "random")
"""Plugins that can be built from source."""

PARTS = ("aws", "gcp")
"""Plugins that can be built from source in part: enough for tests against emulated clouds, and not for users."""

_YAML = "pulumi-language-yaml"


@dataclass(frozen=True)
class Cli:
    """A Pulumi command line that is ready to use.

    Attributes:
        command: The program.
        home: PULUMI_HOME, which holds the plugins.
        path: Folders to search for Pulumi's programs, before everything else.
        built: Whether it is built from source, and with it the plugins of the locked SDKs: no others can be had.
    """

    command: Path
    home: Path
    path: tuple[Path, ...]
    built: bool = False

    def variables(self, venv: Path) -> dict[str, str]:
        """Environment variables to run the command with programs in a virtual environment."""
        env = environments.variables(venv)
        # The environment comes first: projects that name no virtual environment run in it.
        env["PATH"] = os.pathsep.join([str(venv / "bin"), *map(str, self.path), env["PATH"]])
        return {**env, "PULUMI_HOME": str(self.home), "PULUMI_SKIP_UPDATE_CHECK": "true"}


def ensure(*, yaml: bool = False) -> Cli:
    """Find, install or build the command line.

    Args:
        yaml: Whether programs in YAML are to run too, whose language host takes half a minute more to build.

    Raises:
        UserError: None of the three ways worked.
    """
    minimum = tuple(map(int, versions.PULUMI_CLI_MINIMUM.split(".")))
    installed = shutil.which("pulumi")
    if installed:
        found = _version(Path(installed))
        if found >= minimum:
            home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
            return Cli(Path(installed), home, ())
        say(f"  the installed pulumi is version {_dotted(found)}; this project needs {_dotted(minimum)}: using another")
    home = cache("pulumi-home")
    official = cache("pulumi", environments.locked("pulumi"))
    if not (official / "bin" / "pulumi").exists() and release_server_answers():
        try:
            _install(official)
        except UserError as error:
            say(f"  {error.message}\n  building Pulumi from source instead")
    if (official / "bin" / "pulumi").exists():
        return Cli(official / "bin" / "pulumi", home, (official / "bin",))
    together = _together(yaml)
    return Cli(together / "pulumi", home, (together,), built=True)


def for_program(clouds: Iterable[str], *, yaml: bool = False) -> tuple[Path, Cli]:
    """The Python environment and the command line with the plugins that a program uses.

    Args:
        clouds: SDKs of the clouds that it uses, see `environments.CLOUDS`.
        yaml: See `ensure`.
    """
    venv = environments.ensure("up", clouds)
    cli = ensure(yaml=yaml)
    ensure_plugins(cli, venv, environments.plugins(clouds))
    return venv, cli


def for_stack(name: str, *, yaml: bool = False) -> tuple[Path, Cli]:
    """What the stack's program uses, with the environment as `.venv` of the checkout."""
    venv, cli = for_program(environments.clouds_of(name), yaml=yaml)
    environments.link(venv)
    return venv, cli


def of_tests(cli: Cli) -> Cli:
    """The same command line with a home of its own, so that no plugin that was built in part comes to a user's stack."""
    return replace(cli, home=cache("pulumi-home-of-tests"))


def ensure_plugins(cli: Cli, venv: Path, providers: Iterable[str], buildable: Sequence[str] = BUILDABLE) -> None:
    """Install the resource plugins in the versions that the locked Python SDKs ask for.

    Args:
        cli: The command line whose home receives them.
        venv: Virtual environment, for the environment variables only.
        providers: Names such as `kubernetes`.
        buildable: Those that are built where they cannot be downloaded.

    Raises:
        UserError: A plugin can neither be downloaded nor built here.
    """
    missing = []
    for provider in providers:
        folder = _plugin_folder(cli, provider)
        # The command line leaves a .partial file beside the folder until the installation is complete.
        if not folder.is_dir() or folder.with_name(f"{folder.name}.partial").exists():
            missing.append((provider, environments.locked(f"pulumi-{provider}")))
    if not missing:
        return
    download = release_server_answers()
    built: dict[str, Path] = {}
    if not download:
        for provider, version in missing:
            if provider not in buildable:
                raise UserError(
                    f"the Pulumi plugin {provider} {version} is not installed, and {INSTALLER} cannot be reached",
                    f"Run `pulumi plugin install resource {provider} {version}` where it can be reached; this plugin is not built from source.",
                )
        built = golang.build([f"pulumi-resource-{provider}" for provider, _ in missing])
    for provider, version in missing:
        command = [cli.command, "plugin", "install", "resource", provider, version, "--reinstall"]
        if not download:
            command += ["--file", built[f"pulumi-resource-{provider}"]]
        with step(f"installing the Pulumi plugin {provider} {version}", "up to a minute" if download else ""):
            run(command, log=state("logs", f"plugin-{provider}.log"), env=cli.variables(venv))


def install_program(cli: Cli, provider: str, program: Path) -> None:
    """Have a program of ours stand for a resource plugin, in the version that the locked Python SDK asks for.

    Args:
        cli: The command line whose home receives it.
        provider: Name such as `azure-native`.
        program: An executable file that needs no other.
    """
    folder = _plugin_folder(cli, provider)
    folder.mkdir(parents=True, exist_ok=True)
    # Copied each time, since it may have changed, and put there in one step, since the engine may be starting it.
    shutil.copy(program, folder / "partial")
    (folder / "partial").replace(folder / f"pulumi-resource-{provider}")


def _plugin_folder(cli: Cli, provider: str) -> Path:
    """Where the engine looks for a resource plugin in the version that the locked Python SDK asks for."""
    return cli.home / "plugins" / f"resource-{provider}-v{environments.locked(f'pulumi-{provider}')}"


@functools.cache
def release_server_answers() -> bool:
    """Whether Pulumi's own downloads can be reached; waits 4 seconds at most."""
    try:
        with urllib.request.urlopen(urllib.request.Request(INSTALLER, method="HEAD"), timeout=4):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _install(folder: Path) -> None:
    """Run the official installer for the version of the locked Python SDK, into a folder of ours."""
    version = environments.locked("pulumi")
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with step(f"installing Pulumi {version} with the official installer", "about a minute"):
        script = partial / "install.sh"
        try:
            with urllib.request.urlopen(INSTALLER, timeout=30) as answer:
                script.write_bytes(answer.read())
        except OSError as error:
            raise UserError(f"{INSTALLER} cannot be read: {error}", "Try again.") from error
        run(
            ["sh", script, "--version", version, "--install-root", partial, "--no-edit-path"],
            log=state("logs", "pulumi-install.log"),
            env={**os.environ, "HOME": str(partial)},
        )
    partial.replace(folder)


def _together(yaml: bool) -> Path:
    """One folder with the command line and its language hosts, which it warns about when it finds them elsewhere."""
    names = ["pulumi", "pulumi-language"]
    if yaml or golang.built(_YAML):
        names.append(_YAML)
    built = golang.build(names)
    host = built["pulumi-language"]
    programs = {
        **{name: path for name, path in built.items() if path != host},
        "pulumi-language-nodejs": host,
        "pulumi-language-python": host,
        golang.PYTHON_EXECUTOR: host.with_name(golang.PYTHON_EXECUTOR),
    }
    folder = cache("pulumi", "-".join(path.parent.name for path in built.values()))
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, path in programs.items():
            os.link(path, partial / name)
        partial.replace(folder)
    return folder


def _version(program: Path) -> tuple[int, ...]:
    """The version that a pulumi program reports; (0, 0, 0) if it does not run."""
    try:
        answer = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0, 0)
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", answer)
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
