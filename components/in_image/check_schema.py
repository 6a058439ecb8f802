"""What an upgrade of the database would meet, without changing anything that stays.

Not a program of its own: `upgrade.py` asks it before it stops a server, and prints all of it with `MIGRATION_MODE=check`. What only a try
can tell is tried on a table or database of its own, which is dropped again.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterable
from typing import Any

import exclusive
import migrate
from connecting import RefusalError
from schemas import AUTH, MLFLOW, Schema

# Larger tables are not counted: that would take longer than the migration.
COUNTABLE = 20_000_000

_SIZE = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE table_schema = DATABASE()",
}
_ROWS = {
    # Neither figure is always there: one comes with the first ANALYZE, the other is lost in a crash.
    "postgresql": "SELECT relname, CAST(greatest(reltuples, n_live_tup) AS bigint) FROM pg_class JOIN pg_stat_user_tables"
    " USING (relname) WHERE schemaname = current_schema() AND relnamespace = current_schema()::regnamespace",
    "mysql": "SELECT table_name, table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
}
_OPEN = {
    # Of sessions of others, users may see no more than that they are there, and whose.
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL",
    "mysql": "SHOW STATUS LIKE 'Threads_connected'",
}
_LIMIT = {"postgresql": "SHOW max_connections", "mysql": "SELECT @@max_connections"}
_LONG = {
    "postgresql": "SELECT pid, CAST(extract(epoch FROM now() - xact_start) AS bigint), application_name FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND now() - xact_start > interval '60 seconds'"
    " AND application_name <> 'mlflow-migration'",
    "mysql": "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()), trx_query FROM information_schema.innodb_trx"
    " WHERE TIMESTAMPDIFF(SECOND, trx_started, NOW()) > 60",
}
_FOREIGN_TABLES = """SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
AND NOT pg_has_role(current_user, tableowner, 'USAGE') ORDER BY 1"""
_MAY_CREATE = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
_TRIGGERS = "SELECT @@log_bin = 0 OR @@log_bin_trust_function_creators = 1"


def run(databases: list[tuple[Any, list[Schema]]], besides: Callable[[], list[str]]) -> None:
    """Print one JSON document about all databases, in one line that begins with a brace.

    Args:
        databases: Each with its schemas.
        besides: What else is in the way of an upgrade; asked if there is something to migrate.

    Raises:
        RefusalError: An upgrade would be refused; the document has been printed.
    """
    for engine, _ in databases:
        if engine.dialect.name != "sqlite":
            migrate.wait_until_it_answers(engine)
    found = [_database(engine, schemas) for engine, schemas in databases]
    actions = {schema["action"] for each in found for schema in each["schemas"]}
    needed = "migrate" in actions
    others = besides() if needed and "refuse" not in actions else []
    refusals = [problem for each in found for problem in each["problems"]] + others
    document = {
        "format": 1,
        "mlflow_version": importlib.metadata.version("mlflow"),
        "upgrade_needed": needed,
        "databases": found,
        "problems": others,
    }
    print(json.dumps(document, default=str), flush=True)
    if refusals:
        raise RefusalError("; ".join(refusals))


def _database(engine: Any, schemas: list[Schema]) -> dict[str, Any]:
    name = engine.dialect.name
    described: list[dict[str, Any]] = []
    wrong: list[str] = []
    for schema in schemas:
        current, _ = migrate.found(engine, schema)
        head = migrate.known_revisions(schema)[1]
        try:
            action = migrate.due(engine, schema)
        except RefusalError as refusal:
            action = "refuse"
            wrong.append(str(refusal))
        revisions = schema.revisions()
        pending = schema.pending(current) if action == "migrate" and current else []
        described.append(
            {
                "name": schema.name,
                "current": current,
                "head": head,
                "action": action,
                "pending": [
                    {"revision": each, "summary": of.summary, "operations": of.operations, "rewrites": of.rewrites}
                    for each, of in ((each, revisions[each]) for each in pending)
                ],
            }
        )
    due = [schema for schema, each in zip(schemas, described, strict=True) if each["action"] == "migrate"]
    return {
        "engine": name,
        "server_version": _version(engine),
        "size_bytes": _number(engine, _SIZE.get(name)),
        "rows": {row[0]: max(0, int(row[1] or 0)) for row in _rows(engine, _ROWS.get(name))},
        "schemas": described,
        "connections": {
            "open": _number(engine, _OPEN.get(name)),
            "limit": _number(engine, _LIMIT.get(name)),
            "servers": migrate.connected_servers(engine),
        },
        "long_transactions": [
            {"session": row[0], "seconds": row[1], "what": row[2]} for row in _rows(engine, _LONG.get(name))
        ],
        "locked": _locked(engine),
        "may_create": bool(_number(engine, _MAY_CREATE)) if name == "postgresql" else None,
        "triggers_allowed": bool(_number(engine, _TRIGGERS)) if name == "mysql" else None,
        "problems": [*wrong, *problems(engine, due)],
    }


def problems(engine: Any, due: Iterable[Schema]) -> list[str]:
    """What would make the migration of these schemas fail."""
    found: list[str] = []
    due = list(due)
    if not due:
        return found
    if engine.dialect.name == "postgresql":
        if foreign := [row[0] for row in _rows(engine, _FOREIGN_TABLES)]:
            user = engine.url.username or "the user"
            found.append(
                f"{user} does not own {', '.join(foreign)}, which only owners may change: ALTER TABLE … OWNER TO"
            )
        if _number(engine, _MAY_CREATE) == 0:
            found.append("the user may not create tables: GRANT CREATE ON SCHEMA public TO that user")
    if engine.dialect.name == "mysql" and MLFLOW in due:
        try:
            migrate.probe_trigger(engine)
        except RefusalError as refusal:
            found.append(str(refusal))
    for schema in due:
        current, tables = migrate.found(engine, schema)
        if current is None:
            continue
        revisions = schema.revisions()
        half = {each: sorted(revisions[each].created & tables) for each in schema.pending(current)}
        for revision, made in half.items():
            if made:
                found.append(
                    f"revision {revision} of the {schema.name} schema is there by half (its table {', '.join(made)} exists, its "
                    "version is not recorded): an earlier migration was cut off. Restore the backup from before it"
                )
                break
    return found


def rows(engine: Any) -> dict[str, int]:
    """Exact numbers of rows of the tables that hold users' work."""
    estimates = {row[0]: int(row[1] or 0) for row in _rows(engine, _ROWS.get(engine.dialect.name))}
    counted = [name for name in COUNTED if name in estimates and estimates[name] <= COUNTABLE]
    return {name: _found(engine, f"SELECT count(*) FROM {name}")[0][0] for name in counted}  # noqa: S608


