"""The steps that `pulumi-mlflow rotate` prints, done as they are printed, while clients work."""

import base64
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from tests.support import load, work
from tests.support.command_line import CommandLine
from tests.support.deployed import Deployed
from tests.support.kubernetes import Kubectl

_STATEMENT = re.compile(r" +(SELECT|ALTER) .*;")


def steps(kubectl: Kubectl, namespace: str, what: str) -> list[str]:
    """What is printed for a deployment."""
    return CommandLine(kubectl.kubeconfig, namespace).run("rotate", what, "--json").json


def told(kubectl: Kubectl, namespace: str, printed: Sequence[str]) -> str:
    """The password in the Secret that the first step names."""
    named = re.search(r"the Secret ([\w.-]+), key ([\w-]+)", printed[0])
    assert named, printed[0]
    secret = kubectl.json("get", "secret", named[1], "--namespace", namespace)
    return base64.b64decode(secret["data"][named[2]]).decode()


def script(printed: Sequence[str], administrator: str = "false", only: str = "") -> str:
    """The commands in the steps.

    Args:
        printed: The steps.
        administrator: Command of a shell that runs a statement from its standard input on the server.
        only: Of steps that say what to do for several kinds of server, the one that is meant: how its line begins.
    """
    lines = ["set -eu"]
    for step in printed:
        if step.startswith("If "):
            continue
        kind = ""
        for line in step.splitlines()[1:]:
            if not line.startswith("   "):
                kind = line
            elif not _STATEMENT.fullmatch(line):
                lines.append(line.strip())
            elif kind.startswith(only):
                run = f'echo "{_quoted(line.strip())}" | {administrator}'
                lines.append(f"old=$({run})" if "SELECT" in line else run)
    return "\n".join(['new=""', *lines, 'echo "the new one: $new"'])


def _quoted(statement: str) -> str:
    return statement.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")


def shell(deployed: Deployed, kubectl: Kubectl, text: str) -> "subprocess.CompletedProcess[str]":
    """Run commands in a shell like that of the user of a stack; its exit code is for the caller to look at."""
    variables = dict(deployed.stack.variables)
    variables["PATH"] = f"{variables['PATH']}:{Path(kubectl.program).parent}"
    return subprocess.run(
        ["bash", "-c", text],
        cwd=deployed.stack.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Followed:
    """What came of it.

    Attributes:
        new: The new password.
        refused: Requests that were not answered, each sent once, with their time: MLflow's own clients repeat them.
    """

    new: str
    refused: list[str]


def follow(
    deployed: Deployed, kubectl: Kubectl, text: str, record: Callable[[str, object], None], clients: int = 8
) -> Followed:
    """Run the commands in a shell like a user's, while clients work, of whose calls none may fail and nothing may be lost.

    Args:
        deployed: The deployment, which answers to its cluster addresses.
        kubectl: Its cluster.
        text: The commands.
        record: Where to write down what was measured.
        clients: How many clients.
    """
    target = load.Target.service(kubectl, deployed.namespace)
    url = f"http://{target.address}:{target.port}"
    client = MlflowClient(url)
    experiment = client.create_experiment(f"rotation-{time.time_ns()}")
    ended = threading.Event()

    def search(_: int) -> None:
        target.post("runs/search", experiment_ids=[experiment], max_results=1)

    with ThreadPoolExecutor() as pool, work.clients(url, experiment, clients) as running:
        once = pool.submit(load.new_connections, search, ended, 10)
        try:
            time.sleep(2)
            started = time.monotonic()
            done = shell(deployed, kubectl, text)
            record("seconds", round(time.monotonic() - started, 1))
            kubectl.rolled_out(deployed.namespace)
            time.sleep(2)
        finally:
            ended.set()
    assert done.returncode == 0, f"{text}\n{done.stdout}"
    written, refused = [each.result() for each in running], once.result().failures
    times = sorted(float(each.split()[1]) for each in refused)
    record("refused", f"{len(times)} of {len(times) + len(once.result().seconds)}")
    record("refused_for_seconds", round(times[-1] - times[0], 1) if times else 0)
    record("longest_call_seconds", round(max(each.longest for each in written)[0], 1))
    failures = [failure for each in written for failure in each.failures]
    assert failures == [], failures
    for each in written:
        assert len(client.get_metric_history(each.run_id, "loss")) == each.steps
        assert set(each.params) <= set(client.get_run(each.run_id).data.params)
    (new,) = re.findall("the new one: (.+)", done.stdout)
    return Followed(new, refused)
