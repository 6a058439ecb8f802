"""The component in other languages: the examples in YAML and TypeScript through the provider, which the engine starts."""

import base64
import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import canaries, wheel
from tests.support.kubernetes import Kubectl
from tests.support.pulumi import Stack, stack
from toolchain.paths import ROOT
from toolchain.session import Session

pytestmark = pytest.mark.extended

EXAMPLES = ROOT / "examples"
PROVIDER = ROOT / "provider"


@pytest.fixture(scope="module")
def checkout(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the provider as `pulumi install` leaves it, and a folder for examples beside it as in the repository."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PROVIDER, folder / "provider")
    built = wheel.build(tmp_path_factory.mktemp("dist"))
    # Where the engine installs what is required once more, it finds it.
    (folder / "provider" / "requirements.txt").write_text(f"--constraint {ROOT / 'requirements.lock'}\n{built}\n")
    wheel.install(built, folder / "provider" / "venv", session.python, wheel.LOCKED)
    return folder


@pytest.fixture(scope="module")
def secret() -> str:
    return canaries.token() * 2


@contextlib.contextmanager
def example(session: Session, checkout: Path, kubeconfig: Path, name: str, secret: str) -> Iterator[Stack]:
    """A stack of one of the examples."""
    folder = checkout / "examples" / name
    folder.mkdir(parents=True)
    with stack(session, folder, kubeconfig, program=EXAMPLES / name) as made:
        yield made.configure({}, {f"mlflow-in-{name}:kekPassphrase": secret})


@pytest.fixture(scope="module")
def in_yaml(session: Session, checkout: Path, kubectl: Kubectl, secret: str) -> Iterator[Stack]:
    """A deployment that is up."""
    with example(session, checkout, kubectl.kubeconfig, "yaml", secret) as made:
        made.up().succeeded()
        yield made


@pytest.fixture(scope="module")
def in_typescript(session: Session, checkout: Path, kubectl: Kubectl, secret: str) -> Iterator[Stack]:
    """Set up as the documents say."""
    with example(session, checkout, kubectl.kubeconfig, "typescript", secret) as made:
        made.install().succeeded()
        yield made


@pytest.mark.feature("languages")
def test_a_program_in_yaml_deploys_mlflow(in_yaml: Stack, kubectl: Kubectl, secret: str) -> None:
    outputs = in_yaml.outputs()
    assert outputs["trackingUri"] == "http://mlflow.mlflow-yaml.svc.cluster.local"
    assert kubectl.pods("mlflow-yaml"), "no server runs"
    in_yaml.up("--expect-no-changes").succeeded()

    held = kubectl.items("secrets", "mlflow-yaml")
    assert secret in [base64.b64decode(value).decode() for each in held for value in each["data"].values()]
    places = {
        "the event log": in_yaml.events.read_text(),
        "the exported state": in_yaml.export(),
        "the outputs": json.dumps(outputs),
        "the preview": in_yaml.preview("--diff", "--show-sames").succeeded().output,
    }
    canaries.assert_absent({"the passphrase": secret}, places)


@pytest.mark.feature("languages")
def test_a_program_in_typescript_deploys_the_same(in_typescript: Stack, in_yaml: Stack, kubectl: Kubectl) -> None:
    program = in_typescript.folder / "index.ts"
    program.write_text(program.read_text().replace("database:", "server: { replicas: 0 },\n    database:"))
    in_typescript.up().succeeded()
    assert kubectl.items("deployments", "mlflow-typescript")
    assert in_typescript.outputs()["trackingUri"] == "http://mlflow.mlflow-typescript.svc.cluster.local"
    in_typescript.up("--expect-no-changes").succeeded()
    assert made(in_typescript) == made(in_yaml)


def made(stack: Stack) -> set[tuple[str, str]]:
    """Each resource by its type, those of its parents, and its name."""
    return {tuple(each["urn"].split("::")[2:]) for each in stack.resources()}


def test_a_stack_moves_to_a_program_in_python_without_changes(
    session: Session, in_yaml: Stack, kubectl: Kubectl, tmp_path: Path
) -> None:
    program = (
        "import pulumi\nfrom components import MlflowDeployment\n"
        'MlflowDeployment("mlflow", {"namespace": "mlflow-yaml", "database": {"sqlite": {}},'
        ' "artifacts": {"volume": {"size_gb": 10}},'
        ' "keys": {"kek_passphrase": pulumi.Config().require_secret("kekPassphrase")}})\n'
    )
    moved = Stack(session, tmp_path, kubectl.kubeconfig, program=program, project="mlflow-in-yaml")
    moved.load(json.loads(in_yaml.export()))
    moved.config_file.write_text(in_yaml.config_file.read_text())
    plan = moved.plan()
    assert {(step["op"], step["urn"]) for step in plan["steps"] if step["op"] != "same"} == set()


def test_all_problems_are_told_at_once_without_a_stack_trace(in_yaml: Stack) -> None:
    project = in_yaml.folder / "Pulumi.yaml"
    right = project.read_text()
    try:
        project.write_text(
            right.replace("mlflow-yaml", "kube-mlflow").replace("database:", "server: {replicas: 2}\n      database:")
        )
        told = in_yaml.preview().failed().output
        assert "3 problems in the configuration of MLflow" in told
        for path in (
            "namespace: 'kube-mlflow' belongs to Kubernetes",
            "server.replicas: 2 replicas cannot share a SQLite file",
        ):
            assert path in told
        # YAML's own check against the schema comes before.
        project.write_text(right.replace("sizeGb: 10", "sizeGB: 10"))
        assert "Existing properties are: sizeGb" in in_yaml.preview().failed().output
    finally:
        project.write_text(right)


def test_outputs_and_providers_of_the_program_reach_the_component(
    session: Session, checkout: Path, unreachable: Path
) -> None:
    folder = checkout / "examples" / "composition"
    folder.mkdir(parents=True)
    new = Stack(session, folder, unreachable, program=EXAMPLES / "yaml")
    others = """resources:
  passphrase: {type: random:RandomPassword, properties: {length: 40, special: false}}
  cluster: {type: pulumi:providers:kubernetes}
"""
    project = folder / "Pulumi.yaml"
    program = project.read_text().replace("resources:\n", others).replace("${kekPassphrase}", "${passphrase.result}")
    project.write_text(
        program.replace("    properties:\n", "    options: {providers: ['${cluster}']}\n    properties:\n")
    )
    steps = new.configure({}, {"mlflow-in-yaml:kekPassphrase": canaries.token()}).plan()["steps"]
    made = {step["urn"].rpartition("::")[2]: step["newState"] for step in steps}
    assert "::cluster::" in made["mlflow-service"]["provider"]
    assert "passphrase" in made
