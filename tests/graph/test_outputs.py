"""Values that are outputs are held to the rules of plain ones, once they are known."""

from typing import Any

import pulumi
import pytest

from components import ConfigurationError
from tests.configurations import AWS, DEV, PRODUCTION, changed
from tests.graph.program import Graph, make, run

WRONG: list[tuple[Any, str, Any, str]] = [
    (PRODUCTION, "database.postgresql.password", "", "is empty"),
    (PRODUCTION, "database.postgresql.password", None, "is empty"),
    (PRODUCTION, "database.postgresql.username", "  ", "is white space alone"),
    (PRODUCTION, "database.postgresql.host", "canary.example.com:5432", "has a port"),
    (PRODUCTION, "database.postgresql.port", 98_765, "is out of range"),
    (PRODUCTION, "artifacts.s3.secretAccessKey", "", "is empty"),
    (changed(DEV, "database", {"uri": {}}), "database.uri.value", "canary://u:canary@h:canary/d", "has the dialect"),
    (changed(DEV, "database", {"uri": {}}), "database.uri.value", "mysql+pymysql://canary@h/d?ssl_disabled=true", "in clear"),
    (changed(DEV, "server.secretEnv", {}), "server.secretEnv.MY_TOKEN", "", "is empty"),
    (changed(DEV, "server.env", {}), "server.env.MLFLOW_ENABLE_REMOTE_ASSISTANT", "TRUE", "lets clients run an assistant"),
    (AWS, "artifacts.awsBucket.prefix", "canary*", "is not a path"),
    (DEV, "auth", {"basic": {"adminPassword": "canary"}}, "has [secret] characters"),
]  # fmt: skip


def deployed(configuration: Any, path: str, value: Any, *, preview: bool = False) -> Graph:
    def later(given: Any) -> Any:
        return {k: later(v) for k, v in given.items()} if isinstance(given, dict) else pulumi.Output.from_input(given)

    return run(lambda: (make("mlflow", changed(configuration, path, later(value))), None)[1], preview=preview)


@pytest.mark.parametrize(("configuration", "path", "value", "message"), WRONG, ids=[path for _, path, *_ in WRONG])
def test_output_that_turns_out_wrong_ends_the_program(configuration, path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        deployed(configuration, path, value)
    (line,) = str(error.value).splitlines()[1:]
    assert line.strip().startswith(path) and message in line
    assert "canary" not in str(error.value) and "98765" not in str(error.value)


def test_output_that_is_right_is_used() -> None:
    graph = deployed(PRODUCTION, "database.postgresql.host", "db.example.com")
    variables = {v["name"]: v.get("value") for v in graph.one("apps/v1:Deployment").pod["spec"]["containers"][0]["env"]}
    assert variables["PGHOST"] == "db.example.com"


def test_an_output_may_be_insecure_where_that_is_accepted() -> None:
    insecure = changed(DEV, "server.env", {})
    path = "server.env.MLFLOW_ENABLE_REMOTE_ASSISTANT"
    assert len(deployed({**insecure, "allowInsecure": True}, path, "true")) > 5