COUNTED = (
    *("experiments", "experiment_tags", "runs", "tags", "params", "metrics", "latest_metrics", "inputs", "datasets"),
    *("registered_models", "model_versions", "registered_model_aliases", "trace_info", "logged_models", "users"),
)


def fingerprint(engine: Any, schema: Schema) -> list[str]:
    """Everything that a migration of the schema would change but rows: columns, constraints and triggers."""
    if engine.dialect.name == "sqlite":
        return sorted(str(row[0]) for row in _found(engine, "SELECT sql FROM sqlite_master"))
    users = AUTH.tables()
    here = "current_schema()" if engine.dialect.name == "postgresql" else "DATABASE()"
    queries = (
        f"SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns WHERE table_schema = {here}",  # noqa: S608
        f"SELECT table_name, constraint_name, constraint_type FROM information_schema.table_constraints WHERE table_schema = {here}",  # noqa: S608
        f"SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE trigger_schema = {here}",  # noqa: S608
    )
    every = [row for query in queries for row in _found(engine, query)]
    of_users = schema is not MLFLOW
    # PostgreSQL names the constraint of each column that may not be null by numbers of its own.
    return sorted(
        " ".join(map(str, row)) for row in every if (row[0] in users) is of_users and "_not_null" not in str(row[1])
    )


def _locked(engine: Any) -> bool:
    """Whether a migration or an upgrade runs."""
    import sqlalchemy

    name, purposes = engine.dialect.name, ("migration", "upgrade")
    if name == "postgresql":
        keys = [{"high": exclusive.KEYS[each] >> 32, "low": exclusive.KEYS[each] & 0xFFFFFFFF} for each in purposes]
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = :high AND objid = :low"
    elif name == "mysql":
        database = engine.url.database or ""
        keys = [{"key": exclusive.name(database, each)} for each in purposes]
        query = "SELECT IS_USED_LOCK(:key) IS NOT NULL"
    else:
        return False
    with engine.connect() as connection:
        return any(connection.execute(sqlalchemy.text(query), key).scalar() for key in keys)


def _version(engine: Any) -> str:
    with engine.connect() as connection:
        return ".".join(map(str, connection.dialect.server_version_info or ()))


def _rows(engine: Any, query: str | None) -> list[Any]:
    """What a query finds; nothing where the user may not see it, or the server has no such thing."""
    import sqlalchemy

    try:
        return [] if query is None else _found(engine, query)
    except sqlalchemy.exc.DBAPIError:
        return []


def _number(engine: Any, query: str | None) -> int | None:
    found = _rows(engine, query)
    return None if not found or found[0][-1] is None else int(found[0][-1])


def _found(engine: Any, query: str) -> list[Any]:
    import sqlalchemy

    with engine.connect() as connection:
        return list(connection.execute(sqlalchemy.text(query)))
