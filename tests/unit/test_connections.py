"""One budget of database connections: what the pods may open, and what each kind of server grants."""

from typing import Any

import pytest

from components import to_arguments
from components.arguments import AzureFlexibleServerArgs, CloudEngine, CloudSqlArgs, CloudSqlEdition
from components.arguments.connections import needed
from tests.unit.refusals import messages

S3 = {"s3": {"bucket": "artifacts", "region": "eu-west-1", "accessKeyId": "k", "secretAccessKey": "secret"}}
GCP = {"gcp": {"project": "project-1", "region": "europe-west1", "network": "projects/project-1/global/networks/n"}}
POSTGRESQL = {"host": "db", "password": "secret"}


def made(database: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"database": database, "artifacts": S3, **more}


@pytest.mark.parametrize(
    ("engine", "sku", "granted"),
    [
        # https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits: for users
        (CloudEngine.POSTGRESQL, "Standard_B1ms", 35),
        (CloudEngine.POSTGRESQL, "Standard_B2s", 414),
        (CloudEngine.POSTGRESQL, "Standard_D2ds_v5", 844),
        (CloudEngine.POSTGRESQL, "Standard_D4ads_v5", 1703),
        (CloudEngine.POSTGRESQL, "Standard_E4s_v3", 3422),
        (CloudEngine.POSTGRESQL, "Standard_D64ds_v4", 4985),
        (CloudEngine.POSTGRESQL, "Standard_B3xyz", None),
        # https://learn.microsoft.com/azure/mysql/flexible-server/concepts-server-parameters#max_connections
        (CloudEngine.MYSQL, "Standard_B1s", 85),
        (CloudEngine.MYSQL, "Standard_B1ms", 171),
        (CloudEngine.MYSQL, "Standard_D2ads_v5", 683),
        (CloudEngine.MYSQL, "Standard_E8ds_v5", 5461),
    ],
)
def test_what_azure_grants(engine: CloudEngine, sku: str, granted: int | None) -> None:
    assert AzureFlexibleServerArgs(engine=engine, sku=sku).connections == granted


def test_a_parameter_of_the_user_counts_before_the_machine() -> None:
    server = AzureFlexibleServerArgs(sku="Standard_B1ms", parameters={"max_connections": "115"})
    assert server.connections == 100
    rds = {"rds": {"engine": "postgresql", "parameters": {"max_connections": "59"}}}
    args = {"aws": {"vpcId": "vpc-1", "subnetIds": ["subnet-1", "subnet-2"], "clusterSecurityGroupIds": ["sg-1"]}}
    (line,) = [each for each in messages(made(rds, server={"replicas": 2}, **args)) if "grants" in each]
    assert "= 60, but the database grants 59" in line
    formula = {"rds": {"engine": "postgresql", "parameters": {"max_connections": "LEAST({DBInstanceClassMemory/2},9)"}}}
    assert not [each for each in messages(made(formula, server={"replicas": 2}, **args)) if "grants" in each]


@pytest.mark.parametrize(
    ("engine", "tier", "granted"),
    [
        (CloudEngine.POSTGRESQL, "db-f1-micro", 25),
        (CloudEngine.POSTGRESQL, "db-g1-small", 50),
        (CloudEngine.POSTGRESQL, "db-custom-1-3840", 100),
        (CloudEngine.POSTGRESQL, None, 400),
        (CloudEngine.MYSQL, "db-f1-micro", 250),
        (CloudEngine.MYSQL, "db-g1-small", 1000),
        (CloudEngine.MYSQL, "db-custom-2-7680", 4000),
    ],
)
def test_what_cloud_sql_grants(engine: CloudEngine, tier: str | None, granted: int) -> None:
    assert CloudSqlArgs(engine=engine, tier=tier, high_availability=False).connections == granted


def test_machines_of_enterprise_plus_are_known_too() -> None:
    plus = CloudSqlArgs(edition=CloudSqlEdition.ENTERPRISE_PLUS, tier="db-perf-optimized-N-4")
    assert plus.connections == 600


def test_a_machine_that_is_too_small_is_refused() -> None:
    small = made({"cloudSql": {"tier": "db-f1-micro", "highAvailability": False}}, server={"replicas": 2}, **GCP)
    (line,) = messages(small)
    assert line.startswith("database.cloudSql: 3 pods") and "= 60, but the database grants 25" in line
    assert messages({**small, "database": {**small["database"], "poolSize": 1, "maxOverflow": 1}}) == []


@pytest.mark.parametrize("kind", ["inClusterPostgresql", "inClusterMysql"])
@pytest.mark.parametrize("more", [{}, {"auth": {"basic": {}}}, {"server": {"workspaces": {}}}])
def test_a_server_in_the_cluster_takes_what_the_pods_may_open(kind: str, more: dict[str, Any]) -> None:
    autoscaled = made({kind: {}}, autoscaling={}, **more)
    assert messages(autoscaled) == []
    stores = 2 + len(more.get("auth", {})) + ("server" in more)
    assert needed(to_arguments(autoscaled)) == 6 * stores * 10


def test_blocks_of_one_server_share_its_limit() -> None:
    limited = {**POSTGRESQL, "connectionLimit": 60}
    own = {"postgresql": {**POSTGRESQL, "host": "DB", "database": "users"}}
    more = {"server": {"replicas": 2}}
    assert messages(made({"postgresql": limited}, **more)) == []
    apart = {"postgresql": {**POSTGRESQL, "host": "elsewhere"}}
    assert messages(made({"postgresql": limited}, auth={"basic": {}, "database": apart}, **more)) == []
    (line,) = messages(made({"postgresql": limited}, auth={"basic": {}, "database": own}, **more))
    assert line.startswith("database.postgresql.connectionLimit") and "= 90, but the database grants 60" in line
    # By its URI it is the same server; and the registry's pool moves with it.
    registry = {"postgresql": limited, "registry": {"value": "postgresql+psycopg2://u:secret@db/registry"}}
    assert messages(made(registry, **more)) == []
    (line,) = messages(made(registry, auth={"basic": {}, "database": own}, **more))
    assert "= 90" in line


def test_a_database_of_users_has_a_limit_of_its_own() -> None:
    own = {"postgresql": {**POSTGRESQL, "host": "users", "connectionLimit": 29}}
    more = {"server": {"replicas": 2}}
    (line,) = messages(made({"postgresql": POSTGRESQL}, auth={"basic": {}, "database": own}, **more))
    assert line.startswith("auth.database.postgresql.connectionLimit") and "= 30, but the database grants 29" in line
