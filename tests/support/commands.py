"""Commands that the documents name, as a reader would paste them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolchain.paths import ROOT

PROGRAMS = ("kubectl", "make", "pulumi", "pulumi-mlflow")
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    if path.name != "CHANGELOG.md" and "decisions" not in path.parts  # history speaks of commands that were
)
_BLOCK = re.compile(r"^( *)```(sh|bash|shell|console)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^( *)(```+).*?^\1\2$", re.MULTILINE | re.DOTALL)
"""A block of code."""
_PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"<[^>]+>|…")
"""What the reader fills in."""
_INLINE = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        document: Where it stands, relative to the project.
        words: The program and its arguments, without quotes.
    """

    document: str
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0]

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join(self.words)}"


def programs(document: Path) -> list[str]:
    """The programs in Python that a document shows."""
    return _PROGRAM.findall(document.read_text(encoding="utf-8"))


def documented(*programs: str) -> list[Command]:
    """The commands of some programs, those in a pipeline or a substitution apart, each once per document."""
    found: dict[Command, None] = {}
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        lines = [*_lines(text), *(each.replace("\n", " ") for each in _INLINE.findall(FENCE.sub("", text)))]
        for words in (words for line in lines for words in _simple(_PLACE.sub("x", line))):
            if words[0] in programs:
                found[Command(str(path.relative_to(ROOT)), tuple(words))] = None
    return list(found)


def _lines(text: str) -> Iterator[str]:
    """Command lines of the blocks, each with the lines on which it goes on; output of commands is left out."""
    for indent, language, block in _BLOCK.findall(text):
        lines = iter(line.removeprefix(indent) for line in block.splitlines())
        for line in lines:
            if language == "console" and not line.startswith("$ "):
                continue
            command = line.removeprefix("$ ")
            while command.endswith(("\\", "|", "&&")) or _open(command):
                command = command.removesuffix("\\") + " " + next(lines)
            yield command


def _open(command: str) -> bool:
    try:
        _words(command)
    except ValueError:
        return True
    return False


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();|&")
    lexer.whitespace_split = True
    return list(lexer)


def _simple(line: str) -> Iterator[list[str]]:
    """Simple commands of a line."""
    # What a shell runs inside of double quotes.
    for inner in re.findall(r"\$\(([^()]+)\)", line):
        yield from _simple(inner)
    words: list[str] = []
    for word in [*_words(line), ";"]:
        if word and set(word) <= set("();|&"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"\w+=", word):  # a variable in front of a command
            words.append(word)
