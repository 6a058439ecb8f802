"""What users have installed: kind, k3d, minikube, Docker, Podman, Pulumi. Stand-ins answer as their documentation says, since no registry
gives a node image to the machines of these tests; all else is the toolchain's own."""

import functools
import json
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support import threads
from toolchain import cluster, pulumi, versions
from toolchain.console import UserError
from toolchain.paths import state

ANSWERS = {
    "docker": {"info": "Server Version: 28", "network inspect": "fc00:f853:ccd:e793::1\n172.18.0.1"},
    "podman": {"info": "host: {}", "network inspect": "10.89.0.1"},
    "kind": {"get clusters": "No kind clusters found."},
    "k3d": {"cluster list": ""},
    "minikube": {"profile list": ""},
    "kubectl": {"--kubeconfig": "ok"},
    "pulumi": {"version": "v3.300.0"},
}
"""What each program prints for the arguments that begin so; nothing for others."""

KUBECONFIG = 'case "$*" in *create*|*start*|*export*|*write*) [ -z "$KUBECONFIG" ] || touch "$KUBECONFIG";; esac'


class Machine:
    """Programs on a PATH that has no others but the shell's, and what was run of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"

    def install(self, *names: str, failing: str = "", **answers: str) -> None:
        """Put programs there.

        Args:
            names: Programs of `ANSWERS`.
            failing: Arguments with which they fail, as they begin.
            answers: Other answers than usual, by the first argument.
        """
        for name in names:
            told = {**ANSWERS[name], **answers}
            cases = [f'"{begin}"*) printf "%s\\n" "{text}";;' for begin, text in told.items()]
            bad = f'"{failing}"*) echo "cannot connect" >&2; exit 1;;' if failing else ""
            lines = [
                "#!/bin/sh",
                f'echo "{name} $*" >> {self.calls}',
                f'[ "{name}" = kind ] && echo "provider=$KIND_EXPERIMENTAL_PROVIDER" >> {self.calls}',
                KUBECONFIG,
                f'case "$*" in {bad} {" ".join(cases)} esac',
            ]
            program = self.folder / name
            program.write_text("\n".join(lines) + "\n")
            program.chmod(0o755)

    def ran(self, program: str) -> list[str]:
        """What was run of a program, in order."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.startswith(program)]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "touch", "cat", "mkdir", "cp", "chmod"):
        (folder / tool).symlink_to(Path("/bin") / tool)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("DOCKER_HOST", "KIND_EXPERIMENTAL_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cluster, "ANSWER_SECONDS", 0)
    caches = (cluster.engine, cluster._maker, cluster.kubectl, pulumi.release_server_answers)
    for cached in caches:
        cached.cache_clear()
    yield Machine(folder)
    for cached in caches:
        cached.cache_clear()


def recorded(kind: str) -> None:
    """An earlier `make up` has made a cluster of this kind."""
    state().mkdir(parents=True, exist_ok=True)
    state("cluster.json").write_text(json.dumps({"kind": kind}))


@pytest.mark.parametrize(
    ("engine", "maker", "made"),
    [
        ("docker", "kind", "kind create cluster --name mlflow --kubeconfig "),
        ("podman", "kind", "kind create cluster --name mlflow --kubeconfig "),
        ("docker", "k3d", "k3d cluster create mlflow "),
        ("docker", "minikube", "minikube start --profile mlflow --driver docker --keep-context"),
        ("podman", "minikube", "minikube start --profile mlflow --driver podman --keep-context"),
    ],
)
def test_a_cluster_is_made_with_the_engine_that_answers(machine: Machine, engine: str, maker: str, made: str) -> None:
    machine.install(engine, maker, "kubectl")
    found = cluster.find(None)
    assert (found.kind, found.name, found.ours) == (maker, "mlflow", True)
    assert [call for call in machine.ran(maker) if call.startswith(made)]
    assert cluster.recorded() == maker and found.kubeconfig.is_relative_to(state())
    assert found.has_image("registry.example.com/image:1")
    inside = "minikube ssh --profile mlflow -- sudo" if maker == "minikube" else f"{engine} exec "
    assert [
        call for call in machine.ran(inside) if call.endswith(" crictl inspecti --quiet registry.example.com/image:1")
    ]
    assert found.host_address() == {"docker": "172.18.0.1", "podman": "10.89.0.1"}[engine]
    archive = Path("/image.tar")
    found.load_image(archive)
    assert [call for call in machine.ran(maker) if "/image.tar" in call]
    if maker == "kind":
        assert set(machine.ran("provider=")) == {"provider=podman" if engine == "podman" else "provider="}


def test_docker_that_is_installed_and_does_not_answer_leaves_it_to_podman(machine: Machine) -> None:
    machine.install("docker", failing="info")
    machine.install("podman", "kind", "kubectl")
    assert cluster.find(None).kind == "kind"
    assert "provider=podman" in machine.ran("provider=")


def test_without_an_engine_that_answers_nothing_is_made(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("docker", failing="info")
    machine.install("kind", "kubectl")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match="there is no Kubernetes cluster to deploy to") as caught:
        cluster.find(None)
    assert "KUBE_CONTEXT=name" in caught.value.fix
    assert "kind is installed, but no container engine answers" in capsys.readouterr().out
    assert machine.ran("kind") == []


def test_k3d_needs_the_socket_of_podman(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.install("podman", "k3d", "kubectl")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError):
        cluster.find(None)
    assert "name its socket in DOCKER_HOST" in capsys.readouterr().out
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/podman/podman.sock")
    cluster._maker.cache_clear()
    assert cluster.find(None).kind == "k3d"


@pytest.mark.parametrize(
    ("maker", "answers", "context", "delete"),
    [
        ("kind", {"get clusters": "other\nmlflow"}, "kind-mlflow", "kind delete cluster --name mlflow"),
        ("k3d", {"cluster list": "mlflow   1/1   0/0   true"}, "k3d-mlflow", "k3d cluster delete mlflow"),
        ("minikube", {"profile list": "│ mlflow  │ docker │ OK │"}, "mlflow", "minikube delete --profile mlflow"),
    ],
)
def test_a_cluster_of_that_name_that_somebody_else_has_made_is_left_alone(
    machine: Machine, maker: str, answers: dict[str, str], context: str, delete: str
) -> None:
    machine.install("docker", "kubectl")
    machine.install(maker, **answers)
    with pytest.raises(UserError, match="that this project did not make") as caught:
        cluster.find(None)
    assert f"`KUBE_CONTEXT={context}`" in caught.value.fix and f"`{delete}`" in caught.value.fix


def test_a_cluster_with_a_longer_name_is_another_one(machine: Machine) -> None:
    machine.install("docker", "kubectl")
    machine.install("kind", **{"get clusters": "mlflow-prod"})
    assert cluster.find(None).kind == "kind"
    assert [call for call in machine.ran("kind") if "create cluster" in call]


@pytest.mark.parametrize(
    ("maker", "answers", "started"),
    [
        ("kind", {"get clusters": "mlflow"}, "docker start mlflow-control-plane"),
        ("k3d", {"cluster list": "mlflow   0/1   0/0   true"}, "k3d cluster start mlflow"),
        (
            "minikube",
            {"profile list": "│ mlflow  │ docker │ Stopped │"},
            "minikube start --profile mlflow --keep-context",
        ),
    ],
)
def test_our_cluster_starts_again_after_the_machine_did(
    machine: Machine, maker: str, answers: dict[str, str], started: str
) -> None:
    recorded(maker)
    machine.install("docker", "kubectl", *(set(cluster.MAKERS) - {maker}))
    machine.install(maker, **answers)
    assert cluster.find(None).kind == maker
    assert started in machine.ran(started)
    assert not [call for call in machine.ran(maker) if " create " in call]


def test_a_cluster_that_does_not_come_back_is_named_with_the_way_out(machine: Machine) -> None:
    recorded("kind")
    machine.install("docker")
    machine.install("kubectl", failing="--kubeconfig")
    machine.install("kind", **{"get clusters": "mlflow"})
    with pytest.raises(UserError, match="the kind cluster mlflow does not answer: cannot connect") as caught:
        cluster.find(None)
    assert "`make down`" in caught.value.fix


def test_a_maker_that_fails_is_told_with_its_last_words(machine: Machine) -> None:
    machine.install("docker", "kubectl")
    machine.install("kind", failing="create cluster")
    with pytest.raises(UserError, match=r"(?s)kind create cluster.*cannot connect"):
        cluster.find(None)


def test_down_deletes_what_was_made_and_nothing_else(machine: Machine) -> None:
    machine.install("podman", "kind", "kubectl")
    made = cluster.find(None)
    cluster.delete()
    assert [call for call in machine.ran("kind") if call.startswith("kind delete cluster --name mlflow --kubeconfig ")]
    assert cluster.recorded() is None and not made.kubeconfig.exists()


def test_a_named_context_is_used_as_it_is(machine: Machine) -> None:
    config = "apiVersion: v1\nclusters: [{cluster: {server: https://10.0.0.1}}]"
    machine.install("docker", "kind")
    machine.install("kubectl", **{"config view": config})
    found = cluster.find("prod")
    assert (found.kind, found.name, found.ours) == ("context", "prod", False)
    assert found.kubeconfig.read_text().startswith(config) and machine.ran("kind") == []
    assert found.host_address() is None and not found.has_image("x")
    with pytest.raises(UserError, match="cannot be put into the cluster of the context prod"):
        found.load_image(Path("/image.tar"))


def test_a_named_context_that_does_not_answer_is_named_with_its_server(machine: Machine) -> None:
    machine.install("kubectl", failing="--kubeconfig", **{"config view": "server: https://10.0.0.1"})
    with pytest.raises(UserError, match=r"context prod at https://10\.0\.0\.1 does not answer: cannot connect"):
        cluster.find("prod")


def test_a_context_that_does_not_exist_is_answered_with_those_that_do(machine: Machine) -> None:
    machine.install("kubectl", failing="config view", **{"config get-contexts": "dev\nprod"})
    with pytest.raises(UserError, match="there is no context other") as caught:
        cluster.find("other")
    assert caught.value.fix == "Name one of: dev, prod."


def test_an_installed_pulumi_is_used_with_its_own_home(machine: Machine, tmp_path: Path, monkeypatch) -> None:
    machine.install("pulumi")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    assert pulumi.ensure() == pulumi.Cli(machine.folder / "pulumi", tmp_path / "home", ())


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands for https://get.pulumi.com, whose script takes these options: https://www.pulumi.com/docs/iac/download-install/."""
    script = tmp_path / "server" / "index.html"
    script.parent.mkdir()
    script.write_text(
        'while [ $# -gt 0 ]; do case "$1" in --version) v=$2;; --install-root) root=$2;; esac; shift; done\n'
        'mkdir -p "$root/bin"; printf "#!/bin/sh\\necho v$v\\n" > "$root/bin/pulumi"; chmod +x "$root/bin/pulumi"\n'
    )
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(script.parent))
    with threads.serving(HTTPServer(("127.0.0.1", 0), handler)) as port:
        monkeypatch.setattr(pulumi, "INSTALLER", f"http://127.0.0.1:{port}/")
        yield script


