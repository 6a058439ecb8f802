"""The command line, `pulumi-mlflow`, run as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import PATIENCE
from toolchain.paths import ROOT


@dataclass(frozen=True)
class Answer:
    """What a command answered.

    Attributes:
        code: Its exit code.
        result: Standard output.
        progress: Standard error.
    """

    code: int
    result: str
    progress: str

    @property
    def json(self) -> Any:
        """The result of a command with `--json`."""
        assert self.code == 0, f"{self.code}: {self.progress}{self.result}"
        return json.loads(self.result)


@dataclass(frozen=True)
class CommandLine:
    """The command line for one deployment.

    Attributes:
        kubeconfig: As whom, and to which cluster.
        namespace: Where the deployment is; None if commands name a stack.
        folder: Where they run.
    """

    kubeconfig: Path
    namespace: str | None
    folder: Path = ROOT

    def popen(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """Start a command."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "components.operations", *arguments),
                *(() if self.namespace is None else ("--namespace", self.namespace)),
            ],
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # `nohup` and a shell's `&` have it ignored, in what they start and in what that starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **variables: str) -> Answer:
        """Run a command to its end."""
        with self.popen(*arguments, **variables) as process:
            try:
                result, progress = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Answer(process.returncode, result, progress)
