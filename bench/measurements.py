"""What can be measured. Imports the standard library alone, so that `--list` and `--help` answer on any machine at once."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

CLOUDS = ("aws", "gcp", "azure")


@dataclass(frozen=True)
class Measurement:
    """Something that is run to get one or more metrics.

    Attributes:
        name: Its name on the command line.
        what: What it does, with roughly how long it takes.
        function: `module:function` below `bench`, which measures them.
        metrics: Names of the metrics that it yields.
        on_request: Whether it is run only when it is named, since it takes long.
        cluster: Whether it needs Pulumi and a cluster.
        clouds: Whether it needs the plugins of clouds.
    """

    name: str
    what: str
    function: str
    metrics: Sequence[str]
    on_request: bool = False
    cluster: bool = True
    clouds: bool = False

    @property
    def run(self) -> Callable[[Any], Sequence[Any]]:
        """The function."""
        module, _, function = self.function.partition(":")
        return getattr(importlib.import_module(f"bench.{module}"), function)


MEASUREMENTS = [
    Measurement("previews", "preview of the dev stack; half a minute", "previews:over_floor", ["preview_over_floor"]),
    Measurement("growth", "previews with 1, 5 and 20 deployments; 2 minutes", "previews:growth", ["preview_growth"]),
    Measurement(
        "clouds",
        "previews of the production stacks of three clouds; 2 minutes",
        "cloud_previews:over_floor",
        [f"preview_over_floor_{cloud}" for cloud in CLOUDS],
        clouds=True,
    ),
    Measurement(
        "imports",
        "import of the package, without a cloud SDK and with each; half a minute",
        "imports:measure",
        [f"import_{kind}_{cloud}" for kind in ("time", "memory") for cloud in ("none", *CLOUDS)],
        cluster=False,
    ),
    Measurement(
        "ready-sqlite",
        "`pulumi up` with SQLite; 2 times 30 s",
        "readiness:sqlite",
        ["up_to_ready_over_pod_start_sqlite"],
    ),
    Measurement(
        "ready-postgresql",
        "`pulumi up` with PostgreSQL and two replicas; 2 times 30 s",
        "readiness:postgresql",
        ["up_to_ready_over_pod_start_postgresql"],
    ),
    Measurement(
        "servers",
        "memory and throughput of one pod; 4 minutes",
        "servers:measure",
        [
            "server_memory_over_mlflow_default",
            "server_throughput_over_mlflow_default",
            "server_throughput_new_connections_over_mlflow_default",
            "server_throughput_per_memory_over_mlflow_default",
        ],
    ),
    Measurement(
        "profile",
        "memory and throughput of the two pods of a production stack; 2 minutes",
        "servers:profile",
        ["profile_memory_over_mlflow_default", "profile_throughput_over_mlflow_default"],
    ),
    Measurement(
        "rollouts",
        "rolling updates under load; 2 minutes",
        "rollouts:measure",
        ["rollout_lost_requests", "rollout_seconds_over_pod_start"],
    ),
    Measurement(
        "backups",
        "restores of up to a million rows, and a backup beside a busy server; 4 minutes",
        "day_two:on_backups",
        ["restore_seconds_per_million_rows", "backup_cost"],
    ),
    Measurement(
        "upgrade", "an upgrade by `pulumi up`; 2 minutes", "day_two:upgrade", ["upgrade_freeze_over_migration"]
    ),
    Measurement(
        "archive",
        "continuous backups under load; 2 minutes",
        "day_two:archive_lag",
        ["archive_lag_seconds", "archive_lag_seconds_postgresql"],
        cluster=False,
    ),
    Measurement(
        "failovers",
        "a database host that vanishes for a minute, both engines; 3 minutes",
        "failovers:measure",
        ["failover_over_silence_postgresql", "failover_over_silence_mysql"],
        on_request=True,
    ),
    *(
        Measurement(
            "installs",
            f"20 fresh installs with two replicas on {title}; about 10 minutes",
            f"installs:{name}",
            [f"install_failures_{name}", f"install_restarts_{name}"],
            on_request=True,
        )
        for name, title in (("postgresql", "PostgreSQL"), ("mariadb", "MariaDB"))
    ),
]


def chosen(arguments: Sequence[str] | None = None) -> list[Measurement]:
    """Those that a command line names. `--list` and `--help` are answered here and end the program.

    Args:
        arguments: The command line without the program; `sys.argv` if None.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure, print a table and write build/bench.json."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="measurement or metric (default: all but those on request); see --list"
    )
    parser.add_argument("--list", action="store_true", help="list the measurements with their metrics")
    options = parser.parse_args(arguments)
    if options.list:
        for measurement in MEASUREMENTS:
            print(f"{measurement.name}: {measurement.what}")
            for name in measurement.metrics:
                print(f"  {name}")
        sys.exit()
    known = {name for each in MEASUREMENTS for name in (each.name, *each.metrics)}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no {unknown[0]!r}; see --list")
    wanted = set(options.names)
    return [m for m in MEASUREMENTS if ({m.name, *m.metrics} & wanted if wanted else not m.on_request)]
