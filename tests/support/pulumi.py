"""The real Pulumi command line on a project in a temporary folder, with its state in that folder."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import forks
from toolchain.paths import ROOT
from toolchain.session import Session

PASSPHRASE = "of-the-tests"
LEFT_OUT = ("PULUMI_", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
"""Beginnings of our own environment variables that a stack does not get, as users have none. Without bytecode, each command would
compile the package."""
_AT_THE_END = {"PULUMI_EXPERIMENTAL": "true", "PULUMI_SKIP_CHECKPOINTS": "true"}
"""Has a command write the stack's state once, after its last step. It is written after each step else."""
_SELDOM = {"GOGC": "400"}
"""Has Pulumi and its plugins, which live for seconds, look for garbage seldom: that is a tenth of their time."""
_SECRET = "4dabf18193072939515e22adb298388d"
"""Key of the marker of a secret in states: https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/sig/sig.go."""
_ENCRYPTED = "1b47061264138c4ac30d75fd1eb44270"


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        code: Exit code.
        output: Everything that it printed.
        seconds: How long it took.
        seconds_from_first_resource: The same, from the first line that says that a resource is being made.
    """

    code: int
    output: str
    seconds: float
    seconds_from_first_resource: float

    def succeeded(self) -> "Result":
        """Itself, if the command succeeded."""
        assert self.code == 0, self.output
        return self

    def failed(self) -> "Result":
        """Itself, if the command failed in an orderly way."""
        assert self.code != 0, f"was expected to fail:\n{self.output}"
        assert "Traceback" not in self.output, self.output
        return self


class Stack:
    """A stack of the checkout's own program, or of another one."""

    name = "test"

    def __init__(
        self,
        session: Session,
        folder: Path,
        kubeconfig: Path,
        program: str | Path | None = None,
        variables: Mapping[str, str] | None = None,
        project: str = "mlflow",
        cloud: str | None = None,
        measured: bool = False,
    ) -> None:
        """Make the project and the stack.

        Args:
            session: The tools.
            folder: An empty folder.
            kubeconfig: The cluster.
            program: Source of the program, or a folder with a whole project to copy; the checkout's own program if None.
            variables: Further environment variables.
            project: Name of the project, unless the program has one.
            cloud: Name of the package for the cloud whose SDK the program's environment holds.
            measured: Whether commands take what they take users, and nothing makes them quicker.
        """
        missing = [part for part in ("pulumi", "pulumi_home", "path") if not getattr(session, part)]
        assert not missing, f"`make test` prepares {', '.join(missing)} in {Session.path_of_file()}; it is not there"
        self._command, self._path = str(session.pulumi), str(session.path)
        self.folder = folder
        self.events = folder / "events.json"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)},
            "PATH": self._path if measured or isinstance(program, Path) else _forked(self._path, cloud),
            "PULUMI_HOME": str(session.pulumi_home),
            "PULUMI_BACKEND_URL": (folder / "backend").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
            "KUBECONFIG": str(kubeconfig),
            **({} if measured else _SELDOM),
            **(variables or {}),
        }
        self._to_the_end = {} if measured else _AT_THE_END
        (folder / "backend").mkdir()
        if isinstance(program, Path):
            shutil.copytree(program, folder, dirs_exist_ok=True)
        else:
            (folder / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
            (folder / "components").symlink_to(ROOT / "components")
            text = (ROOT / "__main__.py").read_text() if program is None else program
            (folder / "__main__.py").write_text(text)
        self._run("stack", "init").succeeded()

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of a user's shell in which `pulumi` is this stack's command line, and asks nothing."""
        path = f"{Path(self._command).parent}{os.pathsep}{self._environment['PATH']}"
        return {**self._environment, "PATH": path, "PULUMI_SKIP_CONFIRMATIONS": "true"}

    @property
    def config_file(self) -> Path:
        """The stack's configuration file."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    def name_environment(self) -> None:
        """Have the project name the virtual environment that it runs in."""
        found = shutil.which("python3", path=self._path)
        assert found, self._path
        runtime = {"name": "python", "options": {"virtualenv": str(Path(found).parents[1])}}
        project = self.folder / "Pulumi.yaml"
        project.write_text(project.read_text().replace("runtime: python", f"runtime: {json.dumps(runtime)}"))

    def configure(self, values: Mapping[str, Any], secrets: Mapping[str, str] | None = None) -> "Stack":
        """Replace the configuration.

        Args:
            values: Values by their key without `mlflow:`, as the stack file holds them; keys of others are whole.
            secrets: Secret values by their path, as `pulumi config set --secret --path` takes them; the same holds for these.
        """
        lines = self.config_file.read_text().splitlines() if self.config_file.exists() else []
        kept = [line for line in lines if line.startswith("encryptionsalt:")]
        config = json.dumps(
            {key if ":" in key else f"mlflow:{key}": value for key, value in values.items()}
        )  # JSON is YAML
        self.config_file.write_text("\n".join([*kept, f"config: {config}", ""]))
        if secrets:
            whole = {path if ":" in path else f"mlflow:{path}": value for path, value in secrets.items()}
            pairs = [part for path, value in whole.items() for part in ("--secret", f"{path}={value}")]
            self._run("config", "set-all", "--path", *pairs).succeeded()
        return self

    def preview(self, *arguments: str) -> Result:
        """Run `pulumi preview`."""
        return self._run("preview", *arguments)

    def plan(self, *arguments: str) -> dict[str, Any]:
        """What `pulumi preview --json` tells."""
        output = self._run("preview", "--json", *arguments, quiet=True).succeeded().output
        return json.loads(output[output.index("{") :])

    def up(self, *arguments: str) -> Result:
        """Run `pulumi up`; its events are added to `events`."""
        return self._run("up", "--yes", "--skip-preview", "--event-log", str(self.events), *arguments)

    def take_in(self, kind: str, name: str, identity: str, parent: str) -> None:
        """Run `pulumi import` for something that exists.

        Args:
            kind: Its type.
            name: Its name in the program.
            identity: Its id.
            parent: URN of the component that it belongs to.
        """
        options = ["--protect=false", "--generate-code=false", "--yes", "--parent", f"parent={parent}"]
        self._run("import", kind, name, identity, *options).succeeded()

    def take_over(self, identities: Mapping[str, str]) -> Result:
        """Let `pulumi preview` write what it would make, and `pulumi import` take what exists instead.

        Args:
            identities: Ids of what exists, by `type::name`; all else of the file is left out, but for components.
        """
        file = self.folder / "adopt.json"
        self._run("preview", "--import-file", str(file)).succeeded()
        told = json.loads(file.read_text())
        wanted = [each for each in told["resources"] if each.get("component")]
        for each in told["resources"]:
            # Where several have one name, the file gives them others.
            if identity := identities.get(f"{each['type']}::{each.get('logicalName', each['name'])}"):
                wanted.append({**each, "id": identity})
        file.write_text(json.dumps({**told, "resources": wanted}))
        return self._run("import", "--file", str(file), "--generate-code=false", "--yes")

    def destroy(self) -> Result:
        """Run `pulumi destroy`."""
        return self._run("destroy", "--yes", "--skip-preview")

    def cancel(self) -> None:
        """Run `pulumi cancel`, which takes away the lock of a command that was killed."""
        self._run("cancel", "--yes").succeeded()

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return json.loads(self._run("stack", "output", "--json", quiet=True).succeeded().output)

    def export(self, *arguments: str) -> str:
        """The state as `pulumi stack export` prints it; secrets are encrypted unless `--show-secrets` is given."""
        return self._run("stack", "export", *arguments, quiet=True).succeeded().output

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the state by one that `pulumi stack export` has printed."""
        file = self.folder / "state.json"
        file.write_text(json.dumps(state))
        self._run("stack", "import", "--file", str(file), "--force").succeeded()

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state, those of the engine itself left out, with secrets in clear."""
        return [_in_clear(each) for each in _own(json.loads(self.export("--show-secrets"))["deployment"])]

    def left(self) -> list[dict[str, Any]]:
        """The same as the backend keeps them, with secrets encrypted; a command would take half a second to decrypt them."""
        (state,) = (self.folder / "backend" / ".pulumi" / "stacks").glob(f"*/{self.name}.json")
        return _own(json.loads(state.read_text())["checkpoint"].get("latest") or {})

    def install(self) -> Result:
        """Run `pulumi install`, which knows nothing of stacks."""
        started, command = time.monotonic(), [self._command, "install"]
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        return Result(done.returncode, done.stdout + done.stderr, time.monotonic() - started, 0)

    def popen(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a command in the background, which may be ended in the middle."""
        return subprocess.Popen(
            [self._command, *arguments, "--non-interactive", "--color", "never", "--stack", self.name],
            cwd=self.folder,
            env={**self._environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def _run(self, *arguments: str, quiet: bool = False) -> Result:
        """Run a command to its end; `quiet` leaves out what it writes to standard error."""
        started = time.monotonic()
        if quiet:
            done = subprocess.run(
                [self._command, *arguments, "--non-interactive", "--color", "never", "--stack", self.name],
                cwd=self.folder,
                env=self._environment,
                capture_output=True,
                text=True,
                check=False,
            )
            code = done.returncode
            return Result(code, done.stdout if code == 0 else done.stdout + done.stderr, time.monotonic() - started, 0)
        first: float | None = None
        lines: list[str] = []
        process = self.popen(*arguments, **self._to_the_end)
        assert process.stdout is not None
        for line in process.stdout:
            if first is None and " creating" in line and ("kubernetes:" in line or "random:" in line):
                first = time.monotonic()
            lines.append(line)
        code = process.wait()
        ended = time.monotonic()
        return Result(code, "".join(lines), ended - started, ended - (first or started))


@contextlib.contextmanager
def stack(
    session: Session, folder: Path, kubeconfig: Path, *, destroyed: bool = True, **options: Any
) -> Iterator[Stack]:
    """A stack whose resources are destroyed at the end, also those under protection, unless what holds them ends then anyway."""
    made = Stack(session, folder, kubeconfig, **options)
    try:
        yield made
    finally:
        if destroyed and (resources := made.left()):
            if any(each.get("protect") for each in resources):
                made._run("state", "unprotect", "--all", "--yes")
            made.destroy().succeeded()


@contextlib.contextmanager
def cloud_stack(session: Session, plugin: str, folder: Path, kubeconfig: Path, **options: Any) -> Iterator[Stack]:
    """A stack whose program runs in an environment with the SDK of one cloud.

    Args:
        session: The tools.
        plugin: Name of the cloud's provider.
        folder: An empty folder.
        kubeconfig: The cluster.
        **options: Those of `Stack`.
    """
    assert plugin in session.cloud_paths, session.cloud_problems.get(plugin, "`make test` prepares it; it is not there")
    tools = dataclasses.replace(session, path=session.cloud_paths[plugin], pulumi_home=session.clouds_home)
    with stack(tools, folder, kubeconfig, cloud=plugin.partition("-")[0], **options) as made:
        yield made


def _forked(path: str, cloud: str | None) -> str:
    """The same PATH, with a Python that has imported this checkout's package: that is most of what a program takes."""
    interpreter = shutil.which("python3", path=path)
    assert interpreter, path
    modules = ("components.public", *([f"components.{cloud}.cloud"] if cloud else []))
    return f"{forks.command(Path(interpreter), *modules, folder=ROOT).parent}{os.pathsep}{path}"


def _own(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources of a deployment without those of the engine itself."""
    return [each for each in deployment.get("resources") or [] if not each["type"].startswith("pulumi:")]


def _in_clear(value: Any) -> Any:
    """The value with `{marker: …, plaintext: "…"}` replaced by what it holds."""
    if isinstance(value, dict):
        if value.get(_SECRET) == _ENCRYPTED:
            return _in_clear(json.loads(value["plaintext"]))
        return {key: _in_clear(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_clear(item) for item in value]
    return value
