"""The command line of the benchmarks; `make bench` prepares what they need and runs it."""

import os
import sys
import time

from bench.measurements import Measurement, chosen


def main() -> int:
    """Measure what was asked for.

    Returns:
        0 if everything could be measured, whatever came of it; else 1.
    """
    return _measure(chosen())


def _measure(measurements: list[Measurement]) -> int:
    # Imported only now: these need what `make bench` prepares.
    from bench.cluster import UnavailableError, open_bench
    from bench.metrics import FILE, Metric, save, table
    from toolchain.console import duration, say, step

    began, metrics, failures = time.monotonic(), list[Metric](), list[str]()
    busy = os.getloadavg()[0]
    with open_bench() as bench:
        for measurement in measurements:
            try:
                with step(measurement.name, measurement.what):
                    metrics += measurement.run(bench)
            except UnavailableError as error:
                failures.append(f"{measurement.name}: could not be measured: {error}")
            except Exception as error:  # the others are still worth having
                failures.append(f"{measurement.name}: failed: {type(error).__name__}: {error}")
            save(metrics)
    say(f"\n{table(metrics)}\n")
    for failure in failures:
        say(failure)
    say(f"{len(metrics)} metrics in {duration(time.monotonic() - began)}, written to {FILE}")
    if busy > (os.cpu_count() or 1) / 2:
        say(f"note: the machine was busy at the start (load {busy:.1f}); metrics of a busy machine scatter")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
