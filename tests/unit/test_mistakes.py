"""Thirty mistakes in one stack configuration give thirty messages at once, and none besides."""

import re

import pytest

from components import ConfigurationError
from tests.configurations import DEV, PRODUCTION, changed, with_changes
from tests.unit.refusals import lines_of, messages

# Where it was planted, what was planted, the path that the message names, what it shows of the value, and its fix.
PLANTED = [
    ("deletionProtektion", True, "deletionProtektion", "unknown key", "did you mean deletionProtection?"),
    ("namespace", "ML_Flow", "namespace", "'ML_Flow'", "lower-case letters, digits and hyphens"),
    ("migrationTimeoutSeconds", 0, "migrationTimeoutSeconds", "0 is", "from 1 to 86400 seconds"),
    ("database.poolSize", "many", "database.poolSize", "'many'", "write a whole number"),
    ("database.maxOverflow", 0, "database.maxOverflow", "0 is", "from 1 to 100 connections"),
    ("database.sqllite", {}, "database.sqllite", "unknown key", "did you mean sqlite?"),
    ("database.postgresql.host", "https://db.example.com/x", None, "'https://db.example.com/x'", "'db.example.com'"),
    ("database.postgresql.port", 70000, None, "70000", "from 1 to 65535"),
    ("database.postgresql.driver", "psycopg3", None, "'psycopg3'", "allowed: psycopg2, psycopg"),
    ("database.postgresql.tls.mode", "verify_full", None, "'verify_full'", "did you mean verify-full?"),
    ("database.postgresql.password", 12345, None, "[secret]", "put it in quotes"),
    ("artifacts.s3.bucket", "s3://models/prod", None, "'s3://models/prod'", "give the bucket's name alone"),
    ("artifacts.s3.prefix", "/prod/", None, "'/prod/'", "write 'prod'"),
    ("artifacts.s3.endpointUrl", "minio:9000", None, "'minio:9000'", "https://host:port"),
    ("artifacts.s3.secretAccessKey", "s3cret", "artifacts.s3.accessKeyId", "is required", "both halves, or neither"),
    ("identity", {}, "identity", "no choice was made", "exactly one of: existing"),
    ("image.tag", "v9", None, "'v9'", "use 'v9-full'"),
    ("image.digest", "sha256:abc", None, "'sha256:abc'", "64 hex digits"),
    ("image.pullPolicy", "Sometimes", None, "'Sometimes'", "allowed: Always, IfNotPresent, Never"),
    ("server.replicas", 2.5, None, "2.5", "write a whole number: Number of pods"),
    ("server.workers", True, None, "true", "write a whole number: Processes per pod"),
    ("server.staticPrefix", "mlflow/", None, "'mlflow/'", "write '/mlflow'"),
    ("server.allowedHosts", ["*"], "server.allowedHosts[0]", "'*'", "list the hosts"),
    ("server.corsAllowedOrigins", ["a.example"], "server.corsAllowedOrigins[0]", "'a.example'", "https://"),
    ("server.options", {"x y": 1}, 'server.options["x y"]', "not the name", "write 'x-y'"),
    ("server.env", {"A_PASSWORD": "s3cret"}, "server.env.A_PASSWORD", "looks like", "move it to secretEnv"),
    ("pod.resources.memoryLimit", "2GB", None, "'2GB'", "'512Mi' or '2Gi'"),
    ("pod.runAsUser", 0, None, "0 is", "root is refused"),
    ("service.type", "NodePort", None, "'NodePort'", "allowInsecure: true"),
    ("labels.team", "data science", None, "'data science'", "at most 63 letters"),
]
CONFIGURATION = with_changes(
    {"database": {"postgresql": {}}, "artifacts": {"s3": {}}}, {where: value for where, value, *_ in PLANTED}
)


@pytest.fixture
def lines(load) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(CONFIGURATION)
    return lines_of(caught.value)


