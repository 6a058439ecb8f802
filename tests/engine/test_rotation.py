"""The passphrase of the gateway's secrets is replaced, with MLflow's own store on real databases; the program is a process of this machine.
And the engine lets keys go that it has generated and protects, by what the command line says."""

import base64
import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.crypto import KEKManager, decrypt_with_aes_gcm, unwrap_dek

from components.operations import rotation as rotations
from components.operations.cluster import Cluster
from components.operations.target import Target
from tests.support import configurations, forks, mariadb, older, postgresql, rotation, schemas
from tests.support.deployed import deploy
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, unique_name

pytestmark = pytest.mark.extended

OLD, NEW, OTHER = ("passphrase of the tests, number " + each * 10 for each in "123")
SERVER = """
import os, sys
from mlflow.store.tracking.dbmodels.models import SqlGatewaySecret
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

store = SqlAlchemyStore(os.environ["MLFLOW_BACKEND_STORE_URI"], "mlflow-artifacts:/")
with store.ManagedSessionMaker() as session:
    known = {each.secret_name: each.secret_id for each in session.query(SqlGatewaySecret)}
print("serving", flush=True)
for name in sys.argv[1:]:
    if name in known:
        store.update_gateway_secret(known[name], {"api_key": f"another key of {name}"})
    else:
        store.create_gateway_secret(name, {"api_key": f"key of {name}"})
"""
BY_ITSELF = """
import os, sys
import mlflow.utils.crypto as crypto
import upgrade

rotate, calls = crypto.rotate_secret_encryption, []

def rotated(*given):
    calls.append(given)
    if len(calls) == 3 and "ENDS" in os.environ:
        os._exit(9)
    if len(calls) == 3 and "WAITS" in os.environ:
        print("in the middle", flush=True)
        sys.stdin.readline()
    return rotate(*given)

crypto.rotate_secret_encryption = rotated
sys.exit(upgrade.main())
"""


class World:
    """A database with secrets, servers that open them, and the program."""

    def __init__(self, folder: Path, database: older.Database) -> None:
        self.database, self.folder = database, folder
        schemas.programs(folder)
        (folder / "by_itself.py").write_text(BY_ITSELF)

    def server(self, *names: str) -> "subprocess.Popen[str]":
        """A server with the old passphrase that writes secrets of these names."""
        uri = older.uri(self.database)
        return forks.python("-c", SERVER, *names, MLFLOW_BACKEND_STORE_URI=uri, MLFLOW_CRYPTO_KEK_PASSPHRASE=OLD)

    def opened(self, passphrase: str, version: int) -> dict[str, Any]:
        """What a server with this passphrase reads: None is what it cannot open."""
        kek, found = KEKManager(passphrase, version).get_kek(), {}
        for name, value, wrapped, number in self.database.query(
            "SELECT secret_name, encrypted_value, wrapped_dek, secret_id FROM secrets"
        ):
            found[name] = None
            with contextlib.suppress(MlflowException):
                text = decrypt_with_aes_gcm(value, unwrap_dek(wrapped, kek), f"{number}|{name}".encode())
                found[name] = json.loads(text)["api_key"]
        return found

    def rotation(self, new: str = NEW, **more: str) -> "subprocess.Popen[str]":
        kek = {"MLFLOW_CRYPTO_KEK_PASSPHRASE": OLD, "MLFLOW_CRYPTO_KEK_VERSION": "1", "ROTATE_KEK_PASSPHRASE": new}
        program = self.folder / "by_itself.py"
        return schemas.migrate(program, self.database, MIGRATION_MODE="rotate-kek", **kek, **more)


@pytest.fixture(params=["postgresql", "mariadb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    server: postgresql.Server | mariadb.Server = request.getfixturevalue(f"{request.param}_server")
    return World(tmp_path, server.database())


def test_a_rotation_is_wholly_done_or_not_at_all_and_loses_nothing_that_is_written_meanwhile(world: World) -> None:
    secrets = {name: f"key of {name}" for name in "abcde"}
    schemas.ended(world.server(*secrets))
    assert world.opened(OLD, 1) == secrets

    # What cannot work, and a process that is ended in the middle, change nothing.
    schemas.ended(world.rotation(ENDS="1"), 9)
    assert "the new passphrase has 5 characters" in schemas.ended(world.rotation("short"), 1)
    assert "the new passphrase is the old one" in schemas.ended(world.rotation(OLD), 1)
    assert world.opened(OLD, 1) == secrets

    # A server with the old passphrase writes while it runs; the next run finds what it has written.
    rotation = world.rotation(WAITS="1")
    assert rotation.stdin is not None and rotation.stdout is not None
    assert any(line == "in the middle\n" for line in rotation.stdout)
    writer = world.server("a", "f")
    assert writer.stdout is not None and any(line == "serving\n" for line in writer.stdout)
    rotation.stdin.write("\n")
    assert "done: 5 secrets wrapped again" in schemas.ended(rotation)
    schemas.ended(writer)
    secrets |= {"a": "another key of a", "f": "key of f"}
    assert world.opened(NEW, 2) == {**secrets, "a": None, "f": None}
    output = schemas.ended(world.rotation(OTHER), 1)
    assert all(name in output.partition("opens")[2] for name in "bcde"), (
        "another passphrase than the one that was begun with"
    )
    assert "2 secrets to wrap again, 4 have the new passphrase already" in schemas.ended(world.rotation())
    assert world.opened(NEW, 2) == secrets and world.opened(OLD, 1) == dict.fromkeys(secrets)
    assert {version for (version,) in world.database.query("SELECT kek_version FROM secrets")} == {2}


def test_generated_keys_are_let_go_as_the_command_line_says(
    new_stack: Deploy, kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubectl.kubeconfig))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubectl.kubeconfig))
    values = {**configurations.sqlite(unique_name()), "deletionProtection": True}
    values["server"] = {**values["server"], "replicas": 0}
    with deploy(new_stack, kubectl, values, {}) as deployed:
        target = Target(Cluster.connect(None), deployed.namespace, "mlflow")

        def key(name: str) -> str:
            (server,) = kubectl.items("deployments", deployed.namespace)
            (container,) = server["spec"]["template"]["spec"]["containers"]
            (found,) = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if each["name"] == name]
            return "/".join((found["name"], found["key"]))

        before = key("MLFLOW_FLASK_SERVER_SECRET_KEY")
        kubectl.secret(deployed.namespace, "mlflow-kek-2", {"passphrase": NEW})
        told = rotations.advice(
            target, {"to": {"name": "mlflow-kek-2", "key": "passphrase"}, "version": 2}
        ).splitlines()
        for name in ("webhook-key", "flask-key"):
            told += "\n".join(rotations.steps(target, name)).replace("abandoned[0]", "abandoned[1]").splitlines()
        another = base64.urlsafe_b64encode(os.urandom(32)).decode()
        commands = [line.partition("   (")[0].strip() for line in told if line.startswith("  ")]
        # Each list has an `up` of its own; one is enough here, since it would refuse each change by itself.
        done = rotation.shell(
            deployed,
            kubectl,
            "\n".join(
                (
                    f"pulumi config set --secret --path mlflow:keys.webhookSecretEncryptionKey {another}",
                    *(each for each in commands if each != "pulumi up"),
                    "pulumi up",
                )
            ),
        )
        assert done.returncode == 0, done.stdout
        assert key("MLFLOW_CRYPTO_KEK_PASSPHRASE") == "mlflow-kek-2/passphrase"
        assert key("MLFLOW_FLASK_SERVER_SECRET_KEY") != before
        deployed.stack.up("--expect-no-changes").succeeded()
