"""The commands that check the project: test, bench, docs, lint, format, lock, schema."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import measurements
from toolchain import cluster, environments, lifecycle, pulumi, rungs, versions
from toolchain.bare import emulators, golang, images, node
from toolchain.console import UserError, ahead, say, step
from toolchain.paths import ROOT, lock
from toolchain.session import VARIABLE, Session

BACKED_UP = (versions.POSTGRESQL_IMAGE, versions.RESTIC_IMAGE)
"""Images that tests of the core need besides MLflow's."""

EMULATED = {"aws": "pulumi-aws", "gcp": "pulumi-gcp"}
"""Plugins of clouds that the tests run against emulated APIs, and their SDKs."""

FAKED = {"azure-native": "pulumi-azure-native"}
"""The same for clouds whose plugin the tests fake, since it cannot be built."""

RELAY = ROOT / "tests" / "support" / "provider_relay.py"
"""The plugin of a fake cloud."""


def test(names: list[str], tiers: tuple[str, ...], context: str | None, arguments: str) -> int:
    """Prepare what the tests need, run the rungs tier by tier, and sum up.

    Args:
        names: Names of the rungs; all if empty.
        tiers: The tiers in order.
        context: kubeconfig context to test on; None for a cluster of our own.
        arguments: Further arguments of pytest, as in a shell.

    Returns:
        Exit code: 1 if a test failed, or in CI if anything was skipped.
    """
    unknown = [name for name in names if name not in rungs.RUNGS]
    if unknown:
        raise UserError(f"there is no rung {unknown[0]!r}", f"Choose from: {', '.join(rungs.RUNGS)}.")
    lifecycle.require_space()
    session = Session(python=str(environments.python(environments.ensure("test"))))
    session.save()
    was_running = node.current() is not None
    results: list[rungs.Result] = []
    try:
        for tier in tiers:
            chosen = [name for name, rung in rungs.RUNGS.items() if tier in rung.tiers and (not names or name in names)]
            results += _run_tier(tier, chosen, session, context, arguments)
    finally:
        if not was_running and not context and node.current() is not None:
            with lock(*lifecycle.LOCK):
                node.stop()
    return rungs.sum_up(results, bool(arguments))


def _run_tier(
    tier: str, chosen: list[str], session: Session, context: str | None, arguments: str
) -> Iterator[rungs.Result]:
    """Run one tier of the chosen rungs, those that need no tools while the tools are prepared for the others."""
    with ThreadPoolExecutor(1) as executor:
        clouds = tier == rungs.EXTENDED  # no other test uses them
        needed = any(rungs.RUNGS[name].prepared for name in chosen)
        prepared = executor.submit(prepare, session, context, clouds=clouds) if needed else None
        for name in chosen:
            if rungs.RUNGS[name].prepared and prepared:
                try:
                    if not prepared.done():
                        with step("waiting for tools, cluster and image"):
                            prepared.result()
                    prepared.result()
                except UserError as error:
                    reasons = [f"could not run: {error}"]
                    yield rungs.Result(rungs.name_of(name, tier), skipped=1, reasons=reasons)
                    continue
            yield rungs.run(name, tier, session.python, _variables(session), arguments)


def bench(context: str | None, arguments: str) -> int:
    """Prepare what the chosen benchmarks need, and run them.

    Args:
        context: kubeconfig context to measure on; None for a cluster of our own.
        arguments: Arguments of the benchmarks, as in a shell.
    """
    chosen = measurements.chosen(shlex.split(arguments))
    lifecycle.require_space()
    was_running = node.current() is not None
    session = Session(python=str(environments.python(environments.ensure("test"))))
    session.save()
    try:
        if any(each.cluster for each in chosen):
            prepare(session, context, clouds=any(each.clouds for each in chosen), tests=False)
        return subprocess.run(
            [session.python, "-m", "bench", *shlex.split(arguments)], cwd=ROOT, env=_variables(session), check=False
        ).returncode
    finally:
        if not was_running and not context and node.current() is not None:
            with lock(*lifecycle.LOCK):
                node.stop()


