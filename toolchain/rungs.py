"""The rungs of the tests, the two tiers of each, and how one is run with pytest."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.console import duration, say
from toolchain.paths import ROOT

CORE, EXTENDED = "core", "extended"
"""What `make test` runs, and what `make test-all` adds; CONTRIBUTING.md says what belongs where."""


@dataclass(frozen=True)
class Rung:
    """How the tests of a folder of `tests/` are run.

    Attributes:
        prepared: Whether they need the tools and a cluster.
        workers: How many processes of pytest run side by side: more than processors where tests wait more than they compute.
        further: How many more run the extended tier, whose tests wait more.
        share: What a process takes at a time: `loadscope` where tests of a file or of a class share what they deploy.
        longest: Names of files that take longest and therefore begin first, lest the last one runs alone.
        tiers: Those that its tests belong to. Where there are two, each file, class or test says which one is its own.
    """

    prepared: bool = False
    workers: int = 1
    further: int = 0
    share: str = "worksteal"
    longest: tuple[str, ...] = ()
    tiers: tuple[str, ...] = (CORE,)


RUNGS: Mapping[str, Rung] = {
    "unit": Rung(workers=3),  # some wait for servers
    "graph": Rung(workers=2),
    "property": Rung(prepared=True),
    "engine": Rung(
        prepared=True,
        workers=5,
        share="loadscope",
        longest=(
            *("test_deployments", "test_backups", "test_schemas", "test_upgrades"),
            *("test_other_languages", "test_artifact_copies", "test_aws", "test_destinations"),
        ),
        tiers=(CORE, EXTENDED),
    ),
    "cluster": Rung(
        prepared=True,
        workers=3,  # more would starve the servers that two tests of the core keep busy
        further=1,
        share="loadscope",
        # A process takes another file when two tests are left of its own. Files of a single test therefore come first: each of their
        # processes takes one file more at once, and not two in the end.
        longest=(
            *("test_upgrade", "test_backup", "test_make_up", "test_postgresql", "test_access", "test_combinations"),
            *("test_rollback", "test_migration", "test_artifacts", "test_azure", "test_gcp", "test_faults"),
        ),
        tiers=(CORE, EXTENDED),
    ),
    "node": Rung(prepared=True),
}
"""The rungs in order. The last one is the life of the built-in cluster."""

NOTHING_COLLECTED = 5
"""pytest's exit code for it."""


@dataclass
class Result:
    """What the tests of a rung came to.

    Attributes:
        name: Name of the rung, with its tier where that is not the core.
        seconds: How long it took.
        reasons: Why something could not run, or that nothing ran.
    """

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0
    reasons: list[str] = field(default_factory=list)


def name_of(rung: str, tier: str) -> str:
    """What the table of results calls one tier of a rung."""
    return rung if tier == CORE else f"{rung}, {tier}"


def run(rung: str, tier: str, python: str, environment: Mapping[str, str], arguments: str) -> Result:
    """Run the tests of one tier of a rung.

    Args:
        rung: Name of the rung.
        tier: The tier.
        python: Interpreter with pytest.
        environment: Environment variables of the tests.
        arguments: Further arguments of pytest, as in a shell.
    """
    started, how, result = time.monotonic(), RUNGS[rung], Result(name_of(rung, tier))
    report = ROOT / "build" / f"tests-{rung}-{tier}.xml"
    report.unlink(missing_ok=True)
    say(f"\n▸ tests: {result.name}")
    command = [python, "-m", "pytest", f"tests/{rung}", f"--tier={tier}", f"--junitxml={report}"]
    workers = how.workers + (how.further if tier == EXTENDED else 0)
    if workers > 1:
        command += ["--numprocesses", str(workers), "--dist", how.share, "--no-loadscope-reorder"]
    command += shlex.split(arguments)
    code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
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


def sum_up(results: list[Result], filtered: bool) -> int:
    """Print the table and the closing line, and decide on the exit code.

    Args:
        results: What ran.
        filtered: Whether further arguments of pytest may have left out tests.

    Returns:
        1 if a test failed or none ran, or in CI if anything was skipped or a rung was empty.
    """
    say(f"\n{'rung':<20}{'passed':>8}{'failed':>8}{'skipped':>9}  time")
    for result in results:
        say(f"{result.name:<20}{result.passed:>8}{result.failed:>8}{result.skipped:>9}  {duration(result.seconds)}")
    for result in results:
        for reason in result.reasons:
            say(f"  {result.name}: {reason}")
    passed, failed, skipped = (
        sum(getattr(result, what) for result in results) for what in ("passed", "failed", "skipped")
    )
    empty = [result for result in results if not (result.passed or result.failed or result.skipped)]
    complete = not skipped and (not empty or filtered)
    code = 1 if failed or not (passed + skipped) or (os.environ.get("CI") == "true" and not complete) else 0
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    return code
