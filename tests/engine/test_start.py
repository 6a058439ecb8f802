"""What happens before the first resource."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import own_values
from tests.support import aws
from tests.support.fixtures import Deploy
from tests.support.pulumi import Stack
from toolchain.environments import stack_file

DEPLOYMENT = "mlflow-deployment:index:MlflowDeployment"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """File for the engine's calls: https://www.pulumi.com/docs/iac/support/debugging/."""
    return tmp_path / "calls"


@pytest.fixture
def dev(new_stack: Deploy, log: Path) -> Iterator[Stack]:
    """The stack for development."""
    with new_stack(variables={"PULUMI_DEBUG_GRPC": str(log)}) as stack:
        yield stack.configure(own_values(stack_file("dev")))


@pytest.fixture
def prod(new_aws_stack: Deploy, aws_cloud: aws.Cloud, log: Path) -> Iterator[Stack]:
    """The stack for production."""
    with new_aws_stack(variables={"PULUMI_DEBUG_GRPC": str(log)}) as stack:
        yield stack.configure({**own_values(stack_file("prod")), **aws_cloud.configuration})


@pytest.mark.parametrize(
    ("stack", "early", "late"),
    [("dev", {"kubernetes"}, {"random"}), ("prod", {"kubernetes", "aws", "random"}, set[str]())],
)
def test_providers_start_while_the_components_are_imported_and_once_each(
    request: pytest.FixtureRequest, log: Path, stack: str, early: set[str], late: set[str]
) -> None:
    found: Stack = request.getfixturevalue(stack)
    found.preview().succeeded()
    calls: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    begun = [
        (call["method"].rpartition("/")[2], call["request"]) for call in calls if call["progress"] == "request_started"
    ]
    registered = [asked["type"] if method == "RegisterResource" else None for method, asked in begun]
    before = begun[: registered.index(DEPLOYMENT)]
    for calls_of in (before, begun):
        started = {asked["tok"] for method, asked in calls_of if method == "Invoke"}
        assert started == {f"{provider}:index:start" for provider in early}
    configured = Counter(asked["type"].rpartition(":")[2] for method, asked in begun if method == "Configure")
    assert configured == dict.fromkeys(early | late, 1)
