"""What must work, or fail in order, while no cluster answers."""

from pathlib import Path

import pytest

from tests.support import configurations
from tests.support.fixtures import Deploy
from tests.support.kubernetes import unique_name
from tests.support.postgresql import Database
from tests.support.s3 import Bucket

pytestmark = pytest.mark.core

DATABASE = Database("db.example.com", 5432, "mlflow", "secret", "-----BEGIN CERTIFICATE-----\n")
BUCKET = Bucket("https://s3.example.com", "artifacts")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_preview_needs_no_cluster(new_stack: Deploy, unreachable: Path, kind: str) -> None:
    with new_stack(unreachable) as stack:
        if kind == "sqlite":
            stack.configure(configurations.sqlite(unique_name()))
        else:
            stack.configure(
                configurations.postgresql(unique_name(), DATABASE, BUCKET),
                configurations.postgresql_secrets(DATABASE, BUCKET),
            )
        plan = stack.plan()
        kinds = {step["newState"]["type"].rpartition(":")[2] for step in plan["steps"]}
        assert {"Namespace", "Deployment", "Service", "Secret", "ConfigMap", "RandomPassword"} <= kinds
        jobs = {step["urn"].rpartition("::")[2] for step in plan["steps"] if ":Job::" in step["urn"]}
        assert jobs == {"mlflow-preflight"} | ({"mlflow-migration"} if kind == "postgresql" else set())
        assert ("PersistentVolumeClaim" in kinds) == (kind == "sqlite")
        assert set(plan["changeSummary"]) == {"create"}


def test_up_without_cluster_names_the_cause_and_makes_nothing(new_stack: Deploy, unreachable: Path) -> None:
    with new_stack(unreachable) as stack:
        output = stack.configure(configurations.sqlite(unique_name())).up().failed().output
        assert "unreachable" in output
        assert "127.0.0.1:9" in output
        assert [each["type"] for each in stack.resources() if each["custom"]] == []


def test_wrong_configuration_is_refused_with_every_message_before_anything_is_made(
    new_stack: Deploy, unreachable: Path
) -> None:
    with new_stack(unreachable) as stack:
        stack.configure(
            {
                "database": {"sqlite": {}, "postgresql": {"hots": "db.example.com"}},
                "artifacts": {"s3": {"bucket": "s3://artifacts", "region": "eu-west-1"}},
                "server": {"replicas": "many", "env": {"DB_PASSWORD": "hunter2"}},
                "nmespace": "x",
            }
        )
        for output in (stack.preview().failed().output, stack.up().failed().output):
            for path in (
                "mlflow:database.postgresql: is given as well as sqlite",
                "mlflow:database.postgresql.hots: unknown key; did you mean host?",
                "mlflow:artifacts.s3.bucket: ",
                "mlflow:server.replicas: ",
                "mlflow:server.env.DB_PASSWORD: ",
                "mlflow:nmespace: unknown key; did you mean namespace?",
            ):
                assert path in output, output
            assert "hunter2" not in output
        assert stack.left() == []


def test_a_secret_of_the_wrong_type_is_not_shown(new_stack: Deploy, unreachable: Path) -> None:
    with new_stack(unreachable) as stack:
        stack.configure(configurations.sqlite(unique_name()), {"keys": "correct-horse"})
        output = stack.preview().failed().output
        assert "mlflow:keys" in output
        assert "correct-horse" not in output
