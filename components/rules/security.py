"""What would undo a protection that is on by default must be asked for in writing."""

import dataclasses
from collections.abc import Iterator

from ..arguments import MlflowDeploymentArgs
from ..arguments.base import ACCEPT, Problem, walk


def problems(args: MlflowDeploymentArgs) -> Iterator[Problem]:
    """What each block tells of itself."""
    if args.allow_insecure:
        return
    for path, block in walk(args):
        for problem in block.insecure():
            yield dataclasses.replace(problem.under(*path), fix=f"{problem.fix}, {ACCEPT}")
