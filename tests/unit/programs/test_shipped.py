"""What is shipped of each program: the program itself without comments, recorded in the changelog when it changes."""

import ast
import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from components import in_image
from components.in_image import PROGRAMS, Program, bare

ROOT = Path(__file__).parents[3]
FOLDER = Path(in_image.__file__).parent

SAMPLE = '''\
#!/usr/bin/env python
"""Docstring."""
# pyright: ignore
from pathlib import Path  # trailing

LIMIT = 3
"""Attribute docstring,

with # a hash."""


class RefusalError(Exception):
    """Only a docstring."""


@decorated  # noqa
def say(text: str = "# no comment") -> str:
    """Docstring."""

    # First line.
    lines = [
        # In brackets.
        "a",  # trailing

        f"{text}#{LIMIT!r:>{LIMIT}}",
    ]
    if lines:
        # Only a comment above.
        "a string statement"
    return """kept:

    # not a comment

"""
'''
BARE = '''\
from pathlib import Path
LIMIT = 3
class RefusalError(Exception):
    pass
@decorated
def say(text: str = "# no comment") -> str:
    lines = [
        "a",
        f"{text}#{LIMIT!r:>{LIMIT}}",
    ]
    if lines:
        pass
    return """kept:

    # not a comment

"""
'''


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("newline", ["\n", ""], ids=["newline at the end", "none"])
def test_comments_docstrings_and_blank_lines_are_left_out(newline: str) -> None:
    assert bare(SAMPLE.rstrip("\n") + newline) == BARE
    assert bare(BARE) == BARE


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_what_is_shipped_is_the_same_program(program: Program) -> None:
    class WithoutText(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            super().generic_visit(node)
            if isinstance(body := getattr(node, "body", None), list):
                code = [
                    each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
                ]
                node.body = code or [ast.Pass()]  # type: ignore[attr-defined]
            return node

    source = WithoutText().visit(ast.parse((FOLDER / program.name).read_text(encoding="utf-8")))
    assert ast.dump(ast.parse(program.source)) == ast.dump(source)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_comment_changes_nothing(program: Program) -> None:
    lines = (FOLDER / program.name).read_text(encoding="utf-8").split("\n")
    text = "\n".join(lines)
    ends = {t.start[0] - 1 for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.NEWLINE}
    noisy = "\n".join(
        f"{line}  # noise\n\n# more noise" if number in ends else line for number, line in enumerate(lines)
    )
    assert noisy != text
    assert bare(noisy) == bare(text)


def test_a_program_comes_with_what_it_imports() -> None:
    ours = {"migrate.py", "schemas.py", "connecting.py", "database_uri.py", "exclusive.py"}
    assert set(Program("migrate_users.py").files) == {"migrate_users.py", *ours}
    assert set(Program("upgrade.py").files) == {
        "upgrade.py",
        "check_schema.py",
        "copies.py",
        "kubernetes_api.py",
        "migrate_users.py",
        "rotate_kek.py",
        *ours,
    }
    assert set(Program("create_database.py").files) == {"create_database.py", "connecting.py", "database_uri.py"}
    assert list(Program("users_ini.py").files) == ["users_ini.py", "database_uri.py"]
    assert list(Program("option_file.py").files) == ["option_file.py"]


def pythons() -> Iterator[tuple[str, str]]:
    """Other versions of Python on this machine: command and version."""
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        # The variable is for pyenv, whose commands otherwise run one version only.
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            command = shutil.which(f"python{version}") or ""
            subprocess.run(
                [command, "-V"], env={**os.environ, "PYENV_VERSION": version}, capture_output=True, check=True
            )
            yield command, version


def test_every_python_ships_the_same() -> None:
    for command, version in pythons():
        environment = {**os.environ, "PYENV_VERSION": version, "PYTHONPATH": str(FOLDER.parent)}
        program = "from in_image import PROGRAMS; print(*(program.source for program in PROGRAMS))"
        shipped = subprocess.check_output([command, "-B", "-c", program], env=environment, encoding="utf-8")
        assert shipped == " ".join(program.source for program in PROGRAMS) + "\n", version


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_changed_program_has_a_line_in_the_changelog(program: Program) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    recorded = re.search(rf"^- `{re.escape(program.name)}` \(`(\w+)`\): \S", changelog, re.MULTILINE)
    line = f"- `{program.name}` (`{checksum(program.source)}`): "
    assert recorded and recorded[0].startswith(line), (
        f"{program.name} has changed, so the next `pulumi up` of every user runs its Job again or rolls its pods. "
        f'Say why in CHANGELOG.md, in the section "Programs" of the next release:\n{line}…'
    )


def test_a_traceback_shows_the_line(tmp_path: Path) -> None:
    program = Program("users_ini.py")
    (tmp_path / program.name).write_text(program.source, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / program.name], capture_output=True, text=True)
    assert "template, target = Path(sys.argv[1]), Path(sys.argv[2])\n" in done.stderr
