"""The block `backup.continuous`: what is refused, with the fix, and which of several host keys Litestream is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.pods.continuous import host_key
from tests.configurations import AWS, AZURE, DEV, GCP, PRODUCTION, with_changes
from tests.unit.refusals import messages

BACKUP = {
    "backup.destination": {
        "s3": {"bucket": "backups", "endpointUrl": "https://s", "accessKeyId": "i", "secretAccessKey": "k"}
    }
}


def _with(**continuous: Any) -> dict[str, Any]:
    return {**BACKUP, "backup.continuous": continuous}


def _refused(base: Mapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    return [each for each in messages(with_changes(base, changes)) if each.startswith("backup.continuous")]


@pytest.mark.parametrize(
    "changes",
    [{}, {"auth": {"basic": {}}}, {"monitoring.prometheus": True}, {"backup.destination": {"volume": {}}}],
)
def test_is_accepted_with_sqlite(changes: dict[str, Any]) -> None:
    assert messages(with_changes(DEV, {**_with(), **changes})) == []


KEYS = {"account": "mlflowbackups", "container": "backups", "accessKey": "k"}


@pytest.mark.parametrize(
    "destination", [{"volume": {}}, {"gcs": {"bucket": "backups", "existingSecret": {"name": "key"}}}, {"azure": KEYS}]
)
def test_is_accepted_with_postgresql_in_the_cluster(destination: dict[str, Any]) -> None:
    changes = {**_with(), "backup.destination": destination, "database": {"inClusterPostgresql": {}}}
    assert not [each for each in messages(with_changes(PRODUCTION, changes)) if each.startswith("backup")]


def test_an_identity_of_azure_is_refused_by_pgbackrest() -> None:
    changes = {
        **_with(),
        "backup.destination": {"azure": {"account": "mlflowbackups", "container": "backups"}},
        "database": {"inClusterPostgresql": {}},
    }
    found = [each for each in messages(with_changes(PRODUCTION, changes)) if each.startswith("backup.destination")]
    assert [each for each in found if "has no access key, and pgBackRest knows no workload identity" in each], found


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (PRODUCTION, {}, "is for SQLite and for PostgreSQL in the cluster, and the database is postgresql; remove it: have its own server archive its log"),
        (AWS, {}, "is for SQLite and for PostgreSQL in the cluster, and the database is rds; remove it: it restores to any moment by itself"),
        (GCP, {}, "is for SQLite and for PostgreSQL in the cluster, and the database is cloudSql; remove it: it restores to any moment by itself"),
        (AZURE, {}, "is for SQLite and for PostgreSQL in the cluster, and the database is azureFlexibleServer; remove it: it restores to any moment by itself"),
        (PRODUCTION, {"database": {"inClusterMysql": {}}}, "is for SQLite and for PostgreSQL in the cluster, and the database is inClusterMysql; remove it: take"),
        (DEV, {"auth": {"basic": {"existingConfig": {"name": "users"}, "existingSecret": {"name": "a"}}}}, "cannot know where auth.basic"),
    ],
)  # fmt: skip
def test_is_refused_where_it_would_keep_nothing(base: Mapping[str, Any], changes: dict[str, Any], message: str) -> None:
    (found,) = _refused(base, {**_with(), **changes})
    assert found.startswith(f"backup.continuous: {message}"), found


@pytest.mark.parametrize(
    ("continuous", "changes", "message"),
    [
        ({"intervalSeconds": 0}, {}, ".intervalSeconds: 0 is out of range; use a value from 1"),
        ({"retentionDays": 0}, {}, ".retentionDays: 0 is out of range; use a value from 1"),
        ({"scratchSize": "5"}, {}, ".scratchSize: '5' is less than a mebibyte"),
        ({"image": "litestream"}, {}, ".image: 'litestream' is not an image"),
        ({"metricsPort": 5000}, {"monitoring.prometheus": True}, ".metricsPort: 5000 is the port of server.port"),
        ({"metricsPort": 80}, {}, ".metricsPort: 80 is out of range"),
        ({"pointInTime": "2026-03-14"}, {}, ".pointInTime: '2026-03-14' is not a date with a time of day"),
        (
            {"pointInTime": "2026-03-14T09:26:53Z"},
            {"database": {"inClusterPostgresql": {}}},
            ".pointInTime: is for SQLite, and the database is inClusterPostgresql",
        ),
    ],
)
def test_values_are_checked(continuous: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    (found,) = _refused(DEV, {**_with(**continuous), **changes})
    assert found.startswith(f"backup.continuous{message}"), found


def test_a_container_of_the_user_cannot_have_the_port_of_the_metrics() -> None:
    container = {"name": "log", "image": "x:1", "ports": [{"containerPort": 9102}]}
    changes = {**_with(), "monitoring.prometheus": True, "pod.containers": [container]}
    (found,) = messages(with_changes(DEV, changes))
    assert found.startswith(
        "pod.containers[0].ports[0].containerPort: 9102 is the port of backup.continuous.metricsPort"
    )


def test_the_host_key_is_the_one_that_go_asks_for_first() -> None:
    lines = ["# keys of h", "h ssh-ed25519 AAAA1", "h ssh-rsa AAAA2 comment", "h ecdsa-sha2-nistp256 AAAA3", ""]
    assert host_key("\n".join(lines), "h") == "ecdsa-sha2-nistp256 AAAA3"
    assert host_key("\n".join(lines[:3]), "h") == "ssh-rsa AAAA2"
    assert host_key(lines[1], "h") == "ssh-ed25519 AAAA1"


def test_the_host_key_is_not_that_of_another_host() -> None:
    """Which Litestream would compare with, and then refuse the server."""
    # As `ssh-keygen -H` writes `h`.
    hashed = "|1|c2FsdHNhbHRzYWx0c2FsdHM=|8X9BNNGbMm8LSvTfAZt5gXew7uc= ssh-ed25519 AAAA1"
    for line in ("h,10.0.0.7 ssh-ed25519 AAAA1", hashed):
        assert host_key(f"other ecdsa-sha2-nistp256 AAAA3\n{line}\nhh ssh-rsa AAAA2", "h") == "ssh-ed25519 AAAA1"


@pytest.mark.parametrize("line", ["other ssh-ed25519 AAAA1", "h ssh-dss AAAA4"])
def test_a_server_whose_key_is_not_known_is_refused(line: str) -> None:
    """Litestream trusts whoever answers if it is told no key."""
    with pytest.raises(ValueError, match=r"^backup\.destination\.sftp\.knownHosts: has no key of 'h'"):
        host_key(line, "h")
