"""Automatic upgrades: which databases can have them."""

from typing import Any

import pytest

from components import to_arguments
from tests.configurations import AWS, AZURE, DEV, GCP, PRODUCTION, changed
from tests.unit.refusals import messages

AUTOMATIC = {"upgrade": {"mode": "automatic"}}


@pytest.mark.parametrize("configuration", [AWS, GCP, AZURE, DEV, {**PRODUCTION, "upgrade": {"mode": "manual"}}])
def test_managed_databases_have_backups_of_their_own_and_sqlite_is_copied(configuration: dict[str, Any]) -> None:
    assert messages({**configuration, **({} if "upgrade" in configuration else AUTOMATIC)}) == []


def test_without_backups_they_must_be_wanted() -> None:
    (message,) = messages({**PRODUCTION, **AUTOMATIC})
    assert message.startswith("upgrade.mode: 'automatic' needs a backup to go back to, and none is configured")
    assert "upgrade.withoutBackup: true" in message
    assert messages({**PRODUCTION, "upgrade": {"mode": "automatic", "withoutBackup": True}}) == []


def test_backups_that_are_off_are_named() -> None:
    off = changed({**AWS, **AUTOMATIC, "allowInsecure": True}, "database.rds.backup", {"retentionDays": 0})
    assert any("database.rds.backup.retentionDays is 0" in message for message in messages(off))


@pytest.mark.parametrize("mode", ["automatic", "blue-green"])
@pytest.mark.parametrize(
    "database",
    [
        {"mssql": {"uri": "mssql+pyodbc://u:p@h/d"}},
        {"sqlServer": {"host": "h", "database": "d", "username": "u", "password": "p"}},
    ],
)
def test_sql_server_does_not_tell_who_is_connected(mode: str, database: dict[str, Any]) -> None:
    configuration = changed({**PRODUCTION, "upgrade": {"mode": mode}}, "database", database)
    refused = f"upgrade.mode: {mode!r} is not possible on SQL Server"
    assert any(message.startswith(refused) for message in messages(configuration))


BLUE_GREEN = {"upgrade": {"mode": "blue-green"}}


@pytest.mark.parametrize("mode", ["automatic", "blue-green"])
@pytest.mark.parametrize("database", [None, {}])
def test_without_a_database_that_alone_is_told(mode: str, database: Any) -> None:
    (message,) = messages({**PRODUCTION, "upgrade": {"mode": mode}, "database": database})
    assert message.startswith("database: ")


def test_a_copy_needs_no_backup_but_one_database_on_a_server() -> None:
    assert messages({**PRODUCTION, **BLUE_GREEN}) == [] and to_arguments({**PRODUCTION, **BLUE_GREEN}).upgrades_itself
    (message,) = messages({**DEV, **BLUE_GREEN})
    assert message.startswith("upgrade.mode: 'blue-green' needs a database server") and "use manual" in message
    registry = {**PRODUCTION["database"], "registry": {"uri": "postgresql://u:p@h/registry"}}
    (message, *_) = [each for each in messages({**PRODUCTION, **BLUE_GREEN, "database": registry}) if "mode" in each]
    assert message.startswith(
        "upgrade.mode: 'blue-green' copies one database, and there is another in database.registry"
    )
    assert "use automatic" in message


def test_only_a_server_is_upgraded_by_the_job() -> None:
    assert not to_arguments({**DEV, **AUTOMATIC}).upgrades_itself
    assert to_arguments({**AWS, **AUTOMATIC}).upgrades_itself
