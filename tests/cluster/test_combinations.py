"""Databases, artifact stores and ways to log in, each with each other: real servers, and a client that does all it can.

The deployments of each database are a class, which may run beside those of the others.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from tests.support import client, configurations, mariadb, postgresql, slapd, users
from tests.support.combinations import COMBINATIONS, DATABASES, STORES, Combination
from tests.support.fixtures import Deploy
from tests.support.kubernetes import Kubectl
from tests.support.pulumi import Stack
from tests.support.stores import STORES as MAKERS
from tests.support.stores import Store
from toolchain.session import Session

pytestmark = pytest.mark.extended

SIDE_BY_SIDE = 3
"""How many servers start at the same time: beside what other tests do, more would leave a small machine no time for its cluster."""

PROGRAM = """
import pulumi

from components import MlflowDeployment, to_arguments

for name, values in pulumi.Config("mlflow").require_object("deployments").items():
    pulumi.export(name, MlflowDeployment(name, to_arguments(values)).admin)
"""


@dataclass(frozen=True)
class Place:
    """Where the deployments are, and what they may use.

    Attributes:
        stack: The stack that makes them.
        namespace: Their namespace.
        stores: The artifact stores.
        directory: The users' directory.
    """

    stack: Stack
    namespace: str
    stores: Mapping[str, Store] = field(repr=False)
    directory: slapd.Directory = field(repr=False)


@pytest.fixture(scope="module")
def place(
    new_stack: Deploy, kubectl: Kubectl, session: Session, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A namespace in which Pod Security is enforced, with everything around it."""
    with contextlib.ExitStack() as ends:
        folders = {name: tmp_path_factory.mktemp(name) for name in STORES}
        stores = {name: ends.enter_context(MAKERS[name](session, folder)) for name, folder in folders.items()}
        directory = ends.enter_context(slapd.serve(kubectl.host_address))
        namespace = ends.enter_context(kubectl.namespace("enforce"))
        yield Place(ends.enter_context(new_stack(program=PROGRAM)), namespace, stores, directory)


@pytest.fixture(scope="class")
def admins(
    request: pytest.FixtureRequest, place: Place, postgresql_server: postgresql.Server, mariadb_server: mariadb.Server
) -> Mapping[str, Any]:
    """The deployments of the class's database, all up; the outputs that tell of their administrators."""
    assert request.cls
    chosen = [each for each in COMBINATIONS if each.database == request.cls.database]
    makers = {"postgresql": postgresql_server.database, "mariadb": mariadb_server.database}
    values = {}
    for each in chosen:
        made = makers[each.database]() if each.database in makers else None
        values[each.name] = _values(each, place, made)
    for count in range(SIDE_BY_SIDE, len(chosen) + SIDE_BY_SIDE, SIDE_BY_SIDE):
        place.stack.configure({"deployments": dict(list(values.items())[:count])}).up().succeeded()
    return place.stack.outputs()


def _values(
    chosen: Combination, place: Place, database: postgresql.Database | mariadb.Database | None
) -> dict[str, Any]:
    store, directory = place.stores[chosen.store], place.directory
    ldap = {
        "uri": directory.tls_uri,
        "tls": {"caCertificate": directory.ca_certificate},
        "userDn": f"uid=%s,{slapd.PEOPLE}",
        "userGroup": slapd.USERS_GROUP,
        "adminGroup": slapd.ADMINS_GROUP,
    }
    values = configurations.sqlite(
        place.namespace,
        createNamespace=False,
        artifacts=store.artifacts,
        server={"startupTimeoutSeconds": 600, "env": dict(store.env)},
        pod={"resources": {"cpuRequest": "20m", "memoryRequest": "256Mi"}},
        **{"none": {}, "basic": {"auth": {"basic": {}}}, "ldap": {"auth": {"ldap": ldap}}}[chosen.login],
    )
    if database is not None:
        kind = "postgresql" if chosen.database == "postgresql" else "mysql"
        values["database"] = {kind: {**configurations.connection(database), "password": database.password}}
    (kind,) = store.artifacts
    secrets = {path.removeprefix(f"artifacts.{kind}."): secret for path, secret in store.secrets.items()}
    chunks = {"uploadChunkMb": 16, "downloadChunkMb": 16} if kind == "gcs" else {}
    values["artifacts"] = {kind: {**store.artifacts[kind], **secrets, **chunks}}
    return values


class Combined:
    """What is tried with each store and its way to log in, on one database."""

    database: ClassVar[str]

    @pytest.mark.parametrize("store", STORES)
    def test_what_is_logged_is_found_again_and_nobody_else_gets_in(
        self, admins: Mapping[str, Any], store: str, place: Place, kubectl: Kubectl, tmp_path: Path
    ) -> None:
        (chosen,) = [each for each in COMBINATIONS if (each.database, each.store) == (self.database, store)]
        passwords = place.directory.passwords
        with kubectl.forward(place.namespace, chosen.name, tmp_path) as url:
            if chosen.login == "none":
                owner = None
            elif chosen.login == "basic":
                owner = users.named(kubectl, place.namespace, admins[chosen.name])
            else:
                owner = users.Login("grace", passwords["grace"])
            with client.login(*owner) if owner else contextlib.nullcontext():
                logged = client.log(url, 50 * client.MIB)
                client.read_back(url, logged)
                model = client.log_model(url, logged)
                assert client.read_model(url, logged) == model
            assert requests.get(f"{url}/health", timeout=120).status_code == 200
            assert users.status(url, owner) == 200
            foreign = {"Host": "attacker.example"}
            answer = requests.get(f"{url}/get-artifact", headers=foreign, auth=users.encoded(owner), timeout=120)
            assert answer.status_code == 403 and "Host" in answer.text, answer.text
            if owner is not None:
                _refused(url, owner, logged, chosen.login, passwords)
        read = place.stores[chosen.store].read
        if read is not None:
            assert read(f"{logged.run_id}/artifacts/model/weights.bin") == logged.artifact


class TestPostgresql(Combined):
    database = "postgresql"


class TestMariadb(Combined):
    database = "mariadb"


class TestSqlite(Combined):
    database = "sqlite"


assert [each.database for each in Combined.__subclasses__()] == [*DATABASES]


def _refused(url: str, owner: users.Login, logged: client.Logged, login: str, passwords: Mapping[str, str]) -> None:
    """Nobody without an account gets in, and who has one may read and not write."""
    strangers = [None, users.Login(owner.username, "wrong-password"), users.Login("mallory", passwords["mallory"])]
    for stranger in strangers:
        assert users.status(url, stranger) == 401, stranger
        for path in (
            "api/2.0/mlflow-artifacts/artifacts?path=",
            f"get-artifact?path=model/weights.bin&run_id={logged.run_id}",
        ):
            answer = requests.get(f"{url}/{path}", auth=users.encoded(stranger), timeout=120)
            assert answer.status_code == 401, (path, stranger, answer.text)
    reader = users.Login("ada", passwords["ada"])
    if login == "basic":
        reader = users.Login("ada", "only-to-read-1")
        assert users.create(url, owner, reader) == 200
    assert users.read_run(url, reader, logged.run_id) == 200
    assert users.log_parameter(url, reader, logged.run_id) == 403
