"""Downloads of Go modules: their hashes, and a `go` that fails as a registry does."""

import re
from pathlib import Path

import pytest

from toolchain import cluster
from toolchain.bare import golang, modules
from toolchain.bare.forks import Fork
from toolchain.console import Step, UserError

MODULE = "example.com/large"


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a `go` that fails with the text in `failures`, a line at a time, until there is none left.

    It counts its calls in `calls`, and then makes the folder of the module.
    """
    program = tmp_path / "go"
    program.write_text(
        f"""#!/bin/sh
cd {tmp_path}
[ "$1" = env ] && {{ echo {tmp_path}/modules; exit; }}
echo >> calls
if [ -s failures ]; then head -n 1 failures >&2; sed -i 1d failures; exit 1; fi
mkdir -p modules/{MODULE}@v1.2.3
"""
    )
    program.chmod(0o755)
    (tmp_path / "go.mod").write_text(f"require (\n\t{MODULE} v1.2.3\n)\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(modules, "_PAUSES", (0, 0.0, 0.01))
    return tmp_path


def calls(go: Path) -> int:
    return len((go / "calls").read_text().splitlines())


def test_a_large_module_is_asked_for_again(go: Path) -> None:
    (go / "failures").write_text("reading large.zip: 504 Gateway Timeout\nreading large.zip: unexpected EOF\n")
    assert modules.folder_of(go, MODULE, "some", Step("")) == go / "modules" / f"{MODULE}@v1.2.3"
    assert calls(go) == 3


def test_the_registry_is_quoted_when_it_never_answers(go: Path) -> None:
    (go / "failures").write_text("reading large.zip: 504 Gateway Timeout\n" * 3)
    with pytest.raises(UserError, match=r"large v1\.2\.3 could not be downloaded: .* 504"):
        modules.folder_of(go, MODULE, "some", Step(""))


def test_a_build_goes_on_after_a_failed_download_and_not_after_another_error(go: Path) -> None:
    (go / "failures").write_text('large@v1.2.3: Get "large.zip": net/http: TLS handshake timeout\n')
    modules.go(["build"], ".", "large", Step(""))
    assert calls(go) == 2
    (go / "failures").write_text("large.go:1:1: syntax error\n")
    with pytest.raises(UserError, match="syntax error"):
        modules.go(["build"], ".", "large", Step(""))
    assert calls(go) == 3


def test_modules_of_several_programs_are_fetched_at_once(go: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(go / "cache"))
    golang.download(["coredns", "etcd"])
    assert calls(go) == 1
    built = golang._path("etcd")
    built.parent.mkdir(parents=True)
    built.touch()
    golang.download(["etcd"])
    assert calls(go) == 1


FORKED = [(name, fork) for name, component in golang.COMPONENTS.items() for fork in component.forks]


@pytest.mark.parametrize(("name", "fork"), FORKED, ids=[name for name, _ in FORKED])
def test_the_hash_of_a_module_that_is_downloaded_whole_is_known(name: str, fork: Fork) -> None:
    # A build alone does not need it, since it replaces the module by an edited copy: `go mod tidy` may leave it out.
    main = modules.MODULE / golang.COMPONENTS[name].module
    version = modules.required_version(main, fork.module)
    assert f"\n{fork.module} {version} h1:" in (main / "go.sum").read_text()


def test_helm_shares_versions_with_what_is_built_anyway() -> None:
    # Otherwise Go compiles hundreds of packages of Kubernetes a second time.
    def named(file: Path) -> dict[str, str]:
        return dict(re.findall(r"^\t(\S+ (?:=>)?)\s?(\S+(?: v\S+)?)", file.read_text(), re.MULTILINE))

    ours, helms = (named(modules.MODULE / folder / "go.mod") for folder in ("", "helm"))
    shared = ours.keys() & helms.keys()
    assert len(shared) > 100 and any(name.endswith("=>") for name in shared)
    assert {name: helms[name] for name in shared} == {name: ours[name] for name in shared}


def test_a_helm_that_is_installed_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "helm"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cluster.helm() == installed
