"""The toolchain's pure parts: messages, environments, plans, and the sum of a test run."""

import ast
import functools
import json
import os
import re
import runpy
import subprocess
import sys
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import certificates, threads
from tests.support.processes import eventually
from toolchain import commands, environments, objects, plan, prove, rungs, shell
from toolchain.console import UserError, duration, fail, run, step
from toolchain.deployed import Deployed
from toolchain.files import write
from toolchain.pulumi import Cli
from toolchain.pulumi_errors import failure
from toolchain.session import Session

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "toolchain" / "__main__.py"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.4, "59 s"), (60, "1 min 00 s"), (185.9, "3 min 06 s")],
)
def test_duration_is_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_duration_does_not_say_sixty_seconds() -> None:
    assert duration(59.9) == "1 min 00 s"
    assert duration(9.99) == "10 s"


def test_error_is_printed_with_its_fix(capsys) -> None:
    assert fail(UserError("it is broken", "Mend it.")) == 1
    assert capsys.readouterr().err == "\nerror: it is broken\n  fix: Mend it.\n"


def test_failed_command_shows_its_last_lines_and_the_log(tmp_path: Path) -> None:
    program = "print(*range(100), sep='\\n'); import sys; print('no space', file=sys.stderr); sys.exit(3)"
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(UserError) as caught:
        run([sys.executable, "-c", program], log=log, fix="Try again.")
    message = caught.value.message
    assert "failed with 3" in message and message.endswith(f"  log: {log}")
    assert [line.strip() for line in message.splitlines()[1:-1]] == [*map(str, range(89, 100)), "no space"]
    assert caught.value.fix == "Try again."
    assert log.read_text().splitlines()[0] == "0"


def test_command_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot run /no/such: .*No such file"):
        run(["/no/such"], log=tmp_path / "x.log")


def test_command_reports_to_its_step(tmp_path: Path, capsys) -> None:
    with step("working", "a moment") as current:
        run(
            [sys.executable, "-c", "print('  half  way ')"], log=tmp_path / "x.log", doing=current, cwd=tmp_path, env={}
        )
        assert current.progress.endswith(", half way")
    first, last = capsys.readouterr().out.splitlines()
    assert first == "▸ working (a moment)" and last.startswith("✓ working (")


