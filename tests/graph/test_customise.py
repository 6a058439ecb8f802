"""The examples of docs/customise.md and docs/clusters.md are accepted, and do what they say."""

import re
from typing import Any

import pytest
import yaml

from tests.configurations import PRODUCTION, changed
from tests.graph.invariants import CHECKS
from tests.graph.program import Graph, deploy
from toolchain.paths import ROOT


def _examples(document: str) -> list[Any]:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return [yaml.safe_load(example) for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


EXAMPLES = _examples("customise.md")
OF_CLUSTERS = _examples("clusters.md")
EXEMPT = {
    # The checks know of containers and references of the component, and of no others.
    "mlflow:server, mlflow:pod, mlflow:names": {
        "containers_run_one_image",
        "environment_names_each_variable_once",
        "pods_have_a_read_only_root_and_a_token_only_with_rights",
        "references_have_their_objects",
    },
    "mlflow:overrides": {"probes_ask_for_health_under_the_prefix"},
}
"""Checks that do not hold for an example, by its keys."""


def merged(base: Any, example: Any) -> dict[str, Any]:
    values = {key.removeprefix("mlflow:"): value for key, value in example.items()}
    if "autoscaling" in values:
        base = {**base, "server": {}}
    return {
        **base,
        **{key: {**base.get(key, {}), **value} if isinstance(value, dict) else value for key, value in values.items()},
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example)))
def test_example_makes_a_sound_deployment(example: Any) -> None:
    configuration = merged(changed(PRODUCTION, "namespace", "ml"), example)
    graph = deploy(configuration)
    for check in CHECKS:
        if check.__name__ not in EXEMPT.get(", ".join(example), ()):
            check(graph, configuration)


@pytest.mark.parametrize("example", OF_CLUSTERS, ids=lambda example: next(iter(example)))
def test_example_for_a_cluster_with_rules_of_its_own_is_accepted(example: Any) -> None:
    assert deploy(merged({**PRODUCTION, "database": {"inClusterPostgresql": {}}}, example)).of("apps/v1:StatefulSet")


def test_overrides_do_what_the_text_says() -> None:
    (example,) = [example for example in EXAMPLES if "mlflow:overrides" in example]
    graph: Graph = deploy(merged(PRODUCTION, example))
    spec = graph.one("apps/v1:Deployment").spec
    pod = spec["template"]["spec"]
    server = pod["containers"][0]
    assert spec["minReadySeconds"] == 10 and pod["shareProcessNamespace"] is True
    assert "livenessProbe" not in server and "readinessProbe" in server
    assert "MLFLOW_DISABLE_TELEMETRY" not in [variable["name"] for variable in server["env"]]
    assert graph.one("core/v1:Service").spec["internalTrafficPolicy"] == "Local"