def prepare(session: Session, context: str | None, *, clouds: bool, tests: bool = True) -> None:
    """Fill the session with the tools, a running cluster and the images.

    Args:
        session: What is filled.
        context: kubeconfig context to test on; None for a cluster of our own.
        clouds: Whether what only the tests of the extended tier use is needed too: plugins of clouds, of which some may be built for many
            minutes, and further images, emulators, Helm and YAML's language host.
        tests: Whether images and judges are needed that only tests use.

    Raises:
        UserError: A part cannot be had on this machine.
    """
    wanted = _images(tests=tests, clouds=clouds)
    with lock(*lifecycle.LOCK):
        if not context and cluster.first_built_in():
            ahead(node.fetch, *(functools.partial(images.fetch, each) for each in wanted))
        venv, cli = pulumi.for_program((), yaml=tests and clouds)
        session.pulumi, session.pulumi_home = str(cli.command), str(cli.home)
        session.path = cli.variables(venv)["PATH"]
        session.kubectl = str(cluster.kubectl())
        session.save()
        stopped = node.current() is None
        target = cluster.find(context)
        if stopped and target.node:  # so that no other tests run in it
            forget_tests(target.kubeconfig)
        session.kubeconfig, session.cluster_kind = str(target.kubeconfig), target.kind
        session.host_address = target.host_address()
        session.save()
        with ThreadPoolExecutor(1) as executor:  # compiling leaves the disk and the network to the images
            compiled = executor.submit(_compile, session, tests=tests, clouds=clouds)
            for image in wanted:
                images.ensure(image, target)
            compiled.result()
        session.image = versions.MLFLOW_IMAGE
        session.save()


def _images(*, tests: bool, clouds: bool) -> list[str]:
    """The images that are needed; those of Go programs last, which may have to be compiled."""
    if not tests:
        return [versions.MLFLOW_IMAGE]
    if not clouds:
        return [versions.MLFLOW_IMAGE, *BACKED_UP]
    return sorted(images.RECIPES, key=lambda each: isinstance(images.RECIPES[each], images.GoImage))


def _compile(session: Session, *, tests: bool, clouds: bool) -> None:
    """Add what may have to be compiled: judges of manifests, and for the extended tier emulators of object stores, Helm and clouds."""
    if tests:
        judges = golang.build(["pod-security", "kube-score"])
        session.pod_security, session.kube_score = (str(path) for path in judges.values())
    if tests and clouds:
        _emulate(session)
    if clouds:
        _prepare_clouds(session)


def forget_tests(kubeconfig: Path) -> None:
    """Delete the namespaces of tests that were killed: their servers start again with the node."""
    found = cluster.kubectl_json(kubeconfig, "get", "namespaces")["items"]
    names = [name for each in found if re.fullmatch("t-[0-9a-f]{8}", name := each["metadata"]["name"])]
    if names:
        say(f"  deleting what tests that were killed have left: {', '.join(names)}")
        command = [cluster.kubectl(), "--kubeconfig", kubeconfig, "delete", "namespace", "--wait=false", *names]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=False)


def _emulate(session: Session) -> None:
    """Add emulators of object stores, and Helm."""
    for name in emulators.NAMES:
        try:
            session.emulators[name] = str(emulators.ensure(name))
        except UserError as error:
            session.emulator_problems[name] = str(error)
    try:
        session.helm = str(cluster.helm())
    except UserError as error:
        session.helm_problem = str(error)


def _prepare_clouds(session: Session) -> None:
    """Add the clouds whose plugins can be had."""
    cli = pulumi.of_tests(pulumi.ensure())
    session.clouds_home = str(cli.home)
    for plugin, sdk in {**EMULATED, **FAKED}.items():
        try:
            venv = environments.ensure("up", (sdk,))
            plugins = [name for name in environments.plugins((sdk,)) if name not in FAKED]
            pulumi.ensure_plugins(cli, venv, plugins, (*pulumi.BUILDABLE, *pulumi.PARTS))
            if plugin in FAKED:
                pulumi.install_program(cli, plugin, RELAY)
            session.cloud_paths[plugin] = cli.variables(venv)["PATH"]
        except UserError as error:
            session.cloud_problems[plugin] = str(error)


