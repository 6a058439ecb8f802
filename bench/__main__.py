"""The command line of the benchmarks; `make bench` prepares what they need and runs it."""

import argparse
import os
import sys
import time

from bench import cloud_previews, imports, installs, previews, readiness, rollouts, servers
from bench.cluster import UnavailableError, open_bench
from bench.figures import FILE, Figure, Measurement, save, table
from toolchain.console import duration, say, step

MEASUREMENTS: list[Measurement] = [
    *previews.MEASUREMENTS,
    *cloud_previews.MEASUREMENTS,
    *imports.MEASUREMENTS,
    *readiness.MEASUREMENTS,
    *servers.MEASUREMENTS,
    *rollouts.MEASUREMENTS,
    *installs.MEASUREMENTS,
]


def main() -> int:
    """Measure what was asked for.

    Returns:
        0 if everything could be measured, whatever came of it; else 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=f"Measure, print a table and write {FILE.relative_to(FILE.parents[1])}."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="measurement or figure (default: all but those on request); see --list"
    )
    parser.add_argument("--list", action="store_true", help="list the measurements with their figures")
    options = parser.parse_args()
    if options.list:
        for measurement in MEASUREMENTS:
            say(f"{measurement.name}: {measurement.what}")
            for name in measurement.figures:
                say(f"  {name}")
        return 0
    known = {name for each in MEASUREMENTS for name in (each.name, *each.figures)}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no {unknown[0]!r}; see --list")
    wanted = set(options.names)
    chosen = [m for m in MEASUREMENTS if ({m.name, *m.figures} & wanted if wanted else not m.on_request)]
    return _measure(chosen)


def _measure(chosen: list[Measurement]) -> int:
    began, figures, failures = time.monotonic(), list[Figure](), list[str]()
    busy = os.getloadavg()[0]
    with open_bench() as bench:
        for measurement in chosen:
            try:
                with step(measurement.name, measurement.what):
                    figures += measurement.run(bench)
            except UnavailableError as error:
                failures.append(f"{measurement.name}: could not be measured: {error}")
            except Exception as error:  # the others are still worth having
                failures.append(f"{measurement.name}: failed: {type(error).__name__}: {error}")
            save(figures)
    say(f"\n{table(figures)}\n")
    for failure in failures:
        say(failure)
    say(f"{len(figures)} figures in {duration(time.monotonic() - began)}, written to {FILE}")
    if busy > (os.cpu_count() or 1) / 2:
        say(f"note: the machine was busy at the start (load {busy:.1f}); figures of a busy machine scatter")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
