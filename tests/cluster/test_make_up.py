"""`make up` and `make down` from a checkout of its own, with state of its own, on the test cluster."""

import contextlib
import fcntl
import itertools
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient

from tests.support import client, processes
from tests.support.commands import documented
from tests.support.kubernetes import Kubectl, pod_name, unique_name
from toolchain.paths import ROOT

pytestmark = pytest.mark.core

STACK = "t"
OF_OTHERS = ("docs/charts.md", "docs/how-to/gitops.md")
"""Documents whose commands speak of what others have made: a Helm release, Pulumi's operator."""

CONFIGURATION = """
config:
  mlflow:namespace: {namespace}
  mlflow:database: {{sqlite: {{volume: {{sizeGb: 1}}}}}}
  mlflow:artifacts: {{volume: {{sizeGb: 1}}}}
  mlflow:server: {{staticPrefix: /team, progressDeadlineSeconds: 900}}
  mlflow:deletionProtection: false
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that deploys to a namespace of its own."""

    folder: Path
    namespace: str
    variables: dict[str, str]

    def start(self, *arguments: str, named: bool = True, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "toolchain", *arguments, *(["--stack", STACK] if named else [])],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # Ctrl-C is ignored in what a shell without job control runs in the background, and by all its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, *arguments: str, named: bool = True, **variables: str) -> tuple[int, str]:
        """Exit code and output of a command."""
        process = self.start(*arguments, named=named, **variables)
        output, _ = process.communicate(timeout=processes.PATIENCE)
        return process.returncode, output

    def up(self, *arguments: str) -> str:
        """The URL that a successful `up` prints."""
        code, output = self.run("up", *arguments, "--context", "mlflow-local")
        assert code == 0, output
        return url_in(output)


def url_in(output: str) -> str:
    found = re.search(r"MLflow is running at (\S+)", output)
    assert found, output
    return found.group(1)


@pytest.fixture(scope="module")
def checkout(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder, namespace = tmp_path_factory.mktemp("checkout") / "mlflow", unique_name()
    ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, folder, ignore=ignored)
    (folder / f"Pulumi.{STACK}.yaml").write_text(CONFIGURATION.format(namespace=namespace))
    state = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")), "KUBECONFIG": str(kubectl.kubeconfig), "YES": "1"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "MLFLOW_"))}
    made = Checkout(folder, namespace, {**plain, **state})
    try:
        yield made
    finally:
        made.run("down")
        kubectl.remove_namespace(namespace)


@pytest.fixture(scope="module")
def url(checkout: Checkout) -> str:
    return checkout.up()


