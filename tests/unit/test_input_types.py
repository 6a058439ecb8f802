"""What Pulumi's private names tell of input types; a failure here means that the SDK has changed them."""

import ast
from pathlib import Path

import pulumi
from pulumi_kubernetes.core.v1 import ContainerArgs, EnvVarArgs

from components.arguments import input_types

COMPONENTS = Path(input_types.__file__).parents[1]


@pulumi.input_type
class PairArgs:
    first_value: pulumi.Input[str] = pulumi.property("firstValue")
    other: pulumi.Input[int] = pulumi.property("otherValue", default=0)


def test_fields_of_a_declared_type() -> None:
    assert input_types.is_input_type(PairArgs)
    assert {name: spelled for name, (spelled, _) in input_types.fields(PairArgs).items()} == {
        "first_value": "firstValue",
        "other": "otherValue",
    }
    assert input_types.required(PairArgs) == ["first_value"]
    assert input_types.as_mapping(PairArgs(first_value="a")) == {"firstValue": "a", "otherValue": 0}  # type: ignore[call-arg]


def test_fields_of_a_generated_type() -> None:
    spelled, kind = input_types.fields(ContainerArgs)["image_pull_policy"]
    assert spelled == "imagePullPolicy" and "str" in str(kind)
    assert input_types.required(ContainerArgs) == ["name"]
    container = ContainerArgs(name="a", env=[EnvVarArgs(name="b")], image_pull_policy="Always")
    mapping = input_types.as_mapping(container)
    assert set(mapping) == {"name", "env", "imagePullPolicy"} and isinstance(mapping["env"][0], EnvVarArgs)


def test_other_values_are_left_alone() -> None:
    assert not any(map(input_types.is_input_type, (dict, str, list[str], None, "x", ContainerArgs(name="a"))))
    value = {"a": 1}
    assert input_types.as_mapping(value) is value


def test_private_names_of_other_packages_are_used_here_only() -> None:
    found = set()
    for path in COMPONENTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            own = isinstance(node, ast.ImportFrom) and node.level > 0
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if not own and any(
                part.startswith("_") for name in (module, *names) for part in name.split(".") if part != "__future__"
            ):
                found.add(path.name)
    assert found == {"input_types.py"}
