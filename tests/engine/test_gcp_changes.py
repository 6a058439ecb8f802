"""What Google's provider plans for a Cloud SQL instance that was restored. Only the parts on Google Cloud are made, so that no cluster is
needed, and no database is real."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.configurations import CERTIFICATE, GCP, with_changes
from tests.support import gcp, parts
from tests.support.pulumi import Stack, cloud_stack
from toolchain.session import Session

pytestmark = pytest.mark.extended

PROGRAM = parts.program("gcp", "database")
RESTORE = "database.cloudSql.restore"
FIRST = with_changes(GCP, {"deletionProtection": False, "database.cloudSql.password": "password-of-the-source"})
TIME = "2026-03-14T09:26:53Z"


@dataclass
class Remembered:
    """A server that only remembers passwords."""

    ca_certificate: str = CERTIFICATE
    passwords: list[str] = field(default_factory=list)

    def user(self, name: str, password: str) -> None:
        self.passwords.append(password)

    def database(self, name: str) -> None: ...

    def allow(self, user: str, database: str) -> None: ...

    def runs(self, database: str) -> int:
        return 0

    def drop(self, users: list[str], databases: list[str]) -> None: ...


@pytest.fixture(scope="module")
def server() -> Remembered:
    return Remembered()


@pytest.fixture(scope="module")
def cloud(server: Remembered) -> Iterator[gcp.Cloud]:
    with gcp.serve(gcp.Cloud({"POSTGRES": ("10.9.0.3", server)}, "http://127.0.0.1:1")) as made:
        yield made


@pytest.fixture(scope="module")
def source(
    session: Session, unreachable: Path, cloud: gcp.Cloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack with an instance of its own."""
    with cloud_stack(session, "gcp", tmp_path_factory.mktemp("source"), unreachable, program=PROGRAM) as made:
        parts.give(made.configure(cloud.configuration), FIRST)
        made.up().succeeded()
        yield made


def the_instance(stack: Stack) -> dict[str, Any]:
    (found,) = [each["outputs"] for each in stack.resources() if each["type"].endswith(":DatabaseInstance")]
    return found


@pytest.mark.parametrize(
    "restore", [{"pointInTime": TIME}, {"snapshot": "1740000000000"}], ids=lambda each: next(iter(each))
)
def test_a_restored_instance_plans_no_change_and_has_our_password(
    session: Session,
    unreachable: Path,
    cloud: gcp.Cloud,
    server: Remembered,
    source: Stack,
    tmp_path: Path,
    restore: dict[str, str],
) -> None:
    name = the_instance(source)["name"]
    ours = with_changes(FIRST, {RESTORE: {"source": name, **restore}, "database.cloudSql.password": "password-of-ours"})
    with cloud_stack(session, "gcp", tmp_path, unreachable, program=PROGRAM) as stack:
        parts.give(stack.configure(cloud.configuration), ours)
        stack.up().succeeded()
        stack.preview("--expect-no-changes").succeeded()
        restored = the_instance(stack)
        assert restored["name"] != name
        assert (
            restored["settings"]["backupConfiguration"]["enabled"]
            and not restored["settings"]["ipConfiguration"]["ipv4Enabled"]
        )
        assert server.passwords[-1] == "password-of-ours"
        assert [each["external"] for each in stack.resources() if each["type"].endswith(":Database")] == [True]

        # Neither another backup nor another time is ever loaded over the data.
        before = list(cloud.calls)
        later = {"snapshot": "1750000000000"} if "snapshot" in restore else {"pointInTime": "2026-03-15T09:26:53Z"}
        parts.give(stack, with_changes(ours, {RESTORE: {"source": name, **later}}))
        told = stack.up().failed().output
        assert f"{RESTORE}: mlflow-database exists and was restored from" in told
        assert cloud.calls == before

        # Without the entry, the database would be made, which is there.
        parts.give(stack, with_changes(ours, {RESTORE: None}))
        steps = {step["urn"].rpartition("$")[2]: step["op"] for step in stack.plan()["steps"]}
        assert {kind: op for kind, op in steps.items() if op not in ("same", "read")}.keys() == {
            "gcp:sql/database:Database::mlflow-database"
        }
        parts.give(stack, ours)


def test_an_instance_with_data_of_its_own_is_not_restored_and_upgraded_in_place(
    source: Stack, cloud: gcp.Cloud
) -> None:
    before = list(cloud.calls)
    parts.give(source, with_changes(FIRST, {RESTORE: {"source": "another", "snapshot": "1740000000000"}}))
    told = source.preview().failed().output
    assert f"{RESTORE}: mlflow-database exists and holds its own data" in told and "nothing was changed" in told
    assert cloud.calls == before
    parts.give(source, with_changes(FIRST, {"database.cloudSql.version": "18"}))
    assert [step["op"] for step in source.plan()["steps"] if "DatabaseInstance" in step["urn"]] == ["update"], (
        "upgraded in place"
    )
    parts.give(source, FIRST)
