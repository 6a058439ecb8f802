"""One Pulumi stack, kept in a local state backend unless the user has chosen another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain import backend, environments
from toolchain.console import UserError, say, step
from toolchain.files import write
from toolchain.objects import Object
from toolchain.paths import ROOT, lock, state
from toolchain.processes import alive, end_session
from toolchain.pulumi import Cli
from toolchain.pulumi_errors import failure

SECRETS_KEYS = ("encryptionsalt", "secretsprovider", "encryptedkey")
"""What Pulumi writes into a stack file to tell how its secrets are encrypted."""

REPEATED = re.compile(r"[-+~]+ +\S+ \S+ \w+ing \(")
"""A line of `pulumi up` that comes again and again without telling anything new."""


@dataclass(frozen=True)
class Stack:
    """A stack of this project, with everything that its commands need.

    Attributes:
        name: Name of the stack, which chooses the stack file.
        cli: The Pulumi command line.
        venv: Virtual environment of the program.
        kubeconfig: The cluster's kubeconfig; None for a preview that needs no cluster.
    """

    name: str
    cli: Cli
    venv: Path
    kubeconfig: Path | None

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables of its commands."""
        env = self.cli.variables(self.venv)
        env.update({key: value for key, value in backend.variables().items() if key not in env})
        if "PULUMI_CONFIG_PASSPHRASE" not in env and "PULUMI_CONFIG_PASSPHRASE_FILE" not in env:
            env["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(backend.passphrase_file())
        if self.kubeconfig:
            env["KUBECONFIG"] = str(self.kubeconfig)
        return env

    @property
    def config_file(self) -> Path:
        """The stack's configuration with the encryption settings that are kept out of the checkout."""
        return state("stacks", f"Pulumi.{self.name}.yaml")

    @property
    def _scratch(self) -> Path:
        """A project folder of the same name, where Pulumi may write a stack file."""
        return state("stacks", "project")

    def prepare(self, *, reading: bool = False) -> None:
        """Make the stack if there is none, release what an interrupted run locked, and write `config_file`.

        Args:
            reading: Whether nothing will be changed, so that the stack may be in use.

        Raises:
            UserError: The stack is in use by a running Pulumi, or could not be made.
        """
        with lock(f"stack-{self.name}", f"preparing the stack {self.name}"):
            self._make()
        if not reading:
            self._release()

    def _make(self) -> None:
        write(self._scratch / "Pulumi.yaml", (ROOT / "Pulumi.yaml").read_text())
        given = environments.stack_file(self.name).read_text()
        made = self._scratch / f"Pulumi.{self.name}.yaml"
        if not _secrets_settings(given) and not (made.exists() and self._exists()):
            backend.local_state().mkdir(parents=True, exist_ok=True)
            made.unlink(missing_ok=True)
            self._checked(
                "stack", "init", self.name, "--no-select", "--secrets-provider", "passphrase", cwd=self._scratch
            )
        elif _secrets_settings(given) and not self._exists():
            made.write_text(given)
            self._checked("stack", "init", self.name, "--no-select", cwd=self._scratch)
        kept = "" if _secrets_settings(given) else _secrets_settings(made.read_text())
        write(self.config_file, given.rstrip("\n") + "\n" + kept, private=True)

    def _exists(self) -> bool:
        if backend.is_local():  # its files can be looked at, which is quicker
            return backend.holds(self.name)
        listing = self._checked("stack", "ls", "--json", cwd=self._scratch)
        return any(entry["name"].split("/")[-1] == self.name for entry in json.loads(listing))

    def _release(self) -> None:
        """Remove the lock that a killed Pulumi left in the local backend."""
        if not backend.is_local():
            return
        locks = backend.locks(self.name)
        for each in locks:
            holder = json.loads(each.read_text() or "{}").get("pid", 0)
            if holder and alive(holder):
                raise UserError(
                    f"the stack {self.name} is in use by the Pulumi process {holder}",
                    "Wait until it ends, then run the same command again.",
                )
        if locks:
            say("  an earlier run was interrupted: releasing its lock")
            self._checked("cancel", "--yes", "--stack", self.name)

    def mend(self, existing: Callable[[Iterable[Object]], set[Object]]) -> None:
        """Settle the operations on the cluster that an interrupted run left unfinished.

        A resource whose creation was under way is taken into the state if the cluster has it, else forgotten, so that it
        is neither made twice nor lost. What a cloud was to create is left to the user, as Pulumi's own warning says.

        Args:
            existing: Called with objects; those of them that the cluster has.
        """
        if not self.export().get("pending_operations"):
            return
        with step("settling what an earlier run left unfinished", "about 10 seconds"):
            whole = json.loads(self._checked("stack", "export", "--stack", self.name))
            deployment = whole["deployment"]
            unfinished = deployment.pop("pending_operations", [])
            begun = {
                operation["resource"]["urn"]: Object.of(operation["resource"]["inputs"])
                for operation in unfinished
                if operation["type"] == "creating" and operation["resource"]["type"].startswith("kubernetes:")
            }
            made = existing(begun.values())
            left = []
            for operation in unfinished:
                resource = operation["resource"]
                if (begun_object := begun.get(resource["urn"])) is not None:
                    if begun_object in made:
                        complete = {"id": begun_object.id, "outputs": resource["inputs"]}
                        deployment.setdefault("resources", []).append({**resource, **complete})
                elif operation["type"] == "creating" and not resource["type"].startswith("random:"):
                    left.append(operation)
            if left:
                deployment["pending_operations"] = left
            file = state("mended", f"{self.name}.json")
            write(file, json.dumps(whole), private=True)
            self._checked("stack", "import", "--stack", self.name, "--file", str(file))
            file.unlink()
            options = ["--stack", self.name, "--config-file", str(self.config_file), "--non-interactive"]
            self._checked("refresh", "--yes", "--skip-preview", *options)

    def plan(self) -> dict[str, Any]:
        """What `up` would do, as `pulumi preview --json` tells it.

        Raises:
            UserError: The configuration is wrong, or the program failed.
        """
        command = [
            "preview",
            "--json",
            "--stack",
            self.name,
            "--config-file",
            str(self.config_file),
            "--non-interactive",
        ]
        result = self._run(*command)
        start = result.stdout.find("{")
        try:
            plan = json.loads(result.stdout[start:]) if start >= 0 else {}
        except json.JSONDecodeError:
            plan = {}
        if result.returncode:
            errors = [d["message"].strip() for d in plan.get("diagnostics") or [] if d.get("severity") == "error"]
            told = [error for error in errors if "program exited with non-zero exit code" not in error]
            raise failure(self.name, "preview", "\n".join(told or errors) or result.stderr + result.stdout)
        return plan

    def stream(self, command: str, *arguments: str) -> None:
        """Run a command and show its output as it comes; the first Ctrl-C lets Pulumi finish what is under way.

        Args:
            command: `up`, `preview` or `destroy`.
            *arguments: Further arguments.

        Raises:
            UserError: The command failed.
            KeyboardInterrupt: It was interrupted.
        """
        shown: deque[str] = deque(maxlen=400)
        colour = "always" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "never"
        options = ["--stack", self.name, "--config-file", self.config_file, "--non-interactive", "--color", colour]
        process = subprocess.Popen(
            [self.cli.command, command, *options, *arguments],
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Not in the terminal's process group: Ctrl-C would reach it and the providers twice, which kills them at once.
            start_new_session=True,
        )

        def show() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                again = REPEATED.match(line.strip()) and line.rstrip() in shown
                if line.strip() and not line.startswith("@ ") and not again:  # @ is a sign of life for terminals
                    shown.append(line.rstrip())
                    say(f"  {line.rstrip()}")

        reader = threading.Thread(target=show, daemon=True)
        reader.start()
        interrupted = False
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                say("\n  stopping: Pulumi finishes what is under way (Ctrl-C again to stop at once)")
                interrupted = True
                process.send_signal(signal.SIGINT)
        end_session(process.pid)
        reader.join(timeout=5)
        if interrupted:
            raise KeyboardInterrupt
        if process.returncode:
            raise failure(self.name, command, "\n".join(shown), shown=True)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets masked."""
        return json.loads(self._checked("stack", "output", "--json", "--stack", self.name))

    def export(self) -> dict[str, Any]:
        """The stack's deployment: `resources`, `pending_operations`. Secrets stay encrypted."""
        if backend.is_local():
            path = backend.checkpoint(self.name)
            if path.exists():
                return json.loads(path.read_text()).get("checkpoint", {}).get("latest") or {}
        return json.loads(self._checked("stack", "export", "--stack", self.name)).get("deployment") or {}

    def objects(self) -> set[Object]:
        """The Kubernetes objects that the state holds."""
        resources = self.export().get("resources") or []
        # One that waits for its deletion may be gone already.
        lasting = (each for each in resources if each["type"].startswith("kubernetes:") and not each.get("delete"))
        return {Object.of(each["inputs"]) for each in lasting}

    def namespaces(self) -> set[str]:
        """The namespaces in which the stack has, or has begun to make, Kubernetes objects."""
        deployment = self.export()
        resources = [
            *(deployment.get("resources") or []),
            *(op["resource"] for op in deployment.get("pending_operations") or []),
        ]
        metadata = ((r.get("inputs") or {}).get("metadata") for r in resources if r["type"].startswith("kubernetes:"))
        return {m["namespace"] for m in metadata if isinstance(m, dict) and isinstance(m.get("namespace"), str)}

    def _run(self, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.cli.command, *arguments],
            cwd=cwd,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def _checked(self, *arguments: str, cwd: Path = ROOT) -> str:
        result = self._run(*arguments, cwd=cwd)
        if result.returncode:
            raise failure(self.name, " ".join(arguments[:2]), result.stderr + result.stdout)
        return result.stdout


def _secrets_settings(text: str) -> str:
    lines = (
        line for line in text.splitlines(keepends=True) if line.startswith(tuple(f"{key}:" for key in SECRETS_KEYS))
    )
    return "".join(lines)
