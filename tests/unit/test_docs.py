"""The documents hold together: every link leads somewhere, configuration loads, decisions are numbered without gaps and listed."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from components import versions
from tests.configurations import AWS, AWS_FACTS, CERTIFICATE, DEV, OIDC, PRODUCTION
from tests.support.commands import FENCE
from tests.unit.conftest import Load
from toolchain.paths import ROOT

DECISIONS = ROOT / "docs" / "decisions"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
YAML = re.compile(r"^( *)```yaml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")


def links(text: str) -> Iterator[str]:
    """Targets of the inline links and images outside of code."""
    yield from LINK.findall(re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text)))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings, a number added to those that occur again."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?) *#*$", FENCE.sub("", text), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = name = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        number = 0
        while slug in found:
            number += 1
            slug = f"{name}-{number}"
        found.add(slug)
    return found


def broken(document: Path) -> list[str]:
    """Relative links of the document to a file or heading that does not exist."""
    wrong = []
    for target in links(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(path.read_text(encoding="utf-8"))):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_is_named_exists(document: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", document.read_text(encoding="utf-8")):
        assert f"\ndef {name}(" in f"\n{(ROOT / path).read_text()}", f"{path}::{name}"


def test_every_fault_has_its_expected_end_a_recovery_and_a_test() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    (faults,) = re.findall(r"^## Faults\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    rows = [line.strip("|").split("|") for line in faults.splitlines() if line.startswith("| ") and "---" not in line]
    named = [row for row in rows if row[0].strip() != "fault"]
    assert len(named) >= 30 and len({row[0] for row in named}) == len(named)
    for row in named:
        assert len(row) == 4 and all(cell.strip() for cell in row), row
        assert re.fullmatch(r" (`tests/[\w/]+\.py::\w+`(<br>)?)+ ", row[3]), row


def test_every_operation_of_the_runbook_has_its_transcript() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    made = dict(re.findall(r"<!-- transcript: ([\w-]+) -->\n(.*?)<!-- end -->", text, re.DOTALL))
    assert len(made) > 12 and text.count("<!-- transcript: ") == len(made)
    missing = [name for name, block in made.items() if not block.startswith("```console\n$ pulumi")]
    assert missing == [], "run `python -m tests.transcripts`"


def test_broken_links_are_noticed(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# One `two`, three\n## Again\n## Again\n[a](#one-two-three) [b](#again-1) `[c](no.md)`\n```\n[d](no.md)\n```\n"
        "[e](#again-2) [f](no.md) ![g](no.png) [h](https://example.com/no)\n"
    )
    assert broken(document) == ["#again-2", "no.md", "no.png"]


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    files = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
    listed = []
    for number, path in enumerate(files, 1):
        title, _, status = path.read_text(encoding="utf-8").split("\n", 3)[:3]
        assert path.name.startswith(f"{number:04}-") and title.startswith(f"# {number}. "), path.name
        assert status.startswith("Status: "), f"{path.name}: the third line is its status"
        listed.append(
            f"| [{number:04}]({path.name}) | {title.partition('. ')[2]} | {status.removeprefix('Status: ')} |"
        )
    rows = [line for line in (DECISIONS / "README.md").read_text(encoding="utf-8").splitlines() if line[:3] == "| ["]
    assert rows == listed, "docs/decisions/README.md lists each decision: number, title, status"


KEYS = {"accessKeyId": "id-of-key", "secretAccessKey": "half-of-key"}
AROUND: dict[str, dict[str, Any]] = {
    "docs/access.md-1": {"auth": {"basic": {}}},
    "docs/authentication.md-2": {"auth": {"oidc": {"clientSecret": "s"}}},
    "docs/authentication.md-5": {"auth": {"oidc": {"clientSecret": "s"}}},
    "docs/backup.md": {"backup": {"destination": {"s3": KEYS}}},
    "docs/continuous.md-0": {**DEV, "backup": {"destination": {"s3": KEYS}}},
    "docs/how-to/air-gap.md-0": {"auth": {"oidc": OIDC}, "backup": {"destination": {"volume": {}}}},
    "docs/how-to/single-sign-on.md-0": {"auth": {"oidc": {"clientSecret": "s"}}},
    "docs/how-to/single-sign-on.md-1": {"auth": {"ldap": {"search": {"bindPassword": "s"}}}},
    "docs/how-to/sizing.md": {"aws": AWS_FACTS, "identity": {"irsa": {}}},
    "docs/how-to/tls.md": {"auth": {"basic": {}}},
    "docs/restore.md-0": dict(AWS),
}
"""What the page says in words, or has the reader set with a command, by the page, or by the page and the number of its block."""


def _configurations() -> Iterator[tuple[str, dict[str, Any]]]:
    """What the documents show of a stack file, block by block."""
    for document in DOCUMENTS:
        for number, (indent, block) in enumerate(YAML.findall(document.read_text(encoding="utf-8"))):
            program = "\nruntime: " in block  # in which `mlflow` is a resource
            if re.search(r"^ *mlflow:", block, re.MULTILINE) and not program:
                text = re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
                shown = yaml.safe_load(textwrap.dedent(text))
                # The configuration may be part of an object of Pulumi's operator.
                yield f"{document.relative_to(ROOT)}-{number}", shown.get("spec", shown)


def _filled(value: Any, around: Any) -> Any:
    """A value with what its reader has in place of an ellipsis, and with what else the page says."""
    if isinstance(value, dict):
        if "secure" in value:
            return "s"
        return {**around, **{name: _filled(each, around.get(name, {})) for name, each in value.items()}}
    if isinstance(value, list):
        return [_filled(each, {}) for each in value]
    return CERTIFICATE if str(value).startswith("-----BEGIN") else value


@pytest.mark.parametrize(("name", "shown"), [pytest.param(*each, id=each[0]) for each in _configurations()])
def test_configuration_in_the_documents_loads(name: str, shown: dict[str, Any], load: Load) -> None:
    around = AROUND.get(name) or AROUND.get(name.rpartition("-")[0], {})
    given = {key.removeprefix("mlflow:"): value for key, value in shown.get("config", shown).items()}
    stores = {} if {"database", "artifacts"} <= {*given, *around} else {**PRODUCTION, "server": {}}
    load({**stores, **_filled(given, around)})


def test_what_stands_around_a_block_has_its_block() -> None:
    assert set(AROUND) <= {each for name, _ in _configurations() for each in (name, name.rpartition("-")[0])}


def _others() -> Iterator[tuple[str, str]]:
    """Blocks of YAML that are no configuration, by the page and the number."""
    configurations = {name for name, _ in _configurations()}
    for document in DOCUMENTS:
        for number, (_, block) in enumerate(YAML.findall(document.read_text(encoding="utf-8"))):
            name = f"{document.relative_to(ROOT)}-{number}"
            if name not in configurations:
                yield name, textwrap.dedent(block)


ELSEWHERE = {
    "docs/authentication.md": "lines that go on with the block before them",
    "docs/operations.md-1": "a scrape job of Prometheus",
    "docs/other-languages.md-0": "examples/yaml, deployed in tests/engine/test_other_languages.py",
}
"""Blocks that are neither a configuration nor objects of Kubernetes, by the page, or by the page and the number of its block."""


@pytest.mark.parametrize(("name", "block"), [pytest.param(*each, id=each[0]) for each in _others()])
def test_what_else_is_shown_are_objects_that_kubernetes_takes(name: str, block: str) -> None:
    if {name, name.rpartition("-")[0]} & set(ELSEWHERE):
        return
    for shown in yaml.safe_load_all(block):
        kubernetes_validate.validate(shown, versions.KUBERNETES.rpartition(".")[0], strict=True)


def test_each_example_is_a_project_of_its_own() -> None:
    """Stacks of projects of one name that are kept in one place are taken for each other: `dev` of this checkout, which `make up` deploys."""
    files = [ROOT / "Pulumi.yaml", *sorted((ROOT / "examples").glob("*/Pulumi.yaml"))]
    names = [yaml.safe_load(file.read_text())["name"] for file in files]
    assert len(names) > 6 and len(set(names)) == len(names), names