def test_up_goes_on_after_an_interruption_and_a_second_one_waits(checkout: Checkout) -> None:
    interrupted = checkout.start("up", "--context", "mlflow-local")
    assert interrupted.stdout
    for line in interrupted.stdout:
        if line.startswith("▸ deploying"):
            break
    os.kill(interrupted.pid, signal.SIGINT)
    rest, _ = interrupted.communicate(timeout=processes.PATIENCE)
    assert interrupted.returncode == 130, rest
    assert "goes on from here" in rest
    processes.eventually(lambda: not _working_below(checkout.folder), "the end of the engine and its plugins")
    both = [checkout.start("up", "--context", "mlflow-local") for _ in range(2)]
    outputs = [process.communicate(timeout=processes.PATIENCE)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert [("waiting: `make up`" in output) for output in sorted(outputs, key=len)].count(True) == 1, outputs
    assert url_in(outputs[0]) == url_in(outputs[1])


def test_the_check_leaves_no_experiment_behind(checkout: Checkout, url: str) -> None:
    checkout.up()
    assert [found.name for found in MlflowClient(url).search_experiments()] == ["Default"]


def test_data_survives_the_pod_and_another_up(checkout: Checkout, url: str, kubectl: Kubectl) -> None:
    logged = client.log(url)
    (pod,) = kubectl.pods(checkout.namespace)
    kubectl.text("delete", "pod", pod_name(pod), "--namespace", checkout.namespace)
    client.read_back(checkout.up(), logged)


def test_what_somebody_deleted_is_made_again(checkout: Checkout, url: str, kubectl: Kubectl) -> None:
    kubectl.text("delete", "service/mlflow", "serviceaccount/mlflow", "--namespace", checkout.namespace)
    code, output = checkout.run("up", "--context", "mlflow-local")
    assert code == 0, output
    assert f"the Service {checkout.namespace}/mlflow was deleted from the cluster" in output


def test_a_second_stack_in_the_namespace_of_another_is_refused(checkout: Checkout, url: str) -> None:
    other = checkout.folder / "Pulumi.second.yaml"
    other.write_text(CONFIGURATION.format(namespace=checkout.namespace))
    code, output = checkout.run("up", "--stack", "second", "--context", "mlflow-local", named=False)
    assert code == 1
    assert f"Namespace {checkout.namespace}" in output and "`mlflow:namespace: mlflow-second`" in output


def test_the_tools_come_into_the_users_shell(checkout: Checkout, url: str) -> None:
    tools = f"{sys.executable} -m toolchain env --stack {STACK}"
    script = (
        f"eval $({tools}) && kubectl get namespace {checkout.namespace} && pulumi stack output namespace && echo $STACK"
    )
    done = subprocess.run(
        ["sh", "-euc", script], cwd=checkout.folder, env=checkout.variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [checkout.namespace, STACK]
    lines = subprocess.run(
        tools.split(), cwd=checkout.folder, env=checkout.variables, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert lines and all(line.startswith("export ") for line in lines)


def test_a_shell_with_the_tools_is_opened(checkout: Checkout, url: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "toolchain", "shell", "--stack", STACK],
        cwd=checkout.folder,
        env={**checkout.variables, "SHELL": "/bin/sh", "MAKELEVEL": "1"},
        input="pulumi stack output serviceName; echo level=$MAKELEVEL",
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout.split()[-2:] == ["mlflow", "level="], process.stderr


def test_documented_commands_run_as_written_in_that_shell(checkout: Checkout, url: str, tmp_path: Path) -> None:
    """Those that only read a deployment that has no more than a server; of the others, that the program takes them.

    What of `pulumi-mlflow` does more than read is in tests/unit/test_commands.py.
    """
    reads = re.compile(r"kubectl (get|describe|logs deployment) |pulumi stack( output)? |pulumi-mlflow (status|check)$")
    lines: dict[str, str] = {}
    for command in documented("kubectl", "pulumi", "pulumi-mlflow"):
        words = list(itertools.takewhile(lambda word: word != "--", command.words))
        if "--namespace" in words:  # at the end, so that what reads is recognised
            at = words.index("--namespace")
            words = [*words[:at], *words[at + 2 :], "--namespace", checkout.namespace]
        written = shlex.join(words)
        elsewhere = command.document in OF_OTHERS or {"--previous", "--container", "NAME"} & {*words}
        if reads.match(written) and not elsewhere:
            lines[written] = str(command)
        elif command.program != "pulumi-mlflow":
            lines[f"{written} --help"] = str(command)
    assert sum(not line.endswith("--help") for line in lines) > 5, list(lines)
    script = tmp_path / "script"
    trials = [
        f"{line} >{tmp_path}/output 2>&1 || {{ echo FAILED {shlex.quote(whole)}; cat {tmp_path}/output; }}"
        for line, whole in lines.items()
    ]
    script.write_text("\n".join([f'eval "$({sys.executable} -m toolchain env --stack {STACK})"', *trials]))
    done = subprocess.run(
        ["sh", "-u", script], cwd=checkout.folder, env=checkout.variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stdout, done.stdout + done.stderr


def test_a_preview_waits_for_nobody_and_needs_no_reader(checkout: Checkout, url: str) -> None:
    held = Path(checkout.variables["XDG_STATE_HOME"]) / "mlflow-deployment" / "locks" / "up"
    with held.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = checkout.start("preview")
        assert process.stdout
        assert "waiting" not in process.stdout.readline()
        process.stdout.close()
        assert process.wait(processes.PATIENCE) == 0


def test_a_port_in_use_is_named(checkout: Checkout, url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = checkout.run("up", "--context", "mlflow-local", "--port", str(port))
    assert code == 1
    assert f"port {port} is in use" in output


def test_a_wrong_passphrase_is_named_with_the_fix(checkout: Checkout, url: str) -> None:
    code, output = checkout.run("up", "--context", "mlflow-local", PULUMI_CONFIG_PASSPHRASE="wrong")
    assert code == 1
    assert "passphrase" in output and "fix:" in output and "Traceback" not in output


def test_down_leaves_a_stack_that_is_not_named(checkout: Checkout, url: str, kubectl: Kubectl) -> None:
    code, output = checkout.run("down", named=False)
    assert code == 0, output
    assert f"`make down STACK={STACK}` removes it" in output
    assert kubectl.exists("namespace", checkout.namespace)


def test_down_removes_the_stack_that_is_named_and_its_port(checkout: Checkout, url: str, kubectl: Kubectl) -> None:
    code, output = checkout.run("down")
    assert code == 0, output
    assert not kubectl.exists("namespace", checkout.namespace)
    port = urlsplit(url).port
    assert port
    processes.eventually(lambda: not _listens(port), "the end of the forwarded port")
    assert checkout.up()


@pytest.mark.extended
def test_what_a_quota_refuses_is_told_at_once_and_one_setting_makes_it_fit(
    checkout: Checkout, kubectl: Kubectl
) -> None:
    up = ("up", "--context", "mlflow-local", "--stack", "q")
    with kubectl.namespace() as namespace:
        hard = {"limits.cpu": "4", "limits.memory": "8Gi", "limits.ephemeral-storage": "32Gi"}
        metadata = {"name": "all-limits", "namespace": namespace}
        kubectl.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}})
        file = checkout.folder / "Pulumi.q.yaml"
        text = CONFIGURATION.format(namespace=namespace) + "  mlflow:createNamespace: false\n"
        file.write_text(text)
        refused = checkout.start(*up, named=False)
        assert refused.stdout
        begun, told = time.monotonic(), ""
        for line in refused.stdout:
            if line.startswith("▸ deploying"):
                begun = time.monotonic()
            if "cannot make a pod" in line:
                told = line
                break
        seconds = time.monotonic() - begun
        os.kill(refused.pid, signal.SIGINT)
        rest, _ = refused.communicate(timeout=processes.PATIENCE)
        assert "must specify limits.cpu" in told and "resources" in told, told + rest
        assert seconds < 300
        file.write_text(text + "  mlflow:resources: {all: {cpuLimit: '1', ephemeralStorageLimit: 8Gi}}\n")
        try:
            code, output = checkout.run(*up, named=False)
            assert code == 0, output
        finally:
            checkout.run("down", "--stack", "q", named=False)


def _working_below(folder: Path) -> list[str]:
    """Command lines of processes that work in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
