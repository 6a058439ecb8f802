"""Both kinds of deployment through the real engine and providers, without server pods: those are the cluster rung's."""

import base64
import collections
import json
import re
from collections.abc import Iterator

import pytest

from tests.support import canaries, configurations, earlier, postgresql, s3
from tests.support.deployed import Deployed, deploy, own_keys
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def sqlite(new_stack: Deploy, kubectl: Kubectl) -> Iterator[Deployed]:
    """The deployment with SQLite."""
    values = configurations.sqlite(unique_name(), server={"replicas": 0})
    with deploy(new_stack, kubectl, values, _planted()) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def external(
    new_stack: Deploy, kubectl: Kubectl, database: postgresql.Database, bucket: s3.Bucket
) -> Iterator[Deployed]:
    """The deployment with an external database and bucket."""
    values = configurations.postgresql(unique_name(), database, bucket, server={"replicas": 0})
    secrets = {**configurations.postgresql_secrets(database, bucket), **_planted()}
    with deploy(new_stack, kubectl, values, secrets) as deployed:
        earlier.record(deployed.stack, "postgresql")
        yield deployed


def _planted() -> dict[str, str]:
    return {"server.secretEnv.EXTRA": canaries.token(), **own_keys()}


@pytest.fixture(params=["sqlite", "external"])
def deployed(request: pytest.FixtureRequest) -> Iterator[Deployed]:
    """Each of the two, with its original configuration at the end."""
    found: Deployed = request.getfixturevalue(request.param)
    yield found
    found.reconfigure()


def test_again_changes_nothing(deployed: Deployed) -> None:
    deployed.stack.up("--expect-no-changes").succeeded()


def test_the_cluster_has_what_the_state_says(deployed: Deployed) -> None:
    deployed.stack.preview("--refresh", "--expect-no-changes").succeeded()


def test_another_encryption_key_is_refused_until_the_former_one_is_given_up(sqlite: Deployed) -> None:
    another = {"keys.kekPassphrase": "k" * 40}
    refused = sqlite.reconfigure(another).preview().failed().output
    assert "keys.kekPassphrase: is another key than before" in refused
    former = re.search(r"keys\.abandoned: \[(\w+)\]", refused)
    assert former
    sqlite.reconfigure(another, keys={"abandoned": [former[1]]}).preview().succeeded()
    # Without the one that is given, one would be generated.
    rest = {path: value for path, value in sqlite.secrets.items() if path != "keys.webhookSecretEncryptionKey"}
    generated = sqlite.stack.configure(sqlite.values, rest).preview().failed().output
    assert "keys.webhookSecretEncryptionKey: is another key than before" in generated
    sqlite.reconfigure()


def test_no_replicas_is_a_deployment_that_is_ready_at_once(deployed: Deployed, kubectl: Kubectl) -> None:
    assert kubectl.pods(deployed.namespace) == []


def test_a_changed_variable_changes_only_the_deployment(deployed: Deployed) -> None:
    server = {**deployed.values.get("server", {}), "env": {"MLFLOW_ENABLE_AI_GATEWAY": "false"}}
    plan = deployed.reconfigure(server=server).plan()
    changed = [(step["op"], step["urn"]) for step in plan["steps"] if step["op"] != "same"]
    assert {urn.partition("$")[2] for _, urn in changed} == {"kubernetes:apps/v1:Deployment::mlflow-server"}
    # A server whose volumes only one pod can hold is replaced, and its old pod ends first.
    assert any("replace" in op for op, _ in changed) is ("sqlite" in deployed.values["database"])


def test_secrets_occur_in_secrets_only(deployed: Deployed, kubectl: Kubectl) -> None:
    stack, planted = deployed.stack, deployed.secrets
    kinds = "configmaps,deployments,replicasets,jobs,pods,services,serviceaccounts,events,endpointslices"
    places = {
        "the output of `pulumi up`": deployed.up.output,
        "the event log": stack.events.read_text(),
        "the stack file": stack.config_file.read_text(),
        "the exported state": stack.export(),
        "the outputs": json.dumps(stack.outputs()),
        "the cluster": kubectl.text("get", kinds, "--namespace", deployed.namespace, "--output=json"),
        **{str(path): path.read_text() for path in (stack.folder / "backend").rglob("*.json")},
    }
    # What a change of every secret shows.
    changed = {path: value for path, value in planted.items() if not path.startswith("keys.")}
    changed |= {
        path: canaries.fernet() if "webhook" in path else canaries.token() for path in planted if path not in changed
    }
    service = kubectl.json("get", "service", "mlflow", "--namespace", deployed.namespace)
    prints = [
        value for key, value in service["metadata"]["annotations"].items() if key.startswith("mlflow-deployment/")
    ]
    stack.configure({**deployed.values, "keys": {"abandoned": prints}}, changed)
    for arguments in (["--json"], ["--diff", "--show-sames"]):
        places[f"the preview {' '.join(arguments)}"] = stack.preview(*arguments).succeeded().output
    canaries.assert_absent({**{f"former {path}": value for path, value in planted.items()}, **changed}, places)

    held = kubectl.items("secrets", deployed.namespace)
    values = [base64.b64decode(value).decode() for secret in held for value in secret["data"].values()]
    for path, canary in planted.items():
        assert canary in values, f"{path} never arrived in the cluster"


def test_restricted_pod_security_has_no_objection(deployed: Deployed, kubectl: Kubectl) -> None:
    objects = [each["inputs"] for each in deployed.stack.resources() if each["type"].startswith("kubernetes:")]
    with kubectl.namespace("enforce", "warn") as namespace:
        for made in objects:
            made["metadata"].pop("annotations", None)
            if made["kind"] != "Namespace":
                made["metadata"]["namespace"] = namespace
        created = [made for made in objects if made["kind"] != "Namespace"]
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": created})
        result = kubectl.run("create", "--dry-run=server", "--filename", "-", input=document)
        assert result.returncode == 0, result.stderr
        assert "Warning" not in result.stderr, result.stderr
        assert {made["kind"] for made in created} >= {"Deployment", "Service", "Secret", "ServiceAccount"}


class TestProtection:
    """Apart, since it shares nothing with the others and may run beside them."""

    def test_protected_data_is_deleted_in_two_steps_only(self, new_stack: Deploy, kubectl: Kubectl) -> None:
        namespace = unique_name()
        values = configurations.sqlite(namespace, server={"replicas": 0})
        with new_stack() as stack:
            stack.configure({**values, "deletionProtection": True}).up().succeeded()
            protected = [each for each in stack.resources() if each.get("protect")]
            kinds = collections.Counter(each["type"].rpartition(":")[2] for each in protected)
            assert kinds == {"Namespace": 1, "PersistentVolumeClaim": 2, "RandomPassword": 2}
            claims = _uids(kubectl, namespace)

            output = stack.destroy().failed().output
            left = {each["urn"]: each["outputs"] for each in stack.resources()}
            for each in protected:
                # What is in the namespace stops Pulumi before it comes to the namespace.
                assert each["urn"] in output or each["type"].endswith(":Namespace")
                assert left[each["urn"]] == each["outputs"]
            assert _uids(kubectl, namespace) == claims

            stack.configure(values).up().succeeded()
            assert _uids(kubectl, namespace) == claims
            stack.destroy().succeeded()
            assert stack.left() == []
            assert not kubectl.exists("namespace", namespace)


def _uids(kubectl: Kubectl, namespace: str) -> list[str]:
    return sorted(claim["metadata"]["uid"] for claim in kubectl.items("persistentvolumeclaims", namespace))
