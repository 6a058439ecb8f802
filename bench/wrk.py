"""Clients that log metrics as fast as they are answered: wrk, which takes little of the processors it shares."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.load import Target
from toolchain.bare import debian

# A run for each client, and another step each time: equal points would meet the database's check for duplicates.
SCRIPT = """
local runs = {%s}
local step = 0
request = function()
  step = step + 1
  local body = string.format('{"run_id":"%%s","key":"loss","value":%%d,"timestamp":%%d,"step":%%d}',
    runs[step %% #runs + 1], step, 1700000000000 + step, step)
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"%s}, body)
end
"""


@dataclass(frozen=True)
class Load:
    """What came of it.

    Attributes:
        per_second: Answered requests per second.
        p50_ms: Median latency in milliseconds.
        failed: Requests that were answered with an error, or not at all.
    """

    per_second: float
    p50_ms: float
    failed: int


def log_metrics(target: Target, folder: Path, seconds: int, *, clients: int = 4, keep_alive: bool = True) -> Load:
    """Let clients log metrics to runs of their own.

    Args:
        target: The server.
        folder: Receives the script.
        seconds: How long.
        clients: How many at once, all from one thread.
        keep_alive: Whether a client keeps its connection; else each request opens one.
    """
    made = (target.post("runs/create", experiment_id="0", start_time=1) for _ in range(clients))
    runs = ",".join(f'"{each["run"]["info"]["run_id"]}"' for each in made)
    script = folder / "log-metric.lua"
    script.write_text(SCRIPT % (runs, "" if keep_alive else ', ["Connection"] = "close"'))
    root = None if shutil.which("wrk") else debian.unpack(["wrk"])
    url = f"http://{target.address}:{target.port}/api/2.0/mlflow/runs/log-metric"
    command = ["wrk", "--threads=1", f"--connections={clients}", f"--duration={seconds}s", "--latency"]
    done = subprocess.run(
        [*command, f"--script={script}", url],
        env=debian.environment(root) if root else None,
        capture_output=True,
        text=True,
        check=True,
    )
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read what wrk prints."""
    latency = re.search(r"50%\s+([\d.]+)(us|ms|s)", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate and latency, output
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    failed = sum(int(number) for found in (refused, broken) if found for number in found.groups())
    return Load(float(rate[1]), float(latency[1]) * {"us": 0.001, "ms": 1, "s": 1000}[latency[2]], failed)