def lint() -> int:
    """Style, format, types, layers, and whether the generated files are current."""
    venv = environments.ensure("test")
    commands = {
        "types": ["basedpyright", "--pythonpath", str(environments.python(venv)), "--level", "error"],  # takes longest
        "style": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "imports": ["lint-imports", "--no-logo", "--no-cache"],
        "features": ["python", "-m", "tests.features"],
        "architecture": ["python", "-m", "tests.architecture"],
        "policies": ["python", "-m", "tests.policies"],
        "charts": ["python", "-m", "tests.charts"],
    }
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        passed = executor.map(functools.partial(_passes, venv / "bin"), commands, commands.values())
        failed = [name for name, passes in zip(commands, passed, strict=True) if not passes]
    for name, check in {
        "workflows": workflows,
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


WORKFLOWS = (*sorted((ROOT / ".github" / "workflows").glob("*.yml")), ROOT / "examples" / "ci" / "github.yml")
"""The workflows of GitHub Actions, our own and the one for users."""


def workflows() -> None:
    """Check the workflows.

    Raises:
        UserError: One of them is wrong, or the program that checks them cannot be built.
    """
    say("▸ workflows")
    command = [golang.build(["actionlint"])["actionlint"], "-no-color", *WORKFLOWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the workflows are wrong:\n{done.stdout}{done.stderr}".rstrip(), "Mend them.")


SITE = ROOT / "build" / "site"
"""The documentation as a site."""


def docs(target: Path = SITE) -> int:
    """Build the documentation as a site; fails if a link leads nowhere."""
    program = environments.ensure("test") / "bin" / "mkdocs"
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    # Not `--quiet`, with which `--strict` counts no warnings.
    command = [program, "build", "--strict", "--site-dir", target]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    say(f"the documentation is at {target / 'index.html'}" if not done.returncode else done.stderr)
    return done.returncode


def format_() -> int:
    """Format the code and mend what can be mended."""
    ruff = str(environments.ensure("test") / "bin" / "ruff")
    mended = subprocess.run([ruff, "check", "--fix", "--exit-zero", "."], cwd=ROOT, check=False).returncode
    return subprocess.run([ruff, "format", "."], cwd=ROOT, check=False).returncode or mended


SCHEMAS = {
    "components.reading.schema": ROOT / "components" / "stack-config.schema.json",
    "components.provider": ROOT / "provider" / "schema.json",
}
"""Schemas that are made from the arguments, of stack files and of packages for other languages, by the module that prints them."""


def schema(check: bool = False) -> None:
    """Write the schemas from the arguments.

    Args:
        check: Write nothing, only compare.

    Raises:
        UserError: `check` found a committed schema outdated.
    """
    python = environments.python(environments.ensure("test"))
    for module, path in SCHEMAS.items():
        made = subprocess.run([python, "-m", module], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode:
            raise UserError(f"the schema cannot be made:\n{made.stderr.strip()}", "Mend the arguments in components/.")
        if not check:
            path.write_text(made.stdout)
        elif not path.exists() or path.read_text() != made.stdout:
            raise UserError(f"{path} does not fit the arguments", "Run `make schema` and commit the result.")


def _passes(folder: Path, name: str, command: list[str]) -> bool:
    """Run a check whose program is in that folder, and tell what it says once it has ended: others run meanwhile."""
    command = [str(folder / command[0]), *command[1:]]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    say(f"▸ {name}\n{done.stdout}".rstrip())
    return done.returncode == 0


def _variables(session: Session) -> dict[str, str]:
    """Environment variables of pytest and of the benchmarks."""
    env = environments.variables(Path(session.python).parent.parent)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # each process of pytest would compile the SDKs of the clouds
    return {**env, VARIABLE: str(Session.path_of_file()), "PYTHONPATH": str(ROOT)}
