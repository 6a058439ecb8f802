"""What Pulumi's own analyzer reads from the component, from which packages for other languages are generated."""

import dataclasses
from typing import Any

import pytest
from pulumi.provider.experimental.analyzer import Analyzer

from components import MlflowDeployment, MlflowDeploymentArgs
from components.reading.messages import fields_of
from tests.graph.invariants import OUTPUTS


@pytest.fixture(scope="module")
def analysis() -> dict[str, Any]:
    return Analyzer("mlflow").analyze([MlflowDeployment])  # type: ignore[return-value]


def test_all_arguments_are_inputs_in_camel_case(analysis) -> None:
    definition = analysis["component_definitions"]["MlflowDeployment"]
    assert dict(definition.inputs_mapping) == fields_of(MlflowDeploymentArgs)


def test_only_database_and_artifacts_are_required(analysis) -> None:
    inputs = analysis["component_definitions"]["MlflowDeployment"].inputs
    assert {name for name, definition in inputs.items() if not definition.optional} == {"database", "artifacts"}


def test_outputs_are_complete(analysis) -> None:
    outputs = analysis["component_definitions"]["MlflowDeployment"].outputs
    assert set(outputs) == OUTPUTS


def test_every_argument_of_every_block_is_described_and_optional_where_it_has_a_default(analysis) -> None:
    definitions = analysis["type_definitions"]
    assert len(definitions) > 15
    blocks: list[Any] = [d.python_type for d in definitions.values() if dataclasses.is_dataclass(d.python_type)]
    for block in blocks:
        read = definitions[block.__name__].properties
        assert set(read) == set(fields_of(block))
        for camel, name in fields_of(block).items():
            required = block.__pydantic_fields__[name].is_required()
            assert read[camel].optional is not required, f"{block.__name__}.{name}"
            assert read[camel].description, f"{block.__name__}.{name}"
