"""Images that are built where no registry answers: which there are, and when they are built again."""

import json
import re
import tarfile
from pathlib import Path

import pytest

from toolchain import versions
from toolchain.bare import golang, images
from toolchain.bare.images.packages import DebianImage
from toolchain.bare.images.programs import GoImage
from toolchain.console import UserError


class Cluster:
    """A cluster of our own that has no image yet."""

    ours = True

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def has_image(self, _: str) -> bool:
        return bool(self.loaded)

    def load_image(self, archive: Path) -> None:
        self.loaded.append(archive.read_text())


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(images, "registry_answers", lambda reference: False)


def test_unknown_image_is_refused_with_those_that_can_be_built() -> None:
    with pytest.raises(UserError, match=rf"image registry\.example\.com/x:1: .*{re.escape(versions.POSTGRESQL_IMAGE)}"):
        images.archive("registry.example.com/x:1")


def test_every_recipe_has_its_files() -> None:
    for reference, recipe in images.RECIPES.items():
        assert recipe.content(), reference
        if isinstance(recipe, DebianImage) and recipe.files:
            assert [path for path in recipe.files.rglob("*") if path.is_file()], reference


def test_image_is_built_and_loaded_again_only_when_its_content_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recipe:
        expect = "at once"
        text = "one"

        def content(self) -> list[str]:
            return [self.text]

        def build(self, reference: str, folder: Path) -> None:
            (folder / "image.tar").write_text(f"{reference} {self.text}")

    recipe, cluster = Recipe(), Cluster()
    monkeypatch.setattr(images, "RECIPES", {"r/i:1": recipe})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for text, loads in {"one": ["r/i:1 one"], "two": ["r/i:1 one", "r/i:1 two"]}.items():
        recipe.text = text
        for _ in range(2):
            images.ensure("r/i:1", cluster)  # type: ignore[arg-type]
            assert cluster.loaded == loads


def test_image_of_a_program_holds_it_where_the_official_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "binary"
    binary.write_text("a program")
    monkeypatch.setattr(golang, "build", lambda names: dict.fromkeys(names, binary))
    GoImage("etcd", "/usr/bin/tool", cmd=("server",), user="65532:65532").build("r/tool:1", tmp_path)
    with tarfile.open(tmp_path / "image.tar") as image:
        (docker,) = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(image.extractfile(docker["Config"]))["config"]  # type: ignore[arg-type]
        with tarfile.open(fileobj=image.extractfile(docker["Layers"][0])) as layer:
            program = layer.getmember("usr/bin/tool")
            assert (program.size, program.mode) == (9, 0o755)
            assert layer.getmember("tmp").mode == 0o1777
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["/usr/bin/tool"], ["server"], "65532:65532")
