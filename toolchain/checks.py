"""The commands that check the project: test, bench, lint, format, lock, schema."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from toolchain import cluster, emulators, environments, golang, images, lifecycle, node, pulumi, versions
from toolchain.cluster import Cluster
from toolchain.console import UserError, duration, say, step
from toolchain.paths import ROOT, lock
from toolchain.session import VARIABLE, Session

RUNGS = {"unit": False, "graph": False, "property": True, "engine": True, "cluster": True, "node": True}
"""The rungs in order, and whether each needs the tools and a cluster. The last one is the life of the built-in cluster."""

WORKERS = {"graph": (2, "load"), "engine": (2, "loadfile"), "cluster": (3, "loadfile")}
"""How many processes of pytest run side by side, and what each takes at a time. Tests of a file share what they deploy, and wait
for pods and providers more than they compute."""

EMULATED = {"aws": "pulumi-aws", "gcp": "pulumi-gcp"}
"""Plugins of clouds that the tests run against emulated APIs, and their SDKs."""

PLAYED = {"azure-native": "pulumi-azure-native"}
"""The same for clouds whose plugin the tests play themselves, since it cannot be built."""

RELAY = ROOT / "tests" / "support" / "provider_relay.py"
"""The plugin of a cloud that is played."""

NOTHING_COLLECTED = 5
"""pytest's exit code for it."""


@dataclass
class Result:
    """What a rung came to.

    Attributes:
        rung: Name of the rung.
        seconds: How long it took.
        reasons: Why something could not run, or that nothing ran.
    """

    rung: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    reasons: list[str] = field(default_factory=list)


def test(rungs: list[str], context: str | None, arguments: str) -> int:
    """Prepare what the tests need, run the rungs, and sum up.

    Args:
        rungs: Names of the rungs; all if empty.
        context: kubeconfig context to test on; None for a cluster of our own.
        arguments: Further arguments of pytest, as in a shell.

    Returns:
        Exit code: 1 if a test failed, or in CI if anything was skipped.
    """
    unknown = [rung for rung in rungs if rung not in RUNGS]
    if unknown:
        raise UserError(f"there is no rung {unknown[0]!r}", f"Choose from: {', '.join(RUNGS)}.")
    chosen = [rung for rung in RUNGS if not rungs or rung in rungs]
    lifecycle.require_space()
    session = Session(python=str(environments.python(environments.ensure("test"))))
    session.save()
    was_running = node.current() is not None
    results = []
    try:
        with ThreadPoolExecutor(1) as executor:
            prepared: Future[None] | None = None
            if any(RUNGS[rung] for rung in chosen):
                prepared = executor.submit(prepare, session, context)  # meanwhile the rungs run that need none of it
            for rung in chosen:
                results.append(_run_rung(rung, session, arguments, prepared if RUNGS[rung] else None))
    finally:
        if not was_running and not context and node.current() is not None:
            with lock(*lifecycle.LOCK):
                node.stop()
    return _sum_up(results, bool(arguments))


def bench(context: str | None, arguments: str) -> int:
    """Prepare tools, cluster and image, and run the benchmarks.

    Args:
        context: kubeconfig context to measure on; None for a cluster of our own.
        arguments: Arguments of the benchmarks, as in a shell.
    """
    lifecycle.require_space()
    was_running = node.current() is not None
    session = Session(python=str(environments.python(environments.ensure("test"))))
    try:
        prepare(session, context)
        return subprocess.run(
            [session.python, "-m", "bench", *shlex.split(arguments)], cwd=ROOT, env=_variables(session), check=False
        ).returncode
    finally:
        if not was_running and not context and node.current() is not None:
            with lock(*lifecycle.LOCK):
                node.stop()


def prepare(session: Session, context: str | None) -> None:
    """Fill the session with the tools, a running cluster and the image, and save it after each part; then load the other
    images that tests run.

    Raises:
        UserError: A part cannot be had on this machine.
    """
    with lock(*lifecycle.LOCK):
        venv, cli = lifecycle.program_environment(())
        session.pulumi, session.pulumi_home = str(cli.command), str(cli.home)
        session.path = cli.variables(venv)["PATH"]
        session.kubectl = str(cluster.kubectl())
        session.save()
        target = cluster.find(context)
        session.kubeconfig, session.cluster_kind = str(target.kubeconfig), target.kind
        session.host_address = _host_address(target)
        session.save()
        images.ensure(versions.MLFLOW_IMAGE, target)
        session.image = versions.MLFLOW_IMAGE
        session.save()
        for other in images.RECIPES:
            images.ensure(other, target)
        for name in emulators.NAMES:
            try:
                session.emulators[name] = str(emulators.ensure(name))
            except UserError as error:
                session.emulator_problems[name] = str(error)
        judges = golang.build(["pod-security", "kube-score"])
        session.pod_security, session.kube_score = (str(path) for path in judges.values())
        session.save()
        _prepare_clouds(session)


def _prepare_clouds(session: Session) -> None:
    """Add the clouds whose plugins can be had: last, since the other tests need none of them."""
    cli = pulumi.of_tests(pulumi.ensure())
    session.clouds_home = str(cli.home)
    for plugin, sdk in {**EMULATED, **PLAYED}.items():
        try:
            venv = environments.ensure("up", (sdk,))
            plugins = [name for name in environments.plugins((sdk,)) if name not in PLAYED]
            pulumi.ensure_plugins(cli, venv, plugins, (*pulumi.BUILDABLE, *pulumi.PARTS))
            if plugin in PLAYED:
                pulumi.install_program(cli, plugin, RELAY)
            session.cloud_paths[plugin] = cli.variables(venv)["PATH"]
        except UserError as error:
            session.cloud_problems[plugin] = str(error)
        session.save()


