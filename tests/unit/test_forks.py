"""The edited copies of Go modules hold what is kept, and say what they miss."""

import dataclasses
from pathlib import Path

import pytest

from toolchain.bare import forks
from toolchain.bare.forks import Edit, Fork
from toolchain.console import UserError

REGISTERED = """import (
	"example.com/provider/services/bucket"
	"example.com/provider/services/queue"
	"fmt"
)

var services = []any{
	bucket.Service(),
	queue.Service(),
}
"""
FORK = Fork(
    module="example.com/provider",
    probe="version",
    edits=(Edit("provider/all.go", r"^\t(?:\".*/services/(\w+)\"|(\w+)\.Service\(\),)\n", ("bucket",)),),
    folders=("services", "provider"),
    services="services",
    kept=("bucket",),
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "provider@v1"
    files = {
        "go.mod": "module example.com/provider\n",
        "provider/all.go": REGISTERED,
        "services/bucket/bucket.go": "package bucket\n",
        "services/bucket/bucket_test.go": "package bucket\n",
        "services/bucket/testdata/x.json": "{}",
        "services/queue/queue.go": "package queue\n",
        "services/queue/inner/inner.go": "package inner\n",
        "services/queue/texts.hcl": "",
        "website/index.html": "",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
        (folder / name).chmod(0o444)  # as Go keeps them
    return folder


def test_other_services_are_left_out(module: Path) -> None:
    copy = forks.make(FORK, module)
    left = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert left == {"go.mod", "provider/all.go", "services/bucket/bucket.go", "services/queue/texts.hcl"}
    assert "queue" not in (copy / "provider/all.go").read_text()
    assert (
        REGISTERED.replace('\t"example.com/provider/services/queue"\n', "").replace("\tqueue.Service(),\n", "")
        == (copy / "provider/all.go").read_text()
    )
    assert forks.make(FORK, module) == copy


def test_a_service_that_is_not_there_is_named(module: Path) -> None:
    (edit,) = FORK.edits
    wanted = dataclasses.replace(FORK, edits=(dataclasses.replace(edit, kept=("bucket", "topic")),))
    with pytest.raises(UserError, match="does not name topic"):
        forks.make(wanted, module)


def test_a_whole_module_with_one_name_replaced(module: Path) -> None:
    fork = Fork(FORK.module, "version", (Edit("provider/all.go", r"queue\.Service\(\)", replacement="nil"),))
    copy = forks.make(fork, module)
    assert (copy / "provider/all.go").read_text() == REGISTERED.replace("queue.Service()", "nil")
    assert (copy / "website/index.html").exists()


def test_a_pattern_that_matches_nothing_is_named(module: Path) -> None:
    fork = Fork(FORK.module, "version", (Edit("provider/all.go", "topic"),))
    with pytest.raises(UserError, match="does not name topic"):
        forks.make(fork, module)
