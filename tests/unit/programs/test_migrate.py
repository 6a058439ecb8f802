"""The migration script's decisions, on real SQLite files and without a database server."""

import importlib.util
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import migrate
import pytest
from connecting import RefusalError

CHAIN = {"aaa111": None, "bbb222": "aaa111", "ccc333": "bbb222"}
HEAD = "ccc333"


def script(revision: str, parent: str, annotated: bool = False) -> str:
    kinds = (": str", ": str | None") if annotated else ("", "")
    return f'"""Revision ID: {revision}"""\n\nrevision{kinds[0]} = "{revision}"\ndown_revision{kinds[1]} = {parent}\nbranch_labels = None\n'


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Pretends that the image holds an MLflow with these migration scripts."""

    def install(scripts: dict[str, str]) -> None:
        package = tmp_path / "site" / "mlflow"
        versions = package / "store" / "db_migrations" / "versions"
        versions.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('importing MLflow takes seconds')\n")
        for name, text in scripts.items():
            (versions / f"{name}_change.py").write_text(text)
        monkeypatch.syspath_prepend(package.parent)
        monkeypatch.delitem(migrate.sys.modules, "mlflow", raising=False)

    return install


@pytest.fixture
def mlflow(image) -> None:
    image({revision: script(revision, repr(parent)) for revision, parent in CHAIN.items()})


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path


def at(revision: str) -> tuple[str, ...]:
    """Statements that make a database of that revision with one run in it."""
    return (
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        f"INSERT INTO alembic_version VALUES ('{revision}')",
        "CREATE TABLE runs (name TEXT)",
        "INSERT INTO runs VALUES ('first')",
    )


def start_with(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Give the script the environment of an init container in front of a SQLite server."""
    monkeypatch.setattr(migrate, "URIS", {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{path}"})
    monkeypatch.setattr(migrate, "SQLITE", True)


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been applied, instead of applying it."""
    actions: list[str] = []
    monkeypatch.setattr(migrate, "apply", lambda action, engine=None: actions.append(action))
    return actions


@pytest.mark.parametrize("annotated", [False, True])
def test_revisions_are_read_without_importing_mlflow(image, annotated: bool) -> None:
    image({revision: script(revision, repr(parent), annotated) for revision, parent in CHAIN.items()})
    assert migrate.known_revisions() == (set(CHAIN), HEAD)


@pytest.mark.parametrize("parents", ["('aaa111', 'bbb222')", '(\n    "aaa111",\n    "bbb222",\n)'])
def test_merged_branches_have_one_head(image, parents: str) -> None:
    image({"a": script("aaa111", "None"), "b": script("bbb222", "None"), "c": script("ccc333", parents)})
    assert migrate.known_revisions() == (set(CHAIN), HEAD)


def test_two_heads_are_refused(image) -> None:
    image({"a": script("aaa111", "None"), "b": script("bbb222", "'aaa111'"), "c": script("ccc333", "'aaa111'")})
    with pytest.raises(RefusalError, match=r"2 schema heads.*bbb222.*ccc333"):
        migrate.known_revisions()


def test_image_without_mlflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RefusalError, match="MLflow is not installed in this image"):
        migrate.known_revisions()


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize(
    ("current", "empty", "action"),
    [(None, True, "initialise"), (HEAD, False, "nothing"), ("aaa111", False, "migrate"), ("bbb222", False, "migrate")],
)
def test_decision_by_revision(current: str | None, empty: bool, action: str) -> None:
    assert migrate.decide(current, empty) == action


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize(
    ("current", "reason"), [(None, "tables but no schema version"), ("ddd444", r"at ddd444.*head ccc333.*newer MLflow")]
)
def test_foreign_and_newer_schemas_are_refused(current: str | None, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        migrate.decide(current, empty=False)


def test_missing_and_empty_files_are_left_to_the_server(tmp_path: Path, applied: list[str]) -> None:
    migrate.sqlite(str(tmp_path / "none.db"))
    (tmp_path / "empty.db").touch()
    migrate.sqlite(str(tmp_path / "empty.db"))
    assert applied == []
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]


@pytest.mark.usefixtures("mlflow")
def test_database_without_tables_is_initialised(tmp_path: Path, applied: list[str]) -> None:
    path = database(tmp_path / "m.db", "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    migrate.sqlite(str(path))
    assert applied == ["initialise"]


@pytest.mark.usefixtures("mlflow")
def test_current_database_is_left_alone(tmp_path: Path, applied: list[str]) -> None:
    path = database(tmp_path / "m.db", *at(HEAD))
    before = path.read_bytes()
    migrate.sqlite(str(path))
    assert applied == []
    assert path.read_bytes() == before and not list(tmp_path.glob("m.db.*"))


@pytest.mark.usefixtures("mlflow")
def test_older_database_is_copied_before_it_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = database(tmp_path / "m.db", *at("aaa111"))
    seen = []

    def apply(action: str) -> None:
        with closing(sqlite3.connect(tmp_path / f"m.db.before-{HEAD}")) as copy:
            rows = copy.execute("SELECT version_num, name FROM alembic_version, runs").fetchall()
        seen.append((action, rows))

    monkeypatch.setattr(migrate, "apply", apply)
    migrate.sqlite(str(path))
    assert seen == [("migrate", [("aaa111", "first")])]


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize(
    "statements",
    [
        at("ddd444"),
        ("CREATE TABLE invoices (id INT)",),
        ("CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE x (y INT)"),
    ],
    ids=["newer", "foreign", "no version"],
)
def test_database_that_is_not_ours_is_refused_and_not_touched(tmp_path: Path, statements, applied: list[str]) -> None:
    path = database(tmp_path / "m.db", *statements)
    before = path.read_bytes()
    with pytest.raises(RefusalError):
        migrate.sqlite(str(path))
    assert applied == [] and path.read_bytes() == before
    assert [p.name for p in tmp_path.glob("m.db*")] == ["m.db"]


@pytest.mark.usefixtures("mlflow")
def test_refusal_ends_the_container_with_its_reason(tmp_path: Path, monkeypatch, capsys, applied: list[str]) -> None:
    path = database(tmp_path / "m.db", *at("ddd444"))
    start_with(monkeypatch, path)
    assert migrate.main() == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("migration: refused: the schema is at ddd444")


@pytest.mark.usefixtures("mlflow")
def test_success_ends_the_container_with_0(tmp_path: Path, monkeypatch, applied: list[str]) -> None:
    start_with(monkeypatch, database(tmp_path / "m.db", *at("bbb222")))
    assert migrate.main() == 0
    assert applied == ["migrate"]
