"""A stack of only those parts of a deployment that are on a cloud, so that it needs no cluster."""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.pulumi import Stack

_ARGUMENTS = "arguments.json"


def program(cloud: str, *parts: str) -> str:
    """The program.

    Args:
        cloud: Package of the cloud's maker.
        *parts: What it is asked for, in this order: `identity`, `database`, `artifacts`, `grant`.
    """
    calls = "\n".join(f"cloud.{part}()" for part in parts)
    return f"""
import json
from pathlib import Path

import pulumi

from components import to_arguments
from components.{cloud}.cloud import Cloud
from components.contracts import Place

arguments = to_arguments(json.loads(Path("{_ARGUMENTS}").read_text()))
parent = pulumi.ComponentResource("tests:index:Parts", "mlflow")
cloud = Cloud(Place(name="mlflow", namespace="mlflow", args=arguments, parent=parent))
{calls}
"""


def give(stack: Stack, values: Mapping[str, Any]) -> None:
    """Give the program its arguments, or others."""
    (stack.folder / _ARGUMENTS).write_text(json.dumps(values))
