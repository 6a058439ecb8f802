"""Transcripts in `docs/runbook.md`: each operation as a person runs it, against a deployment on the test cluster.

`python -m tests.transcripts` runs them all and writes what was said into the page, for a new version of MLflow. It needs what `make test`
has prepared (`build/toolchain.json`) and takes some ten minutes. What is different in each run is made the same: ids, times, addresses.
"""

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from psycopg import sql

from components import versions
from components.operations.errors import INTERRUPTED
from tests.documents import between
from tests.support import client, older, postgresql, pulumi, s3
from tests.support.deployed import Deployed, deploy
from tests.support.kubernetes import Kubectl
from toolchain.paths import ROOT
from toolchain.session import Session

PAGE = ROOT / "docs" / "runbook.md"
NAMES = (
    *("status", "check", "check-image", "backup", "list", "verify", "prune", "drill", "restore", "open", "gc"),
    *("upgrade", "rollback", "blue-green", "rotate", "rotate-database", "put-back", "drop"),
)
"""The transcripts, in the order in which they are made."""
BEFORE = "3.10.0"
_KEPT_LINES = 24
"""Of a longer transcript, the first and the last ones."""
_SAME = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "2026-01-15T03:00:00Z"),
    (r"20\d{12}", "20260115030000"),
    (r"\bt-[0-9a-f]{8}\b", "mlflow"),
    (r"(?<=mlflow-server)-[0-9a-f]{8,10}-\w{5}\b", "-7d9c5b8f6d-x2x4z"),
    (r"(?<=-cache)-\d+", "-1"),
    (r"(?<=-)[0-9a-f]{6,8}(?=[ \n,`]|$)", "1a2b3c"),
    (r"\b[0-9a-f]{64}\b|(?<=repository )[0-9a-f]{10}\b|\b[0-9a-f]{8}(?=[ \n,;`']|$)", "5c1e0f3a"),
    (r"(?<=\d):\d{5}(?=/)", ":9000"),
    (r"\b\d+(\.\d+)? (s|seconds|min|of them)\b(?! at most)", r"… \2"),
    (r"(?<=[\[ ])\d+:\d\d(?=[] \n]|$)", "0:01"),
    (re.escape(versions.MLFLOW), "3.x.y"),
)