def test_thirty_mistakes_give_thirty_messages_in_one_go(lines: list[str]) -> None:
    assert len(PLANTED) == 30
    assert len(lines) == 30, "\n".join(lines)
    assert len({line.split(": ")[0] for line in lines}) == 30


@pytest.mark.parametrize(("where", "value", "path", "shown", "fix"), PLANTED, ids=[where for where, *_ in PLANTED])
def test_each_mistake_is_named_with_path_value_and_fix(where, value, path, shown, fix, lines: list[str]) -> None:
    (line,) = [line for line in lines if line.startswith(f"mlflow:{path or where}: ")]
    message, _, advice = line.removeprefix(f"mlflow:{path or where}: ").partition("; ")
    assert shown in message
    assert fix in advice


def test_messages_show_no_secret(lines: list[str]) -> None:
    assert not [line for line in lines if re.search("s3cret|12345", line)]


@pytest.mark.parametrize(("where", "value", "path", "shown", "fix"), PLANTED, ids=[where for where, *_ in PLANTED])
def test_each_mistake_alone_gives_one_message(where, value, path, shown, fix) -> None:
    base = (
        DEV
        if where == "database.sqllite"
        else changed(PRODUCTION, "artifacts.s3", {"bucket": "models", "region": "eu-west-1"})
    )
    if where == "database.sqllite":
        base = changed(base, "database", {})
    assert len(messages(changed(base, where, value))) == 1


# A mistake in one place, and what would follow from it elsewhere.
CONSEQUENCES = {
    "misspelled required block": ({"databse": {"sqlite": {}}, "artifacts": {"volume": {}}}, "databse"),
    "misspelled required key": (
        {"database": {"postgresql": {"hots": "db", "password": "p"}}, "artifacts": {"volume": {}}},
        "database.postgresql.hots",
    ),
    "misspelled choice": ({"database": {"postgres": {}}, "artifacts": {"volume": {}}}, "database.postgres"),
    "misspelled alternative": (
        {"database": {"postgresql": {"host": "db", "existingSecert": {"name": "s"}}}, "artifacts": {"volume": {}}},
        "database.postgresql.existingSecert",
    ),
    "wrong kind of alternative": (
        {"database": {"postgresql": {"host": "db", "existingSecret": "s"}}, "artifacts": {"volume": {}}},
        "database.postgresql.existingSecret",
    ),
    "misspelled half of a pair": (
        {
            "database": {"sqlite": {}},
            "artifacts": {
                "s3": {"bucket": "models", "region": "eu-west-1", "accessKeyID": "a", "secretAccessKey": "b"}
            },
        },
        "artifacts.s3.accessKeyID",
    ),
    "choice of the wrong kind": ({"database": "sqlite", "artifacts": {"volume": {}}}, "database"),
    "absurd number": (changed(DEV, "server.replicas", 500), "server.replicas"),
    "same limit twice": (
        changed(PRODUCTION, "database.postgresql.connectionLimit", 0),
        "database.postgresql.connectionLimit",
    ),
}


@pytest.mark.parametrize(("configuration", "path"), CONSEQUENCES.values(), ids=CONSEQUENCES)
def test_consequences_of_one_mistake_are_not_reported(configuration, path: str) -> None:
    (line,) = messages(configuration)
    assert line.startswith(f"{path}: ")


def test_unknown_key_does_not_hide_other_mistakes_of_its_block() -> None:
    both = with_changes(DEV, {"database.postgresql": {"host": "db", "password": "p"}, "database.poolSiz": 5})
    assert [line.split(":")[0] for line in messages(both)] == ["database.poolSiz", "database.postgresql"]


def test_wrong_items_of_a_list_do_not_shift_the_others() -> None:
    lines = messages(changed(DEV, "server.allowedHosts", [1, "a.example", {}, "b.example/x"]))
    assert [line.split(":")[0] for line in lines] == [f"server.allowedHosts[{index}]" for index in (0, 2, 3)]
