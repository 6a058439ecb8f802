"""Databases by their whole URI, from a Secret and inline, and a model registry on a server of another kind."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import client, mariadb, postgresql
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl, pod_name

pytestmark = pytest.mark.extended


@pytest.mark.feature("db-uri", "db-registry")
def test_uris_from_a_secret_and_inline(
    new_stack: Deploy,
    kubectl: Kubectl,
    postgresql_server: postgresql.Server,
    mariadb_server: mariadb.Server,
    tmp_path: Path,
) -> None:
    tracking, registry = postgresql_server.database(), mariadb_server.database()
    uri = f"postgresql+psycopg2://{tracking.name}:{quote(tracking.password, safe='')}@{tracking.host}:{tracking.port}"
    uri += f"/{tracking.name}?sslmode=require"
    models = f"mysql+pymysql://{registry.name}:{quote(registry.password.encode().decode('latin-1'), safe='')}"
    models += f"@{registry.host}:{registry.port}/{registry.name}?ssl_check_hostname=false"
    with kubectl.namespace("enforce") as namespace, new_stack() as stack:
        named = {"name": "databases", "namespace": namespace}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in (("a.b", uri), ("models", models))}
        kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": data})
        values = {
            "namespace": namespace,
            "createNamespace": False,
            "database": {
                "uri": {"existingSecret": {"name": "databases", "key": "a.b"}},
                "registry": {"existingSecret": {"name": "databases", "key": "models"}},
                "connectTimeoutSeconds": 20,
            },
            "artifacts": {"volume": {"sizeGb": 1}},
            "deletionProtection": False,
        }
        stack.configure(values).up().succeeded()
        with kubectl.forward(namespace, "mlflow", tmp_path) as url:
            logged = client.log(url, client.MIB)
            client.read_back(url, logged)
        assert tracking.query("SELECT count(*) FROM runs") == [(1,)]
        assert registry.query("SELECT name FROM registered_models") == [(logged.model,)]
        assert tracking.query("SELECT count(*) FROM information_schema.tables WHERE table_name = 'registered_models'")
        assert tracking.query("SELECT count(*) FROM registered_models") == [(0,)]

        # The same inline.
        (before,) = kubectl.pods(namespace)
        del values["database"]["uri"], values["database"]["registry"]
        values["allowInsecure"] = True  # the server's certificate is for another name
        stack.configure(values, {"database.uri.value": uri, "database.registry.value": models}).up().succeeded()
        kubectl.rolled_out(namespace)
        (pod,) = kubectl.pods(namespace)
        assert pod_name(pod) != pod_name(before)
        with kubectl.forward(namespace, "mlflow", tmp_path) as url:
            client.read_back(url, logged)

        # What only the pod can know: a Secret that holds no database server.
        encoded = base64.b64encode(b"sqlite:////tmp/mlflow.db").decode()
        kubectl.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {**named, "name": "wrong"}, "data": {"a": encoded}}
        )
        values["database"]["uri"] = {"existingSecret": {"name": "wrong", "key": "a"}}
        output = stack.configure(values).up().failed().output
        assert "the dialect 'sqlite' of the database URI is not supported here" in output