def stable(text: str, names: dict[str, str]) -> str:
    """What a command said, without what is different in each run.

    Args:
        text: What it said.
        names: Names of this run, and what they are called in the page.
    """
    for name, called in names.items():
        text = text.replace(name, called)
    for pattern, same in _SAME:
        text = re.sub(pattern, same, text)
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if len(lines) > _KEPT_LINES:
        lines = [*lines[: _KEPT_LINES // 2], "  …", *lines[-_KEPT_LINES // 2 :]]
    return "\n".join(lines)


class Recorder:
    """Runs commands, and remembers what was said.

    Attributes:
        said: Transcripts by their name.
    """

    def __init__(self, namespace: str, kubeconfig: Path, names: dict[str, str]) -> None:
        self.said: dict[str, str] = {}
        self._names = names
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PULUMI_MLFLOW_NAMESPACE": namespace}

    def run(self, name: str, *arguments: str, until: str | None = None) -> None:
        """Run `pulumi-mlflow`, and remember it under a name. Every question is answered with yes.

        Args:
            name: Where it goes.
            *arguments: Those of the command.
            until: What the line holds upon which it is interrupted; to its end if None.
        """
        print(f"$ pulumi-mlflow {' '.join(arguments)}", flush=True)
        lines = []
        with subprocess.Popen(
            [sys.executable, "-m", "components.operations", *arguments, "--yes"],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as command:
            assert command.stdout is not None
            for line in command.stdout:
                print(line, end="", flush=True)
                lines.append(line)
                if until is not None and until in line:
                    command.send_signal(signal.SIGINT)
        assert command.returncode == (0 if until is None else INTERRUPTED), lines
        self.add(name, f"pulumi-mlflow {' '.join(arguments)}", "".join(lines))

    def add(self, name: str, command: str, output: str) -> None:
        """Remember what a command said."""
        text = stable(f"$ {command}\n{output}", self._names)
        self.said[name] = "\n".join(filter(None, (self.said.get(name), text)))


def write(said: dict[str, str]) -> None:
    """Put transcripts into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, transcript in said.items():
        start, end = f"<!-- transcript: {name} -->\n", "<!-- end -->"
        assert start in text, f"docs/runbook.md has no place for {name}"
        text = between(text, start, end, f"```console\n{transcript}\n```\n")
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    session = Session.load()
    kubectl = Kubectl(str(session.kubectl), Path(str(session.kubeconfig)), str(session.host_address))
    host = str(session.host_address)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgresql.serve(host))
        bucket = s3.bucket(stack.enter_context(s3.serve(host, folder / "s3.log")))
        database = server.database()
        values, keys = older.backed_up(BEFORE, database, bucket, garbageCollection={})
        (folder / "stack").mkdir()
        new_stack: Callable[..., Any] = functools.partial(pulumi.stack, session, folder / "stack", kubectl.kubeconfig)
        deployed = stack.enter_context(deploy(new_stack, kubectl, values, keys))
        names = {deployed.namespace: "mlflow", database.name: "mlflow", host: "10.0.0.1", bucket.name: "backups"}
        recorder = Recorder(deployed.namespace, kubectl.kubeconfig, names)
        try:
            _operate(recorder, deployed, kubectl, server, database, folder)
        finally:
            write(recorder.said)


def _operate(
    recorder: Recorder,
    deployed: Deployed,
    kubectl: Kubectl,
    server: postgresql.Server,
    database: postgresql.Database,
    folder: Path,
) -> None:
    new = f"{older.REPOSITORY}:{older.tag(versions.MLFLOW)}"

    def up(name: str, **values: Any) -> None:
        deployed.reconfigure(**values).up().succeeded()
        job = kubectl.items("jobs", deployed.namespace, "--selector", "app.kubernetes.io/component=migration")[-1]
        pod = f"job/{job['metadata']['name']}"
        said = kubectl.text("logs", "--namespace", deployed.namespace, pod, "--container=migration")
        ours = "".join(f"{line}\n" for line in said.splitlines() if line.startswith("migration: "))
        recorder.add(name, "pulumi up", ours)

    def work() -> None:
        with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
            client.log(url)

    work()
    recorder.run("status", "status")
    recorder.run("check", "check")
    recorder.run("check-image", "check", "--image", new)
    recorder.run("backup", "backup")
    recorder.run("list", "list")
    recorder.run("verify", "verify")
    recorder.run("prune", "prune")
    recorder.run("drill", "drill")
    work()
    recorder.run("open", "restore", "latest", "--replace", until="pods to end")
    recorder.run("open", "open")
    recorder.run("restore", "restore", "latest", "--replace")
    recorder.run("gc", "gc")
    up("upgrade", image={})
    work()
    recorder.run("rollback", "rollback")
    deployed.reconfigure().up().succeeded()
    server.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(database.name)))
    up("blue-green", upgrade={"mode": "blue-green"}, image={})
    secret = ("create", "secret", "generic", "mlflow-kek-2", "--namespace", deployed.namespace)
    kubectl.text(*secret, f"--from-literal=passphrase={'passphrase of a transcript' * 2}")
    with kubectl.forward(deployed.namespace, "mlflow", folder) as url:
        RestStore(lambda: MlflowHostCreds(url)).create_gateway_secret("provider", {"api_key": "key of a transcript"})
    recorder.run("rotate", "rotate", "kek", "--secret", "mlflow-kek-2")
    recorder.run("rotate-database", "rotate", "database-password")
    work()
    recorder.run("put-back", "rollback")
    kept = kubectl.json("get", "configmap", "mlflow-upgrade", "--namespace", deployed.namespace)["data"]["kept"]
    (name,) = re.findall(r'"(\w+)":', kept)
    recorder.run("drop", "drop", name)


if __name__ == "__main__":
    main()
