"""What the commands hand to tests and benchmarks, so that a single test runs with plain pytest afterwards."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

from toolchain.files import write
from toolchain.paths import ROOT

VARIABLE = "MLFLOW_TEST_TOOLCHAIN"
"""Environment variable that names the file; `build/toolchain.json` if it is not set."""


@dataclass
class Session:
    """The prepared tools. A field is None until its part has been prepared, or where it cannot be had.

    Attributes:
        python: Interpreter of the environment for tests, with every cloud SDK.
        pulumi: The Pulumi command line.
        pulumi_home: PULUMI_HOME with the plugins.
        path: PATH for running it: an environment without any cloud SDK and Pulumi's language host come first.
        clouds_home: PULUMI_HOME with the plugins of clouds too, maybe built in part.
        cloud_paths: PATH with the SDK of one cloud, by its plugin (`aws`); one that cannot be had is not there.
        cloud_problems: Why it is not there.
        kubectl: The kubectl program.
        kubeconfig: kubeconfig of the test cluster.
        cluster_kind: `built-in`, `kind`, `k3d`, `minikube` or `context`.
        host_address: Address at which pods reach processes on this machine that listen on all addresses.
        image: MLflow image that the cluster has or can pull.
        emulators: Stand-ins for the object stores of clouds, by their names; one that cannot be had is not there.
        emulator_problems: Why it is not there.
        pod_security: Program that judges manifests as the API server's Pod Security does.
        kube_score: Program that judges them as kube-score does.
        helm: The Helm program, for the extended tier.
        helm_problem: Why it is not there.
    """

    python: str
    pulumi: str | None = None
    pulumi_home: str | None = None
    path: str | None = None
    clouds_home: str | None = None
    cloud_paths: dict[str, str] = dataclasses.field(default_factory=dict)
    cloud_problems: dict[str, str] = dataclasses.field(default_factory=dict)
    kubectl: str | None = None
    kubeconfig: str | None = None
    cluster_kind: str | None = None
    host_address: str | None = None
    image: str | None = None
    emulators: dict[str, str] = dataclasses.field(default_factory=dict)
    emulator_problems: dict[str, str] = dataclasses.field(default_factory=dict)
    pod_security: str | None = None
    kube_score: str | None = None
    helm: str | None = None
    helm_problem: str | None = None

    @staticmethod
    def path_of_file() -> Path:
        """The file that is named by the environment, or the usual one."""
        return Path(os.environ.get(VARIABLE) or ROOT / "build" / "toolchain.json")

    @classmethod
    def load(cls) -> Session:
        """Read the session that was prepared last.

        Raises:
            FileNotFoundError: None was.
        """
        return cls(**json.loads(cls.path_of_file().read_text()))

    def save(self) -> Path:
        """Write the session, replacing an older one."""
        path = self.path_of_file()
        write(path, json.dumps(dataclasses.asdict(self), indent=2) + "\n")
        return path
