"""MLflow's two database schemas, as the Alembic scripts of the image describe them.

Not a program of its own: `migrate.py` and those beside it import it. The scripts are read, not imported: importing them imports
MLflow, which takes seconds.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from connecting import RefusalError

# What fills or changes rows that are there, as opposed to adding something beside them.
_REWRITES = {"execute", "bulk_insert", "alter_column", "drop_column", "drop_table"}


@dataclass(frozen=True)
class Revision:
    """One step of a schema.

    Attributes:
        parents: The steps that it follows.
        text: Its script.
    """

    parents: tuple[str, ...]
    text: str

    @property
    def summary(self) -> str:
        """First line of its description."""
        return (ast.get_docstring(ast.parse(self.text)) or "").strip().partition("\n")[0]

    @property
    def upgrade(self) -> str:
        """Source of its function `upgrade`."""
        (source,) = [
            ast.get_source_segment(self.text, each) or ""
            for each in ast.parse(self.text).body
            if isinstance(each, ast.FunctionDef) and each.name == "upgrade"
        ] or [""]
        return source

    @property
    def operations(self) -> list[str]:
        """Alembic's operations in it, each once."""
        return sorted(set(re.findall(r"\bop\.(\w+)\(", re.sub(r"\bbatch_op\.", "op.", self.upgrade))))

    @property
    def rewrites(self) -> bool:
        """Whether it touches rows that are there."""
        return bool(_REWRITES.intersection(self.operations)) or bool(re.search(r"\.(update|delete)\(", self.upgrade))

    @property
    def created(self) -> set[str]:
        """Tables that it makes."""
        return set(re.findall(r"create_table\(\s*['\"](\w+)['\"]", self.upgrade))


@dataclass(frozen=True)
class Schema:
    """One of MLflow's two schemas; both may live in one database.

    Attributes:
        name: Name in `MIGRATION_SCHEMAS`.
        folder: Folder of its Alembic scripts within the `mlflow` package.
        table: Table that holds its version.
    """

    name: str
    folder: str
    table: str

    def scripts(self) -> list[str]:
        """Text of its Alembic scripts."""
        package = importlib.util.find_spec("mlflow")
        if package is None or not package.submodule_search_locations:
            raise RefusalError("MLflow is not installed in this image")
        folder = Path(next(iter(package.submodule_search_locations)), self.folder, "versions")
        return [script.read_text(encoding="utf-8") for script in folder.glob("*.py")]

    def tables(self) -> set[str]:
        """Every table that any of the scripts creates."""
        return {name for text in self.scripts() for name in re.findall(r"create_table\(\s*['\"](\w+)['\"]", text)}

    def revisions(self) -> dict[str, Revision]:
        """Every step that the installed MLflow knows, by its name."""
        found = {}
        for text in self.scripts():
            if match := re.search(r"^revision\s*(?::[^=]+)?=\s*['\"](\w+)['\"]", text, re.MULTILINE):
                down = re.search(r"^down_revision\s*(?::[^=]+)?=\s*(\([^)]*\)|.+)$", text, re.MULTILINE)
                parents = re.findall(r"['\"](\w+)['\"]", down.group(1)) if down else []
                found[match.group(1)] = Revision(tuple(parents), text)
        return found

    def pending(self, current: str | None) -> list[str]:
        """Steps from a version to the head, in their order."""
        revisions = self.revisions()
        done: set[str] = set()
        below = [current] if current in revisions else []
        while below:
            name = below.pop()
            done.add(name)
            below += [parent for parent in revisions[name].parents if parent not in done]
        ahead: list[str] = []
        while ready := sorted(
            name
            for name, each in revisions.items()
            if name not in done and done.issuperset(set(each.parents) & revisions.keys())
        ):
            ahead += ready
            done.update(ready)
        return ahead


MLFLOW = Schema("mlflow", "store/db_migrations", "alembic_version")
AUTH = Schema("auth", "server/auth/db/migrations", "alembic_version_auth")


def known_revisions(schema: Schema = MLFLOW) -> tuple[set[str], str]:
    """Every revision that the installed MLflow knows, and its head."""
    revisions = schema.revisions()
    heads = revisions.keys() - {parent for each in revisions.values() for parent in each.parents}
    if len(heads) != 1:
        raise RefusalError(f"MLflow in this image has {len(heads)} schema heads instead of one: {sorted(heads)}")
    return set(revisions), heads.pop()
