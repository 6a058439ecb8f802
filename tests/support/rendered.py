"""The containers of a rendered pod as processes of this machine, with the packages of MLflow's image but without a cluster.

What runs is what the component renders: commands, variables, files. Only directories and addresses are other ones.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.graph.program import Graph, Registration, Secret, deploy
from tests.support import mlflow_image


@dataclass(frozen=True)
class Container:
    """A container as a process.

    Attributes:
        name: Its name.
        command: Program and arguments.
        environment: All variables.
        startup: Command of the startup probe, if it is one.
        stop: Command that runs before it is told to end, if there is one.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    startup: Sequence[str] = ()
    stop: Sequence[str] = ()

    def finish(self, *before: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, behind the words of another command."""
        return subprocess.run(
            [*before, *self.command], env=dict(self.environment), capture_output=True, text=True, check=False, cwd="/"
        )


@dataclass(frozen=True)
class Pod:
    """A pod's containers; `first` ones run to their end before `main`, and `beside` run with it."""

    first: Sequence[Container]
    main: Container
    beside: Sequence[Container] = ()

    def init_container(self, name: str) -> Container:
        """The init container of this name."""
        (found,) = [each for each in self.first if each.name == name]
        return found

    def told(self, more: Mapping[str, str]) -> "Pod":
        """With further variables in every container."""

        def inside(each: Container) -> Container:
            return replace(each, environment={**each.environment, **more})

        return Pod([*map(inside, self.first)], inside(self.main), [*map(inside, self.beside)])


def pod(
    configuration: Mapping[str, Any],
    kind: str,
    folder: Path,
    address: str = "127.0.0.1",
    ports: Mapping[int, int] | None = None,
) -> Pod:
    """What a deployment renders for one kind of pod.

    Args:
        configuration: Arguments of the deployment.
        kind: Name of the owner, such as `mlflow-server` or `mlflow-migration`.
        folder: Receives the pod's files.
        address: The pod's address.
        ports: Ports that are fixed in a pod, and what to use here.
    """
    graph = deploy(configuration)
    owner = next(owner for owner, _ in graph.pods() if owner.name == kind)
    return _Files(graph, owner, folder, address, ports or {}).pod


class _Files:
    def __init__(self, graph: Graph, owner: Registration, folder: Path, address: str, ports: Mapping[int, int]) -> None:
        self.objects = {
            r.metadata.get("name") or f"{r.name}-1a2b3c4d": r
            for r in graph
            if r.type.endswith(("ConfigMap", ":Secret"))
        }
        self.folder, self.address, self.ports = folder, address, ports
        spec = owner.pod["spec"]
        self.places: dict[str, str] = {}
        for container in (*(spec.get("initContainers") or []), *spec["containers"]):
            for mount in container["volumeMounts"]:
                self.places[mount["mountPath"]] = str(folder / mount["name"])
        for volume in spec["volumes"]:
            self._write(volume)
        initial = spec.get("initContainers") or []
        first = [self._container(each) for each in initial if each.get("restartPolicy") != "Always"]
        main, *beside = [self._container(each) for each in spec["containers"]]
        beside += [self._container(each) for each in initial if each.get("restartPolicy") == "Always"]
        self.pod = Pod(first, main, beside)

    def _write(self, volume: Mapping[str, Any]) -> None:
        folder = self.folder / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        sources = volume.get("projected", {}).get("sources") or [volume]
        for source in sources:
            if found := source.get("configMap") or source.get("secret"):
                content = self._content(str(_known(found.get("name") or found.get("secretName"))))
                items = {each["key"]: each["path"] for each in found.get("items") or []}
                for key, text in content.items():
                    if not items or key in items:
                        path = folder / items.get(key, key)
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_text(self._placed(text))

    def _content(self, name: str) -> Mapping[str, str]:
        inputs = self.objects[name].inputs
        return {
            key: str(_known(value)) for key, value in _known(inputs.get("data") or inputs.get("stringData")).items()
        }

    def _container(self, container: Mapping[str, Any]) -> Container:
        programs = mlflow_image.packages() / "bin"
        values = {
            "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
            "POD_IP": self.address,
            "POD_IPS": self.address,
        }
        for variable in container["env"]:
            if "value" in variable:
                text = re.sub(
                    r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), str(_known(variable["value"]))
                )
                values[variable["name"]] = self._placed(text)
            key = variable.get("valueFrom", {}).get("secretKeyRef")
            if key and _known(key["name"]) in self.objects:  # one that exists already is not known here
                values[variable["name"]] = self._content(_known(key["name"]))[key["key"]]
        values["HOME"] = str(self.folder)
        if "/tmp" in self.places:  # servers look at each upload for what is in theirs
            values["TMPDIR"] = self.places["/tmp"]
        command = [str(_known(each)) for each in (*container.get("command", ()), *(container.get("args") or ()))]
        startup = ((container.get("startupProbe") or {}).get("exec") or {}).get("command", ())
        stop = (((container.get("lifecycle") or {}).get("preStop") or {}).get("exec") or {}).get("command", ())
        return Container(container["name"], [*map(self._placed, command)], values, startup, [*map(self._placed, stop)])

    def _placed(self, text: str) -> str:
        """A text with the directories of the pod where they are here; /tmp stays."""
        for mounted in sorted(self.places, key=len, reverse=True):
            if mounted != "/tmp":
                text = re.sub(
                    rf"(?:(?<![\w/])|(?<=:///)){re.escape(mounted)}(?=[/:\s\"']|$)", self.places[mounted], text
                )
        for fixed, free in self.ports.items():
            text = re.sub(rf"(?<=[ :]){fixed}(?!\d)", str(free), text)
        return text


def _known(value: Any) -> Any:
    return _known(value.value) if isinstance(value, Secret) else value
