"""What Azure's locks and restores make of changes. Only the parts on Azure are made, so that no cluster is needed; the provider is a
stand-in."""

from pathlib import Path
from typing import Any

import pytest

from tests.configurations import AZURE, with_changes
from tests.support import azure_provider, parts
from tests.support.azure_provider import Azure
from tests.support.pulumi import cloud_stack
from toolchain.session import Session

pytestmark = pytest.mark.extended

PROGRAM = parts.program("azure", "identity", "artifacts", "grant")


def test_a_replaced_identity_is_granted_the_container_in_spite_of_the_lock(
    session: Session, unreachable: Path, tmp_path: Path
) -> None:
    cloud = Azure({})
    with (
        azure_provider.serve(cloud) as variables,
        cloud_stack(session, "azure-native", tmp_path, unreachable, program=PROGRAM, variables=variables) as stack,
    ):

        def up(**identity: str) -> None:
            values = with_changes(AZURE, {"identity.azureWorkloadIdentity": identity, "deletionProtection": protected})
            parts.give(stack, values)
            stack.up().succeeded()

        protected = True
        up(name="first")
        up(name="second")
        (identity,) = cloud.of("UserAssignedIdentity")
        assert identity["name"] == "second"
        assert identity["principalId"] in [grant["principalId"] for grant in cloud.of("RoleAssignment")]
        stack.preview("--expect-no-changes").succeeded()
        protected = False
        up(name="second")
        up(name="third")
        assert cloud.of("ManagementLockByScope") == []
        stack.destroy().succeeded()
        assert cloud.made == {}


def test_a_restored_server_keeps_database_and_password_and_is_changed_only_when_completed(
    session: Session, unreachable: Path, tmp_path: Path
) -> None:
    cloud = Azure({"azure-native:dbforpostgresql:Server": "db.example.com"})
    block = "database.azureFlexibleServer"
    first = with_changes(AZURE, {block: {"password": "password-of-the-source"}})
    folders = [tmp_path / name for name in ("source", "restored")]
    for each in folders:
        each.mkdir()
    database = parts.program("azure", "database")
    with azure_provider.serve(cloud) as variables:
        options: dict[str, Any] = {"program": database, "variables": variables}
        with (
            cloud_stack(session, "azure-native", folders[0], unreachable, **options) as source,
            cloud_stack(session, "azure-native", folders[1], unreachable, **options) as stack,
        ):
            parts.give(source, first)
            source.up().succeeded()
            (server,) = [each for each in cloud.made if each.rpartition("/")[0].endswith("/flexibleServers")]
            restored = with_changes(
                first, {f"{block}.restore": {"source": server, "pointInTime": "2026-03-14T09:26:53Z"}}
            )
            parts.give(source, restored)
            told = source.preview().failed().output
            assert f"{block}.restore: mlflow-database exists and holds its own data" in told

            parts.give(stack, restored)
            stack.up().succeeded()
            stack.preview("--expect-no-changes").succeeded()
            assert [each["administratorLoginPassword"] for each in cloud.of("Server")] == ["password-of-the-source"] * 2
            assert cloud.calls.count(("create", "Database")) == 1, "the restored one was there"
            assert [each["external"] for each in stack.resources() if each["type"].endswith(":Database")] == [True]

            longer = with_changes(restored, {f"{block}.backupRetentionDays": 30})
            parts.give(stack, longer)
            assert f"{block}.restore.completed: the server is there" in stack.preview().failed().output
            completed = with_changes(longer, {f"{block}.restore.completed": True, f"{block}.version": "18"})
            parts.give(stack, completed)
            assert {step["op"] for step in stack.plan()["steps"]} - {"same", "read"} == {"update"}
            stack.up().succeeded()
            # Without the entry, the database would be made, which is there.
            parts.give(stack, with_changes(completed, {f"{block}.restore": None}))
            assert "cannot create already existing resource" in stack.up().failed().output
            parts.give(stack, completed)
            stack.preview("--expect-no-changes").succeeded()
