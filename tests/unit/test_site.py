"""The documentation as a site: every link leads somewhere, nothing is fetched from elsewhere, every argument has its page."""

import json
import posixpath
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import screenshots
from toolchain import checks, versions
from toolchain.paths import ROOT


class Links(HTMLParser):
    """What a page names: its own anchors, what it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given["href"])
        elif "src" in given:
            self.loaded.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Links]:
    """The pages by their paths."""
    folder = tmp_path_factory.mktemp("site")
    assert checks.docs(folder) == 0
    found = {str(page.relative_to(folder)): Links(page.read_text(encoding="utf-8")) for page in folder.rglob("*.html")}
    found.pop("404.html")  # its links begin at the root of a server
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".html":
            found[str(file.relative_to(folder))] = Links("")
    return found


def _targets(site: dict[str, Links], links: str) -> Iterator[tuple[str, str, str]]:
    for page, content in site.items():
        for link in getattr(content, links):
            parts = urlsplit(link)
            if parts.scheme not in ("data", "mailto"):
                place = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path)))
                yield page, link, place if parts.path else page


def test_every_link_leads_to_a_page_and_a_place_in_it(site: dict[str, Links]) -> None:
    inside = [each for each in _targets(site, "links") if not urlsplit(each[1]).scheme]
    assert len(inside) > 1000
    assert [(page, link) for page, link, place in inside if place not in site] == []
    anchors = [(page, link, site[place].anchors) for page, link, place in inside if urlsplit(link).fragment]
    assert [(page, link) for page, link, there in anchors if unquote(urlsplit(link).fragment) not in there] == []


def test_nothing_is_loaded_from_elsewhere(site: dict[str, Links]) -> None:
    loaded = list(_targets(site, "loaded"))
    assert loaded
    assert [(page, link) for page, link, place in loaded if urlsplit(link).netloc or place not in site] == []


def test_pictures_are_of_this_version_of_mlflow_and_small() -> None:
    assert {path.name for path in screenshots.IMAGES.glob("*.png")} == set(screenshots.PAGES)
    for name in screenshots.PAGES:
        picture = (screenshots.IMAGES / name).read_bytes()
        assert screenshots.version_of(picture) == versions.MLFLOW, "run `python -m tests.screenshots`"
        assert len(picture) < 150_000


def test_every_block_of_arguments_has_a_page_with_an_example(site: dict[str, Links]) -> None:
    schema = json.loads((ROOT / "components" / "stack-config.schema.json").read_text())
    properties = schema["properties"]["config"]["properties"]
    blocks = {key.partition(":")[2] for key, value in properties.items() if "$ref" in json.dumps(value)}
    pages = {Path(page).stem for page in site if page.startswith("reference/")}
    assert pages - {"index", "component"} <= blocks
    assert {"database", "artifacts", "identity", "server", "ingress"} <= pages