PREPARING = """
import pathlib, signal, sys
from concurrent.futures import ThreadPoolExecutor
from toolchain import commands
from toolchain.console import UserError, run

folder = pathlib.Path(sys.argv[1])

def prepare():
    for name in ("first", "second"):
        try:
            run(["sh", "-c", f"touch {folder / name}; exec sleep 600"], log=folder / "log")
        except UserError:
            pass

signal.signal(signal.SIGTERM, commands._interrupt)
try:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(prepare).result()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_signal_to_the_command_alone_ends_what_it_prepares(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", PREPARING, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        eventually((tmp_path / "first").exists, "something that is prepared")
        process.terminate()
        assert process.communicate()[0] == "interrupted\n"
    assert not (tmp_path / "second").exists()


def test_failed_step_says_so(capsys) -> None:
    with pytest.raises(KeyboardInterrupt), step("working"):
        raise KeyboardInterrupt
    assert re.search(r"^✗ working: failed after \d+\.\d s$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("feature_version", [(3, 6), (3, 8)])
def test_entry_point_parses_on_old_pythons(feature_version: tuple[int, int]) -> None:
    ast.parse(ENTRY.read_text(), feature_version=feature_version)
    assert "annotations" not in ENTRY.read_text(), "from __future__ import annotations needs 3.7"


def test_old_python_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ENTRY), run_name="__main__")
    assert str(caught.value.code).startswith(
        f"error: Python 3.10 or newer is needed, and {sys.executable} is version 3.9\n  fix: "
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "clouds"),
    [
        ("config:\n  mlflow:database:\n    sqlite: {}\n", []),
        ("config:\n  mlflow:database:\n    rds:\n      engine: x\n", ["pulumi-aws"]),
        ("config:\n  mlflow:database: {cloudSql: {tier: x}}\n", ["pulumi-gcp"]),
        ("config:\n  # rds: {}\n  mlflow:database: {postgresql: {host: rds.example.com}}\n", []),
        (
            "config:\n  mlflow:database: {azureFlexibleServer: {}}\n  mlflow:artifacts: {aws: {}}\n",
            ["pulumi-aws", "pulumi-azure-native"],
        ),
    ],
)
def test_clouds_follow_from_the_stack_file(checkout: Path, text: str, clouds: list[str]) -> None:
    (checkout / "Pulumi.x.yaml").write_text(text)
    assert environments.clouds_of("x") == clouds


def test_missing_stack_file_names_those_there_are(checkout: Path) -> None:
    (checkout / "Pulumi.b.yaml").touch()
    (checkout / "Pulumi.a.yaml").touch()
    with pytest.raises(UserError, match=r"no Pulumi\.c\.yaml for the stack 'c'") as caught:
        environments.stack_file("c")
    assert "(a, b)" in caught.value.fix


def test_each_environment_holds_what_its_use_needs() -> None:
    def names(kind: str, *clouds: str) -> set[str]:
        return {re.split(r"[\[<>=!~]", line)[0] for line in environments.wanted(kind, clouds)}

    assert names("up") == {"pulumi", "pulumi-kubernetes", "pulumi-random", "pydantic"}
    assert names("up", "pulumi-aws") == names("up") | {"pulumi-aws"}
    assert names("test") >= names("up", *environments.CLOUDS) | {"pytest", "ruff"}


def test_locked_version_is_exact() -> None:
    assert environments.locked("pulumi").split(".")[0] == "3"
    with pytest.raises(UserError, match="does not hold pulum"):
        environments.locked("pulum")


PLAN = {
    "steps": [
        {
            "newState": {
                "inputs": {
                    "spec": {"template": {"spec": {"containers": [{"image": "b"}], "initContainers": [{"image": "a"}]}}}
                }
            }
        },
        {"newState": {"inputs": {"spec": {"containers": [{"image": "b"}, {"image": {"secret": 1}}]}}}},
        {"newState": None},
        {"newState": {"inputs": None}},
    ],
}


def test_images_of_a_plan_are_found() -> None:
    assert plan.images_of(PLAN) == ["a", "b"]
    assert plan.images_of({}) == []


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", ""])
def test_wrong_port_is_refused(text: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        commands.main(["up", f"--port={text}"])
    assert caught.value.code == 2
    assert f"{text!r} is not a port; give a number from 1 to 65535" in capsys.readouterr().err


def test_help_names_every_command(capsys) -> None:
    assert commands.main(["help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"make {name}" in shown for name in ("up", "down", "test", "bench", "preview", "logs", "open"))


@pytest.mark.parametrize(
    "command",
    [
        "toolchain --help",
        "toolchain help",
        "toolchain up --help",
        "toolchain bench --args=--list",
        "bench --list",
        "bench -h",
    ],
)
def test_help_needs_nothing_and_makes_nothing(command: str, tmp_path: Path) -> None:
    # -S leaves out installed packages; without PATH no program is found.
    environment = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", "-m", *command.split()], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout and not done.stderr
    assert not list(tmp_path.iterdir())


def test_the_makefile_has_every_command() -> None:
    listed = re.search(r"^COMMANDS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed and set(listed[1].split()) == set(commands.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["down", "STACK=x"], {}, True),
        (["down"], {"STACK": "x"}, False),
        (["down"], {}, False),
    ],
    ids=["named", "in the environment", "not at all"],
)
def test_down_removes_only_a_stack_that_is_named(
    arguments: list[str], environment: dict[str, str], named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STACK", raising=False)
    shown = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    ).stdout
    assert ('--stack "x"' in shown) == named


@pytest.mark.parametrize(
    ("tracking_uri", "url"),
    [
        ("http://mlflow.ns.svc.cluster.local", "http://127.0.0.1:5001"),
        ("https://mlflow.ns.svc.cluster.local:8443/team/mlflow", "https://127.0.0.1:5001/team/mlflow"),
    ],
)
def test_the_local_url_has_the_scheme_and_prefix_of_the_server(tracking_uri: str, url: str) -> None:
    assert Deployed("uid", "kind", "mlflow", {"trackingUri": tracking_uri}).local_url(5001) == url


def test_a_server_with_tls_is_found_healthy_though_its_certificate_names_the_service(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "health").write_text("OK")
    server = HTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    with threads.serving(server, certificates.make("mlflow.ns.svc").context()) as port:
        prove.wait(f"https://127.0.0.1:{port}/team", patience=5)


@pytest.mark.parametrize("kind", ["services", "namespaces"])
def test_a_forwarded_port_ends_with_what_it_leads_to(kind: str) -> None:
    says = f'Error from server (NotFound): {kind} "mlflow" not found'
    command = ["sh", "-c", f"echo '{says}' >&2; exit 1"]
    subprocess.run([sys.executable, "-m", "toolchain.forward", *command], cwd=ROOT, timeout=20, check=True)


def test_what_a_cluster_has_is_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, gone = objects.Object("v1", "Secret", "ns", "a"), objects.Object("example.com/v1", "Unknown", "ns", "b")
    answer = {
        "kind": "List",
        "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "ns"}}],
    }
    kubectl = tmp_path / "kubectl"
    refusal = "error: resource mapping not found: no matches for kind"
    kubectl.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/asked\necho '{json.dumps(answer)}'\necho '{refusal}' >&2\nexit 1\n"
    )
    kubectl.chmod(0o700)
    monkeypatch.setattr(objects, "kubectl", lambda: kubectl)
    assert objects.existing(tmp_path, [there, gone]) == {there}
    assert len(json.loads((tmp_path / "asked").read_text())["items"]) == 2
    kubectl.write_text("#!/bin/sh\necho 'connection refused' >&2\nexit 1\n")
    with pytest.raises(UserError, match="connection refused"):
        objects.existing(tmp_path, [there])


def test_next_steps_name_the_stack_and_how_to_log_in() -> None:
    assert "password" not in shell.next_steps("dev", "http://x", None)
    steps = shell.next_steps("prod", "http://x", "admin")
    assert "make password STACK=prod" in steps and "make shell STACK=prod" in steps and "make down" in steps


@pytest.mark.parametrize("built", [True, False])
def test_in_the_shell_of_a_built_pulumi_pip_takes_the_sdks_whose_plugins_are_there(
    built: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = SimpleNamespace(namespace="ml"), SimpleNamespace(kubeconfig=tmp_path / "kubeconfig")
    monkeypatch.setattr(shell.deployed, "running", lambda name: deployed)
    monkeypatch.setattr(
        shell.pulumi, "for_stack", lambda name, yaml: (tmp_path, Cli(tmp_path / "pulumi", tmp_path, (), built))
    )
    monkeypatch.setattr(environments, "command_line", lambda: tmp_path / "bin" / "pulumi-mlflow")
    monkeypatch.setattr(shell.shutil, "which", lambda program: program)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    shell.env("dev")
    printed = capsys.readouterr().out
    assert (f"export PIP_CONSTRAINT={environments.LOCK};" in printed) is built and "PULUMI_STACK=dev;" in printed
    monkeypatch.setenv("PIP_CONSTRAINT", "/own")
    shell.env("dev")
    assert str(environments.LOCK) not in capsys.readouterr().out


def test_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    write(path, "one")
    write(path, "two", private=True)
    assert path.read_text() == "two" and path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_session_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TEST_TOOLCHAIN", str(tmp_path / "s.json"))
    session = Session(python="/p", image="i")
    session.save()
    assert Session.load() == session
    assert json.loads((tmp_path / "s.json").read_text())["pulumi"] is None


@pytest.mark.parametrize(
    ("results", "ci", "code"),
    [
        ([rungs.Result("unit", passed=3)], "true", 0),
        ([rungs.Result("unit", passed=3, failed=1)], "", 1),
        ([rungs.Result("unit", passed=3, skipped=1, reasons=["no cluster"])], "", 0),
        ([rungs.Result("unit", passed=3, skipped=1, reasons=["no cluster"])], "true", 1),
        ([rungs.Result("unit", passed=3), rungs.Result("graph")], "true", 1),
        ([rungs.Result("unit")], "", 1),
    ],
    ids=["passed", "failed", "skipped", "skipped in CI", "empty rung in CI", "nothing ran"],
)
def test_test_run_fails_as_it_must(results, ci: str, code: int, monkeypatch, capsys) -> None:
    monkeypatch.setenv("CI", ci)
    assert rungs.sum_up(results, filtered=False) == code
    shown = capsys.readouterr().out
    assert all(reason in shown for result in results for reason in result.reasons)


@pytest.mark.parametrize(
    "output",
    [
        'resource "urn:pulumi:prod::mlflow::…" cannot be deleted\nbecause it is protected. To unprotect the resource, either …',
        'unable to replace resource "urn:…"\nas it is currently marked for protection. To unprotect the resource, either …',
    ],
)
def test_a_refusal_to_delete_data_names_the_setting_and_not_the_state(output: str) -> None:
    error = failure("prod", "destroy", output)
    assert "mlflow:deletionProtection: false" in error.fix and "do not unprotect" in error.fix
