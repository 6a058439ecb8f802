"""The programs in examples/ that make network, cluster and MLflow, where the provider cannot be had whole.

That of AWS is previewed by the real engine in `tests/engine/test_aws_examples.py`.
"""

import base64
import runpy
import sys

import pulumi
import pytest
import yaml

import components
from tests.graph import clouds
from tests.graph.invariants import plain
from tests.graph.program import Graph, run
from tests.support.commands import programs
from tests.support.sdk_types import is_typed, misfits
from toolchain.paths import ROOT

BLOCKS = [
    pytest.param(block, id=f"{document.name}-{number}")
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for number, block in enumerate(programs(document))
    if "import pulumi" in block  # that of a client is run in tests/cluster/test_sqlite.py
]
KUBECONFIG = {"kubeconfigs": [{"name": "user", "value": base64.b64encode(b"apiVersion: v1").decode()}]}
ANSWERS = {"azure-native:containerservice:listManagedClusterUserCredentials": KUBECONFIG}


def graph_of(name: str, monkeypatch: pytest.MonkeyPatch, preview: bool) -> Graph:
    """What a program registers, with its own configuration."""
    folder = ROOT / "examples" / name
    monkeypatch.setitem(sys.modules, "pulumi_mlflow", components)
    configuration = yaml.safe_load((folder / "Pulumi.dev.yaml").read_text())["config"]

    def program() -> None:
        pulumi.runtime.set_all_config(configuration)
        runpy.run_path(str(folder / "__main__.py"))

    return run(program, preview=preview, answers=ANSWERS)


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("gcp", {"Network": 1, "Connection": 1, "Cluster": 1, "DatabaseInstance": 1, "Bucket": 1, "Account": 1}),
        ("azure", {"Subnet": 3, "PrivateZone": 2, "ManagedCluster": 1, "Server": 1, "StorageAccount": 1, "PrivateEndpoint": 1}),
    ],
)  # fmt: skip
def test_example_makes_everything_and_every_input_fits_the_sdk(
    name: str, kinds: dict[str, int], preview: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = graph_of(name, monkeypatch, preview)
    types = [registration.type.rpartition(":")[2] for registration in graph]
    assert {kind: types.count(kind) for kind in kinds} == kinds
    judged = [registration for registration in graph if is_typed(registration.type)]
    found = {each.name: misfits(each.type, plain(each.inputs)) for each in judged}
    assert {key: problems for key, problems in found.items() if problems} == {}
    (provider,) = [registration for registration in graph if registration.type == "pulumi:providers:kubernetes"]
    objects = [each for each in graph if each.type.startswith("kubernetes:")]
    assert objects and {each.provider.partition("::cluster")[0] for each in objects} == {
        provider.urn.partition("::cluster")[0]
    }


def test_what_the_database_needs_of_the_network_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    google, azure = graph_of("gcp", monkeypatch, False), graph_of("azure", monkeypatch, False)
    assert google.one("Connection").urn in google.one("DatabaseInstance").depends_on
    assert azure.named("databases", "VirtualNetworkLink").urn in azure.one("dbforpostgresql:Server").depends_on


def test_the_identity_trusts_the_cluster_that_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    trust = graph_of("azure", monkeypatch, False).one("FederatedIdentityCredential")
    assert trust.inputs["issuer"] == clouds.ISSUER


@pytest.mark.parametrize("block", BLOCKS)
def test_programs_in_documents_run_as_they_stand(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pulumi_mlflow", components)

    def program() -> None:
        pulumi.runtime.set_all_config({"mlflow:databasePassword": "of-the-database"})
        exec(compile(block, "block", "exec"), {})

    assert run(program).of("index:MlflowDeployment")
