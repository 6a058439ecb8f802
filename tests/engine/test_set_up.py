"""Set-up on a machine that lets it down: no space, no network."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import disks
from tests.support.toolchain import run

pytestmark = pytest.mark.extended


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    with disks.disk(tmp_path / "disk", "64m") as disk:
        yield disk.folder


@pytest.fixture
def compiled() -> dict[str, str]:
    """Environment with which Go uses the packages that it has compiled before, wherever everything else is put."""
    kept = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    return {"GOCACHE": kept}


def test_a_disk_that_is_too_small_is_named_before_anything_begins(small_disk: Path, tmp_path: Path) -> None:
    code, output = run(
        "toolchain", "up", env={"XDG_CACHE_HOME": str(small_disk), "XDG_STATE_HOME": str(tmp_path), "KUBE_CONTEXT": ""}
    )
    assert code == 1, output
    assert f"GiB are free where {small_disk}" in output and "fix: Free at least 3 GiB there" in output


def test_a_disk_that_fills_up_is_named_and_leaves_nothing_half_done(
    small_disk: Path, compiled: dict[str, str], tmp_path: Path
) -> None:
    places = {"XDG_CACHE_HOME": str(small_disk), "XDG_STATE_HOME": str(tmp_path)}
    code, output = run("toolchain.bare.golang", "kubernetes", env={**places, **compiled})
    assert code == 1, output
    assert "no space left on device" in output.lower() and "fix:" in output
    assert "Traceback" not in output
    assert not list(small_disk.rglob("kubernetes"))


def test_a_cut_network_is_named_and_the_next_run_goes_on(compiled: dict[str, str], tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}
    places |= {**compiled, "GOMODCACHE": str(modules)}
    code, output = run("toolchain.bare.golang", "kube-score", env={**places, "GOPROXY": "off"})
    assert code == 1, output
    assert "could not be downloaded" in output and "run the same command again" in " ".join(output.split())
    code, output = run("toolchain.bare.golang", "kube-score", env=places)
    assert code == 0, output
    assert Path(output.splitlines()[-1]).stat().st_mode & 0o111
    subprocess.run(["chmod", "-R", "u+w", str(modules)], check=True)  # Go keeps them read-only
