"""What `pulumi preview` costs, over the least that a program with a Kubernetes resource costs."""

import contextlib
import statistics

from bench.cluster import Bench
from bench.metrics import Goal, Metric, ratio
from tests.support.pulumi import Stack
from toolchain.environments import stack_file

FLOOR = """
import pulumi
import pulumi_kubernetes as k8s

component = pulumi.ComponentResource("bench:index:Empty", "floor")
k8s.core.v1.ConfigMap("floor", data={"key": "value"}, opts=pulumi.ResourceOptions(parent=component))
"""
"""One empty component and one Kubernetes resource."""

SEVERAL = """
from components import MlflowDeployment

for number in range({number}):
    MlflowDeployment(
        f"mlflow-{{number}}",
        {{"namespace": f"mlflow-{{number}}", "database": {{"sqlite": {{}}}}, "artifacts": {{"volume": {{}}}}}},
    )
"""
"""Programs with several deployments like the one of the dev stack."""

ROUNDS = 5
AGAINST = "the floor: a program with an empty component and one ConfigMap through the same provider"


def over_floor(bench: Bench) -> list[Metric]:
    """The dev stack's preview over the floor's, in turns."""
    with bench.new_stack() as dev, bench.new_stack(program=FLOOR) as floor:
        salt = dev.config_file.read_text()
        dev.config_file.write_text(salt.rstrip("\n") + "\n" + stack_file("dev").read_text())
        seconds = in_turns({"dev": dev, "floor": floor}, ROUNDS)
    return [
        ratio(
            "preview_over_floor",
            seconds["dev"],
            seconds["floor"],
            AGAINST,
            Goal(1.5),
            seconds=statistics.median(seconds["dev"]),
            floor_seconds=statistics.median(seconds["floor"]),
        )
    ]


def growth(bench: Bench) -> list[Metric]:
    """What the 20th deployment in one program adds to a preview, over what the first one adds to the floor.

    The first one pays once for imports and the random provider, so the ratio is below 1 as long as the cost grows
    linearly. `late_over_early` compares what each of 6 to 20 adds with what each of 2 to 5 adds, without those costs.
    """
    numbers = (1, 5, 20)
    with contextlib.ExitStack() as stacks:
        programs: dict[str, Stack] = {"floor": stacks.enter_context(bench.new_stack(program=FLOOR))}
        for number in numbers:
            program = SEVERAL.format(number=number)
            programs[str(number)] = stacks.enter_context(bench.new_stack(program=program))
        seconds = in_turns(programs, ROUNDS)
    # The least of several runs: what it is about is work, and everything else only adds to a run.
    least = {name: min(values) for name, values in seconds.items()}
    early, late = (least["5"] - least["1"]) / 4, (least["20"] - least["5"]) / 15
    first = least["1"] - least["floor"]
    return [
        Metric(
            "preview_growth",
            late / first,
            "what the first deployment adds to the floor; looked at is what each of deployments 6 to 20 adds",
            goal=Goal(1.2),
            more={
                "early_seconds": early,
                "late_seconds": late,
                "first_seconds": first,
                "late_over_early": late / early,
                **{f"seconds_of_{name}": value for name, value in least.items()},
            },
        )
    ]


def in_turns(stacks: dict[str, Stack], rounds: int) -> dict[str, list[float]]:
    """Preview each stack in each round; the round before the first is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in stacks}
    for stack in stacks.values():
        stack.name_environment()  # as users' projects do, in which Pulumi asks pip what is installed
    for number in range(rounds + 1):
        for name, stack in stacks.items():
            took = stack.preview().succeeded().seconds
            if number:
                seconds[name].append(took)
    return seconds
