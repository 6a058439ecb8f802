"""What the user sees while a long command works: steps with their durations, and errors that carry their fix."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path


class UserError(Exception):
    """An error that the user can mend. The command line prints it without a traceback and exits with 1.

    Args:
        message: What went wrong, with the path or value concerned.
        fix: What to do about it, as one or more full sentences.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n  fix: {self.fix}"


def say(text: str) -> None:
    """Print one line at once, also when the output is a pipe."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `make preview | head`: what has begun is finished, with nobody reading
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Step:
    """The running step, given to the body of `step` so that it can report what it is doing."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = time.monotonic()
        self._detail = ""

    def detail(self, text: str) -> None:
        """Set what is being done now; shown with the next sign of life."""
        self._detail = " ".join(text.split())[-100:]

    @property
    def elapsed(self) -> str:
        return duration(time.monotonic() - self.started)

    @property
    def progress(self) -> str:
        return f"  … {self.title}: {self.elapsed}" + (f", {self._detail}" if self._detail else "")


def duration(seconds: float) -> str:
    """`"0.4 s"`, `"12 s"`, `"3 min 05 s"`."""
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


@contextlib.contextmanager
def step(title: str, expect: str = "") -> Iterator[Step]:
    """Announce a step, give a sign of life every 15 seconds, and say how long it took.

    Args:
        title: What is done, as a present participle ("building the Pulumi CLI").
        expect: Roughly how long, for steps that take longer than a few seconds ("about 4 minutes").
    """
    current = Step(title)
    say(f"▸ {title}" + (f" ({expect})" if expect else ""))
    done = threading.Event()

    def heartbeat() -> None:
        while not done.wait(15):
            say(current.progress)

    thread = threading.Thread(target=heartbeat, daemon=True)
    thread.start()
    try:
        yield current
    except BaseException:
        done.set()
        say(f"✗ {title}: failed after {current.elapsed}")
        raise
    done.set()
    thread.join()
    say(f"✓ {title} ({current.elapsed})")


_running: set[subprocess.Popen[str]] = set()
_interrupted = threading.Event()


def interrupt() -> None:
    """End the commands that are running, and let other threads start no more. Ctrl-C in a terminal reaches them too; a signal to this
    process alone does not."""
    _interrupted.set()
    for process in [*_running]:
        process.terminate()


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    doing: Step | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fix: str = "Read the log, mend the cause and run the same command again; finished parts are kept.",
) -> None:
    """Run a command with its output in a log file; on failure raise `UserError` with the last lines.

    Args:
        command: Program and arguments.
        log: File that receives the output, overwritten.
        doing: Step whose detail follows the output.
        env: Whole environment; the current one if None.
        cwd: Working directory.
        fix: The sentence that follows the error.

    Raises:
        UserError: The command could not be started or did not exit with 0.
    """
    if _interrupted.is_set() and threading.current_thread() is not threading.main_thread():
        raise UserError(f"interrupted before {command[0]}", fix)
    log.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(env) if env is not None else None,
            cwd=cwd,
        )
    except OSError as error:
        raise UserError(f"cannot run {command[0]}: {error}", fix) from error
    _running.add(process)
    try:
        with process, log.open("w") as sink:
            assert process.stdout is not None
            for line in process.stdout:
                sink.write(line)
                sink.flush()
                if line.strip():
                    last = [*last[-11:], line.rstrip()]
                    if doing:
                        doing.detail(line)
    finally:
        _running.discard(process)
    if process.returncode != 0:
        shown = "\n".join(f"    {line}" for line in last)
        raise UserError(
            f"`{' '.join(str(part) for part in command)[:200]}` failed with {process.returncode}:\n{shown}\n  log: {log}",
            fix,
        )


def ahead(*parts: Callable[[], None]) -> threading.Thread:
    """Begin what waits for the network or the disk beside other work. What fails here is met again, and told, when its turn comes."""

    def begin() -> None:
        for part in parts:
            with contextlib.suppress(UserError):
                part()

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    return thread


def fail(error: UserError) -> int:
    """Print the error to standard error and return the exit code for it."""
    print(f"\nerror: {error}", file=sys.stderr, flush=True)
    return 1
