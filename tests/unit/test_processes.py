"""A server that a test started ends with it, whatever ends the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes
from toolchain.paths import ROOT
from toolchain.processes import alive

SERVER = "sleep 1000 & echo $$ $!; wait"
"""Has a child, which a shell lets ignore what interrupts it."""

TEST = f"""
import signal, sys, time
from pathlib import Path
from tests.support import processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # `nohup` and a shell's `&` have both ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with processes.running(["sh", "-c", {SERVER!r}], Path(sys.argv[1])):
    print("running", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def test_process(log: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs the server as a test does."""
    with subprocess.Popen(
        [sys.executable, "-c", TEST, str(log)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "running\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_ends_with_the_test(test_process: "subprocess.Popen[str]", log: Path, number: int) -> None:
    processes.eventually(lambda: len(log.read_text().split()) == 2, "the server's start")
    server = [int(pid) for pid in log.read_text().split()]
    os.kill(test_process.pid, number)
    test_process.wait()
    processes.eventually(lambda: not any(map(alive, server)), "the end of the server")


def test_a_server_that_ends_is_said_with_its_last_words(log: Path) -> None:
    with (
        pytest.raises(AssertionError, match=r"sh ended with 3:\nno space"),
        processes.running(["sh", "-c", "echo no space; exit 3"], log, ready=lambda: False),
    ):
        pass


def test_a_server_runs_as_another_user(log: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    with processes.running(["sh", "-c", "id -u; id -G; exec sleep 1000"], log, user=65534, ready=log.read_text):
        processes.eventually(lambda: log.read_text().split() == ["65534", "65534"], "both lines")
