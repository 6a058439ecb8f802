"""The lock that keeps two runs of the toolchain apart."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
from toolchain.paths import lock
with lock("x", "make up"):
    print("held", time.monotonic(), flush=True)
    sys.stdin.read()
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes that take the lock and hold it until their input ends."""
    started: list[subprocess.Popen[str]] = []

    def begin() -> "subprocess.Popen[str]":
        env = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_second_run_says_whom_it_waits_for_and_waits(start: Start) -> None:
    first = start()
    assert line(first).startswith("held")
    second = start()
    assert line(second) == f"… waiting: make up is already running (process {first.pid})"
    time.sleep(0.2)
    released = time.monotonic()
    first.communicate()
    word, when = line(second).split()
    assert word == "held" and float(when) > released


def test_killed_holder_frees_the_lock(start: Start) -> None:
    first = start()
    assert line(first).startswith("held")
    second = start()
    assert "waiting" in line(second)
    first.kill()
    assert line(second).startswith("held")
    second.communicate()
    assert second.returncode == 0


def test_free_lock_is_taken_without_a_word(start: Start) -> None:
    for _ in range(2):
        process = start()
        assert line(process).startswith("held")
        process.communicate()