@pytest.mark.parametrize("installed", ["v3.100.0", None, "no version"])
def test_a_pulumi_that_is_too_old_or_missing_is_installed_beside_it(
    machine: Machine, installer: Path, installed: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if installed:
        machine.install("pulumi", version=installed)
    cli = pulumi.ensure()
    assert cli.command.read_text().endswith(f"echo v{pulumi.environments.locked('pulumi')}\n")
    assert cli.path == (cli.command.parent,) and cli.home.name == "pulumi-home"
    assert (f"needs {versions.PULUMI_CLI_MINIMUM}: using another" in capsys.readouterr().out) == bool(installed)


def test_an_installer_that_fails_leaves_it_to_a_build(machine: Machine, installer: Path, monkeypatch, capsys) -> None:
    installer.write_text("echo disk is full >&2; exit 1\n")
    built = machine.folder.parent / "built"
    built.mkdir()
    for name in ("pulumi", "pulumi-language", "pulumi-language-yaml", pulumi.golang.PYTHON_EXECUTOR):
        (built / name).touch()
    monkeypatch.setattr(pulumi.golang, "build", lambda names: {name: built / name for name in names})
    assert pulumi.ensure().command.name == "pulumi"
    assert "building Pulumi from source instead" in capsys.readouterr().out


def test_a_cluster_stays_with_the_engine_that_it_is_in(machine: Machine) -> None:
    machine.install("podman", "kind", "kubectl")
    cluster.find(None)
    machine.install("docker")
    cluster.engine.cache_clear()
    assert cluster.engine() == "podman"
    machine.install("podman", failing="info")
    machine.install("kubectl", failing="--kubeconfig")
    cluster.engine.cache_clear()
    cluster._maker.cache_clear()
    with pytest.raises(UserError, match="the kind cluster mlflow was made with podman, which does not answer"):
        cluster.find(None)
