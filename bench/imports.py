"""What importing the package costs, over importing Pulumi alone."""

import json
import os
import statistics
import subprocess

from bench.cluster import Bench
from bench.metrics import Metric, ratio
from toolchain.paths import ROOT

CLOUDS = {
    "none": (),
    "aws": ("pulumi_aws.rds", "pulumi_aws.s3", "pulumi_aws.iam", "pulumi_aws.kms"),
    "gcp": ("pulumi_gcp.sql", "pulumi_gcp.storage", "pulumi_gcp.serviceaccount", "pulumi_gcp.kms"),
    "azure": (
        "pulumi_azure_native.dbforpostgresql",
        "pulumi_azure_native.storage",
        "pulumi_azure_native.managedidentity",
        "pulumi_azure_native.keyvault",
    ),
}
"""Modules of each cloud's SDK that a deployment with database, bucket, identity and key on it takes."""

PROGRAM = """
import importlib, json, re, sys, time
began = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
seconds = time.perf_counter() - began
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(json.dumps([seconds, int(peak[1]) / 1024]))
"""
"""Prints the seconds that the imports took and the largest resident set in MiB.

Not `getrusage`: its largest resident set is that of the process that started this one, if that was larger.
"""

ROUNDS = 7
AGAINST = "importing `pulumi` alone, in a process of its own"


def measure(bench: Bench) -> list[Metric]:
    """Import with warm bytecode in new processes, in turns."""
    python = bench.session.python
    sets = {"pulumi": ("pulumi",), **{cloud: ("components", *modules) for cloud, modules in CLOUDS.items()}}
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in sets}
    for number in range(ROUNDS + 1):  # the first writes the bytecode
        for name, modules in sets.items():
            if number:
                runs[name].append(_import(python, modules))
            else:
                _import(python, modules)
    metrics = []
    for kind, index, unit in (("time", 0, "seconds"), ("memory", 1, "mib")):
        taken = {name: [run[index] for run in values] for name, values in runs.items()}
        medians = {name: statistics.median(values) for name, values in taken.items()}
        for cloud in CLOUDS:
            more = {unit: medians[cloud], f"pulumi_{unit}": medians["pulumi"]}
            metrics.append(ratio(f"import_{kind}_{cloud}", taken[cloud], taken["pulumi"], AGAINST, None, **more))
    return metrics


def _import(python: str, modules: tuple[str, ...]) -> tuple[float, float]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [python, "-c", PROGRAM, *modules], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    seconds, mib = json.loads(done.stdout)
    return seconds, mib
