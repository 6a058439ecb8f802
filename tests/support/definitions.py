"""Definitions of custom resources, as their owners publish them: in the modules of their Go sources."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.support.kubernetes import Kubectl

_MODULES = {
    "sigs.k8s.io/gateway-api@v1.2.1": ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
    "github.com/prometheus-operator/prometheus-operator@v0.79.2": [
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
}


def install(kubectl: Kubectl) -> None:
    """Let the cluster know HTTPRoute, ServiceMonitor and PrometheusRule, with the real schemas.

    They stay: other runs on the cluster may be using them, and objects of no kind would be deleted with them.
    """
    files = [_folder(module) / name for module, names in _MODULES.items() for name in names]
    arguments = [part for file in files for part in ("--filename", str(file))]
    kubectl.text("apply", "--server-side", "--force-conflicts", *arguments)
    names = ["httproutes.gateway.networking.k8s.io", "servicemonitors.monitoring.coreos.com"]
    names.append("prometheusrules.monitoring.coreos.com")
    kubectl.wait("condition=Established", *(f"crd/{name}" for name in names))


def _folder(module: str) -> Path:
    """The unpacked sources of a module, which Go keeps."""
    command = [shutil.which("go") or "go", "mod", "download", "-json", module]
    result = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, timeout=300)
    assert result.returncode == 0, f"{module}: {result.stdout}{result.stderr}"
    return Path(json.loads(result.stdout)["Dir"])
