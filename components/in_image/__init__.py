"""Programs that run inside the MLflow image. They import nothing of this package, and nothing that the image lacks.

What is shipped holds no comments, docstrings or blank lines: its hash is in the name of the ConfigMap that holds it, so that every
change runs Jobs again or rolls pods, and a comment is no reason for either. CHANGELOG.md records the hash of each program.
"""

import ast
import functools
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent
_LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Program:
    """A program of this folder.

    Attributes:
        name: File name, for example `migrate.py`.
    """

    name: str

    @property
    def module(self) -> str:
        """The name under which Python imports it, where its folder is on the path."""
        return self.name.removesuffix(".py")

    @property
    def source(self) -> str:
        """What is shipped of it."""
        return _shipped(self.name)

    @property
    def files(self) -> dict[str, str]:
        """What is shipped of it and of the programs that it imports, by file name."""
        found = {self.name: self.source}
        for module in re.findall(r"^\s*(?:import|from) (\w+)", self.source, re.MULTILINE):
            if (_FOLDER / f"{module}.py").exists():
                found |= Program(f"{module}.py").files
        return found


@functools.cache
def _shipped(name: str) -> str:
    return f"# {name} of pulumi-mlflow; the comments are in its repository.\n{bare((_FOLDER / name).read_text(encoding='utf-8'))}"


def bare(text: str) -> str:
    """A program without its comments, docstrings and blank lines; line breaks and indentation are kept as they are.

    The result is the same under every version of Python: only positions are taken from its parser, all text from the program.
    """
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and _is_text(statement.value):
                first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
                lines[first:last] = [""] * (last - first)
                if body == [statement]:
                    lines[first] = " " * statement.col_offset + "pass"
    kept: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        (first, column), (last, _) = token.start, token.end
        if token.type == tokenize.COMMENT:
            lines[first - 1] = lines[first - 1][:column].rstrip()
        elif token.type not in _LAYOUT:
            kept.update(range(first, last + 1))
    return "".join(f"{lines[number - 1]}\n" for number in sorted(kept))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


PROGRAMS = [Program(path.name) for path in sorted(_FOLDER.glob("*.py")) if path.name != "__init__.py"]
"""All of them."""
