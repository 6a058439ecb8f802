"""Pods as this machine's kernel sees them: the built-in cluster's pods are processes of this machine."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What the processes of a pod use.

    Attributes:
        processes: How many there are.
        pss_mib: Sum of their proportional set sizes in MiB: a page that several share is counted once.
        cpu_seconds: Processor time that they have used since they were started.
    """

    processes: int
    pss_mib: float
    cpu_seconds: float


def usage(uid: str) -> Usage:
    """What a pod uses now."""
    kib, ticks, processes = 0, 0, _processes(uid)
    for process in processes:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        kib += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        user, system = _fields(process)[11:13]
        ticks += int(user) + int(system)
    return Usage(len(processes), kib / 1024, ticks / os.sysconf("SC_CLK_TCK"))


def started(uid: str) -> float:
    """When the oldest process of a pod was started, as `time.monotonic` counts; to a hundredth of a second."""
    oldest = min(int(_fields(process)[19]) for process in _processes(uid)) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - oldest)


def _processes(uid: str) -> list[int]:
    """The processes whose control group belongs to the pod, its sandbox's `pause` left out."""
    names = (uid, uid.replace("-", "_"))  # the second with the systemd cgroup driver
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            groups, command = (folder / "cgroup").read_text(), (folder / "comm").read_text().strip()
            if command != "pause" and any(name in groups for name in names):
                found.append(int(folder.name))
    assert found, f"no process of this machine belongs to pod {uid}"
    return found


def _fields(process: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third on (state is 0); the second may hold spaces."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
