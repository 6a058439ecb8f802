"""The documentation in a real browser: every page loads all that it names, and its scripts run."""

import functools
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from components.versions import MLFLOW
from tests.support import threads
from tests.support.browser import open_browser
from toolchain import checks

pytestmark = pytest.mark.extended

HOST = "docs.example.com"
BROKEN = "return [...document.images].filter(each => !each.naturalWidth).map(each => each.src)"
RUN = "return document.querySelectorAll('[data-md-component=palette] input').length"


class Server(ThreadingHTTPServer):
    """Serves the site, and keeps what it could not answer."""

    missing: list[str]


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        assert isinstance(self.server, Server)
        self.server.missing.append(f"{code} {self.path}")
        super().send_error(code, message, explain)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Server]]:
    folder = tmp_path_factory.mktemp("site")
    assert checks.docs(folder) == 0
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    server.missing = []
    with threads.serving(server):
        yield folder, server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    # No other name leads anywhere: what a page would load from elsewhere fails, and is in the browser's log.
    with open_browser(tmp_path_factory.mktemp("browser"), {HOST: "127.0.0.1", "*": "~NOTFOUND"}) as opened:
        yield opened


def test_no_page_has_a_broken_link_image_or_script(site: tuple[Path, Server], browser: Chrome) -> None:
    folder, server = site
    pages = sorted(str(page.relative_to(folder)) for page in folder.rglob("*.html") if page.name != "404.html")
    # Pages that are made alike, and decisions, which hold text alone: their links are looked at by the unit rung.
    alike = [page for page in pages if page.startswith(("reference/", "decisions/")) and "/index" not in page]
    pages = [page for page in pages if page not in alike[1:]]
    assert len(pages) > 30
    wrong: dict[str, object] = {}
    linked: set[str] = set()
    here = f"http://{HOST}:{server.server_port}/"
    for page in pages:
        browser.get(f"{here}{page}")
        linked |= set(browser.execute_script("return [...document.links].map(each => each.href.split('#')[0])"))
        severe = [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        if found := [*severe, *browser.execute_script(BROKEN)] or not browser.execute_script(RUN):
            wrong[page] = found
    assert wrong == {} and server.missing == []
    inside = {link.removeprefix(here) for link in linked if link.startswith(here)}
    assert inside and {link for link in inside if not (folder / (link or "index.html")).is_file()} == set()


def test_pictures_of_mlflow_have_its_version_below_them(site: tuple[Path, Server], browser: Chrome) -> None:
    browser.get(f"http://{HOST}:{site[1].server_port}/how-to/notebooks.html")
    script = "return [...document.querySelectorAll('img[src$=\".png\"]')].map(each => each.closest('p').nextElementSibling.innerText)"
    assert browser.execute_script(script) == [f"MLflow {MLFLOW}"] * 2
