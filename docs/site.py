"""What the site has beside the files of this folder: README.md as its front page, and the reference of the configuration, which is made
from the schema of stack files. A hook of MkDocs: https://www.mkdocs.org/user-guide/configuration/#hooks."""

from __future__ import annotations

import functools
import json
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from toolchain import versions

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "components" / "stack-config.schema.json"
COMPONENT = "# The component\n\n::: components.MlflowDeployment\n\n::: components.to_arguments\n\n::: components.ConfigurationError\n"
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
"""A link, or after an exclamation mark an image."""
_IMAGES = (".png", ".svg")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    pages = {
        "index.md": (ROOT / "README.md").read_text(encoding="utf-8"),
        "reference/component.md": COMPONENT,
        **reference(),
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links to what is not part of the site become the paths of these files in the repository."""
    # Where the file itself is, from which its links are relative: README.md is one level up.
    here = "" if page.file.src_uri == "index.md" else posixpath.dirname(posixpath.join("docs", page.file.src_uri))

    def link(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, mark, anchor = target.partition("#")
        if not path or "://" in path or page.file.src_uri.startswith("reference/"):
            return match[0]
        place = posixpath.normpath(posixpath.join(here, path))
        inside = place.removeprefix("docs/")
        if inside != place and (files.get_file_from_path(inside) or inside.endswith(_IMAGES)):
            caption = f"\n\n*MLflow {versions.MLFLOW}*" if inside.endswith(".png") else ""
            to = posixpath.relpath(inside, posixpath.dirname(page.file.src_uri) or ".")
            return f"[{text}]({to}{mark}{anchor}){caption}"
        if place == "README.md":
            return (
                f"[{text}]({posixpath.relpath('index.md', posixpath.dirname(page.file.src_uri) or '.')}{mark}{anchor})"
            )
        assert (ROOT / place).exists(), f"{page.file.src_uri} links to {place}, which does not exist"
        return text if f"`{place}`" in text else f"{text} (`{place}`)"

    return _LINK.sub(link, markdown)


def reference() -> dict[str, str]:
    """A page for each argument that is a block, and a list of all."""
    fields = _schema()["properties"]["config"]["properties"]
    lines = [
        "# Configuration",
        "",
        "Each key stands under `config:` in `Pulumi.<stack>.yaml` after `mlflow:`; programs write the same names in Python's spelling. "
        "Every key is checked in the preview, all mistakes are reported at once, and unknown keys are refused.",
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    pages = {}
    required = _schema()["properties"]["config"]["required"]
    for key, field in sorted(fields.items()):
        name = key.partition(":")[2]
        block = _block(field)
        shown = f"[`{name}`]({name}.md)" if block else f"`{name}`"
        lines.append(
            f"| {shown} | {_type(field)} | {_default(field, key in required)} | {_cell(field.get('description', ''))} |"
        )
        if block:
            pages[f"reference/{name}.md"] = _page(name, field, block)
    return {"reference/index.md": "\n".join(lines) + "\n", **pages}


def _page(name: str, field: Mapping[str, Any], block: str) -> str:
    parts = [f"# `{name}`\n\n{field.get('description', '')}"]
    if example := _example(name):
        text = yaml.safe_dump({"config": {f"mlflow:{name}": example}}, sort_keys=False, width=100)
        parts.append(f"```yaml\n{text}```")
    for path, inner in _nested(name, block):
        definition = _schema()["$defs"][inner]
        title = "" if path == name else f"## `{path}` {{ #{path.replace('.', '-').replace('[]', '').lower()} }}\n\n"
        choice = "Exactly one of these:\n\n" if "oneOf" in definition else ""
        parts.append(f"{title}{_paragraphs(definition.get('description', ''))}\n\n{choice}{_table(path, definition)}")
    return "\n\n".join(parts) + "\n"


def _table(path: str, definition: Mapping[str, Any]) -> str:
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, field in definition.get("properties", {}).items():
        inner = _block(field)
        place = f"{path}.{key}{'[]' if inner and _is_list(field) else ''}"
        shown = f"[`{key}`](#{place.replace('.', '-').replace('[]', '').lower()})" if inner else f"`{key}`"
        default = _default(field, key in definition.get("required", ()))
        lines.append(f"| {shown} | {_type(field)} | {default} | {_cell(field.get('description', ''))} |")
    return "\n".join(lines)


def _nested(path: str, block: str) -> Iterator[tuple[str, str]]:
    """A block and all within it, with their paths."""
    yield path, block
    for key, field in _schema()["$defs"][block].get("properties", {}).items():
        if inner := _block(field):
            yield from _nested(f"{path}.{key}{'[]' if _is_list(field) else ''}", inner)


def _alternatives(field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        each
        for each in field.get("anyOf", [field])
        if each.get("type") != "null" and each.get("$ref") != "#/$defs/encrypted"
    ]


def _block(field: Mapping[str, Any]) -> str | None:
    """Name of the block that a field, or each item of its list, holds."""
    for each in _alternatives(field):
        name = (each.get("$ref") or each.get("items", {}).get("$ref", "")).rpartition("/")[2]
        if "properties" in _schema()["$defs"].get(name, {}):
            return name
    return None


def _is_list(field: Mapping[str, Any]) -> bool:
    return any(each.get("type") == "array" for each in _alternatives(field))


def _type(field: Mapping[str, Any]) -> str:
    found = []
    for each in _alternatives(field):
        target = _schema()["$defs"].get(each.get("$ref", "").rpartition("/")[2], each)
        if "enum" in target:
            found.append(" or ".join(f"`{value}`" for value in target["enum"]))
        elif "const" in target:
            found.append(f"`{target['const']}`")
        elif "properties" in target:
            found.append("block")
        elif each.get("type") == "array":
            found.append("list")
        elif each.get("type") == "object":
            found.append("mapping")
        elif each.get("type"):
            found.append({"integer": "whole number", "boolean": "true or false"}.get(each["type"], each["type"]))
    kinds = list(dict.fromkeys(found))
    # Numbers and booleans may be written as text too, which is no type of its own.
    return kinds[0] if kinds else "any"


def _default(field: Mapping[str, Any], required: bool) -> str:
    if required:
        return "**required**"
    value = field.get("default")
    return "" if value is None or isinstance(value, (dict, list)) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


@functools.cache
def _schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def _example(name: str) -> Any:
    """The shortest value that a tested deployment gives the argument."""
    given = [each[name] for each in _scenarios().values() if each.get(name)]
    return min(given, key=lambda value: len(json.dumps(value)), default=None)


@functools.cache
def _scenarios() -> Mapping[str, Mapping[str, Any]]:
    sys.path.insert(0, str(ROOT))
    from tests.graph.scenarios import SCENARIOS

    return SCENARIOS