def lint() -> int:
    """Style, format, types, layers, and whether the generated files are current."""
    venv = environments.ensure("test")
    failed = [
        name
        for name, command in {
            "style": ["ruff", "check", "."],
            "format": ["ruff", "format", "--check", "."],
            "types": ["basedpyright", "--pythonpath", str(environments.python(venv)), "--level", "error"],
            "imports": ["lint-imports", "--no-logo", "--no-cache"],
            "features": ["python", "-m", "tests.features"],
        }.items()
        if not _passes(name, [str(venv / "bin" / command[0]), *command[1:]])
    ]
    for name, check in {
        "schema": lambda: schema(check=True),
        "lock": lambda: environments.compile_lock(check=True),
    }.items():
        try:
            check()
        except UserError as error:
            say(str(error))
            failed.append(name)
    say(f"lint: {'failed: ' + ', '.join(failed) if failed else 'passed'}")
    return 1 if failed else 0


def format_() -> int:
    """Format the code and mend what can be mended."""
    ruff = str(environments.ensure("test") / "bin" / "ruff")
    mended = subprocess.run([ruff, "check", "--fix", "--exit-zero", "."], cwd=ROOT, check=False).returncode
    return subprocess.run([ruff, "format", "."], cwd=ROOT, check=False).returncode or mended


def schema(check: bool = False) -> None:
    """Write the JSON schema of stack files from the arguments.

    Args:
        check: Write nothing, only compare.

    Raises:
        UserError: `check` found the committed schema outdated.
    """
    path = ROOT / "components" / "stack-config.schema.json"
    venv = environments.ensure("test")
    made = subprocess.run(
        [environments.python(venv), "-m", "components.reading.schema"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise UserError(f"the schema cannot be made:\n{made.stderr.strip()}", "Mend the arguments in components/.")
    if not check:
        path.write_text(made.stdout)
    elif not path.exists() or path.read_text() != made.stdout:
        raise UserError(f"{path} does not fit the arguments", "Run `make schema` and commit the result.")


def _passes(name: str, command: list[str]) -> bool:
    say(f"▸ {name}")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _run_rung(rung: str, session: Session, arguments: str, prepared: Future[None] | None) -> Result:
    started = time.monotonic()
    result = Result(rung)
    if prepared:
        try:
            if not prepared.done():
                with step("waiting for tools, cluster and image"):
                    prepared.result()
            prepared.result()
        except UserError as error:
            result.skipped = 1
            result.reasons = [f"could not run: {error}"]
            return result
    folder, report = ROOT / "tests" / rung, ROOT / "build" / f"tests-{rung}.xml"
    if not folder.is_dir():
        result.reasons = ["there are no tests"]
        return result
    report.unlink(missing_ok=True)
    say(f"\n▸ tests: {rung}")
    command = [session.python, "-m", "pytest", f"tests/{rung}", f"--junitxml={report}"]
    if rung in WORKERS:
        number, share = WORKERS[rung]
        command += ["--numprocesses", str(number), "--dist", share]
    command += shlex.split(arguments)
    code = subprocess.run(command, cwd=ROOT, env=_variables(session), stdin=subprocess.DEVNULL, check=False).returncode
    if report.exists():
        _read(report, result)
    result.seconds = time.monotonic() - started
    if code == NOTHING_COLLECTED:
        result.reasons.append("no test was collected")
    elif code and not result.failed:
        result.failed = 1
        result.reasons.append(f"pytest ended with {code}")
    return result


def _read(report: Path, result: Result) -> None:
    """Count what a JUnit report of our own pytest holds."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - written by pytest a moment ago
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif skipped is not None:
            result.skipped += 1
            result.reasons.append(f"{case.get('name')}: {skipped.get('message')}")
        else:
            result.passed += 1


def _sum_up(results: list[Result], filtered: bool) -> int:
    """Print the table and the closing line, and decide on the exit code."""
    say(f"\n{'rung':<10}{'passed':>8}{'failed':>8}{'skipped':>9}  time")
    for result in results:
        say(f"{result.rung:<10}{result.passed:>8}{result.failed:>8}{result.skipped:>9}  {duration(result.seconds)}")
    for result in results:
        for reason in result.reasons:
            say(f"  {result.rung}: {reason}")
    passed, failed, skipped = (
        sum(getattr(result, what) for result in results) for what in ("passed", "failed", "skipped")
    )
    empty = [result for result in results if not (result.passed or result.failed or result.skipped)]
    complete = not skipped and (not empty or filtered)
    code = 1 if failed or not (passed + skipped) or (os.environ.get("CI") == "true" and not complete) else 0
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return code


def _variables(session: Session) -> dict[str, str]:
    """Environment variables of pytest and of the benchmarks."""
    env = environments.variables(Path(session.python).parent.parent)
    return {**env, VARIABLE: str(Session.path_of_file()), "PYTHONPATH": str(ROOT)}


def _host_address(target: Cluster) -> str | None:
    """Where pods reach this machine."""
    if target.node:
        return target.node.host_address
    if target.kind in ("kind", "k3d", "minikube"):
        network = {"kind": "kind", "k3d": f"k3d-{cluster.NAME}", "minikube": cluster.NAME}[target.kind]
        command = [
            "docker",
            "network",
            "inspect",
            network,
            "--format",
            "{{range .IPAM.Config}}{{println .Gateway}}{{end}}",
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return next((address for address in answer if ":" not in address), None)
    return None
