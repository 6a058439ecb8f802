"""The provider for other languages, without an engine: its schema, and what it makes of inputs."""

import json
from typing import Any

import pytest
from pulumi.errors import InputPropertiesError

from components import provider
from components.arguments import MlflowDeploymentArgs
from components.reading.messages import fields_of
from toolchain.paths import ROOT

TYPE = "mlflow-deployment:index:MlflowDeployment"


def test_the_committed_schema_is_current() -> None:
    committed = json.loads((ROOT / "provider" / "schema.json").read_text())
    assert committed == provider.schema(), "run `make schema`"
    assert set(committed["resources"][TYPE]["inputProperties"]) == set(fields_of(MlflowDeploymentArgs))


def test_descriptions_are_not_indented() -> None:
    types = provider.schema()["types"].values()
    texts = [field["description"] for each in types for field in each.get("properties", {}).values()]
    assert len(texts) > 300
    assert not [text for text in texts if "\n   " in text]


def test_all_problems_are_one_error_that_names_no_property_whose_value_would_be_shown() -> None:
    inputs: Any = {"database": {"sqlite": {}}, "artifcats": {"volume": {}}, "keys": {"kekPassphrase": "short"}}
    with pytest.raises(InputPropertiesError) as refused:
        provider.MlflowProvider().construct("mlflow", TYPE, inputs)
    told = str(refused.value)
    assert told.startswith("2 problems in the configuration of MLflow:"), told
    assert "artifcats: unknown key; did you mean artifacts?" in told
    assert "keys.kekPassphrase" in told and "short" not in told
    assert refused.value.errors == []


def test_the_document_shows_the_examples() -> None:
    document = (ROOT / "docs" / "other-languages.md").read_text()
    for language, example in {"yaml": "yaml/Pulumi.yaml", "typescript": "typescript/index.ts"}.items():
        assert f"```{language}\n{(ROOT / 'examples' / example).read_text()}```" in document
