"""How a release is moved without losing what it holds: the steps, and what a cluster is asked before."""

from __future__ import annotations

import base64
import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conversion import Conversion

__all__ = ["COMPONENT", "Finding", "judge", "own_names", "steps"]

COMPONENT = "mlflow"
"""Name of the component in the program that stands in this repository; objects are called after it."""


def own_names(made: Conversion) -> dict[str, str]:
    """Names that the deployment's objects have in any case, by their plural kind."""
    names = made.config.get("names", {})
    account = made.config.get("serviceAccount", {})
    own = {
        "services": names.get("service") or COMPONENT,
        "deployments": names.get("deployment") or f"{COMPONENT}-server",
    }
    if account.get("create") is not False:
        own["serviceaccounts"] = account.get("name") or COMPONENT
    return own


def steps(made: Conversion, file: str) -> list[str]:
    """What to do, in order, so that nothing is lost and the way back stays open.

    Args:
        made: The conversion.
        file: Name of the stack file.
    """
    release, namespace = made.release.name, made.release.namespace
    kubectl = f"kubectl --namespace {namespace}"
    full, own = made.full_name, own_names(made)
    todo = [
        "Take a backup of the database, by its own means: what a newer MLflow migrates has no other way back.",
        f"Stop the release, so that nothing is written twice: {kubectl} scale deployment/{full} --replicas=0 && {kubectl} wait "
        f"pod --for=delete --selector app.kubernetes.io/name={made.text('nameOverride') or 'mlflow'},app.kubernetes.io/instance={release} --timeout=5m",
    ]
    for claim in made.claims:
        todo.append(
            f'Let the volume of the claim {claim} outlive it: {kubectl} patch pv "$({kubectl} get pvc {claim} --output '
            'jsonpath=\'{.spec.volumeName}\')" --patch \'{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}\''
        )
    todo += made.copies
    taken = [f"{kind.removesuffix('s')}/{name}" for kind, name in own.items() if name == full]
    if taken:
        todo.append(
            f"Make room for objects of the same name (helm upgrade makes them again): {kubectl} delete {' '.join(taken)} --ignore-not-found"
        )
    todo += [secret.command for secret in made.secrets]
    todo += [
        f"Put {file} beside Pulumi.yaml, then: pulumi preview && pulumi up",
        "Compare before anybody writes: pulumi-mlflow check, and the numbers of runs, models and users that the release had.",
        f"The way back, as long as the steps below are not done: {kubectl} scale deployment/{own['deployments']} --replicas=0; "
        + (
            f"pulumi destroy; helm upgrade {release} <chart> --reuse-values"
            if taken
            else f"{kubectl} scale deployment/{full} --replicas=1"
        )
        + ". Existing claims, Secrets and databases are no part of the stack, and stay; files that were renamed get their old names first. If the new MLflow has migrated the database, "
        "load the backup first.",
    ]
    kept = [f"persistentvolumeclaim/{claim}" for claim in made.claims]
    kept += [f"{kind.lower()}/{name}" for kind, name in made.referred if name.startswith(full)]
    keeps = f", and keep {', '.join(kept)}" if kept else ""
    todo.append(
        f"Later, let Helm forget the release: {kubectl} delete secret --selector owner=helm,name={release}. Do not run `helm uninstall`"
        + (f": it deletes what the release has made, {', '.join(kept)} if the chart made them" if kept else "")
        + f". Then delete its Deployment and what else is left of it{keeps}: {kubectl} get deployment,service,ingress,configmap,secret "
        f"--selector app.kubernetes.io/instance={release},app.kubernetes.io/managed-by=Helm"
    )
    return todo


@dataclass(frozen=True)
class Finding:
    """What the cluster has.

    Attributes:
        what: The object.
        ok: Whether it is as the steps need it.
        text: What was found.
    """

    what: str
    ok: bool
    text: str


def judge(made: Conversion, objects: Mapping[tuple[str, str], Mapping[str, Any] | None]) -> list[Finding]:
    """Compare the cluster with what the configuration needs.

    Args:
        made: The conversion.
        objects: What is in the release's namespace, by plural kind and name; None for what is not there.
    """
    found = []
    deployment = objects.get(("deployments", made.full_name))
    if deployment is None:
        found.append(
            Finding(f"Deployment {made.full_name}", False, "not found: name the release with --release and --namespace")
        )
    else:
        chart = deployment.get("metadata", {}).get("labels", {}).get("helm.sh/chart", "no chart")
        running = deployment.get("status", {}).get("replicas", 0)
        containers = deployment.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
        found.append(
            Finding(f"Deployment {made.full_name}", True, f"{chart}, {containers[0].get('image')}, {running} running")
        )
    for claim in made.claims:
        found.append(_claim(claim, objects.get(("persistentvolumeclaims", claim))))
    for kind, name in made.referred:
        there = objects.get((f"{kind.lower()}s", name))
        found.append(_keys(made, kind, name, there))
    found += _users(made, objects)
    for kind, name in own_names(made).items():
        there = objects.get((kind, name))
        if there is not None:
            found.append(_collision(made, kind, name, there))
    return found


def _claim(name: str, there: Mapping[str, Any] | None) -> Finding:
    if there is None:
        return Finding(f"PersistentVolumeClaim {name}", False, "not found")
    spec, status = there.get("spec", {}), there.get("status", {})
    size = status.get("capacity", {}).get("storage") or spec.get("resources", {}).get("requests", {}).get("storage")
    modes = ", ".join(spec.get("accessModes") or ())
    text = f"{size}, {modes}, class {spec.get('storageClassName') or 'none'}, {status.get('phase')}"
    return Finding(f"PersistentVolumeClaim {name}", status.get("phase") == "Bound", text)


def _keys(made: Conversion, kind: str, name: str, there: Mapping[str, Any] | None) -> Finding:
    if there is None:
        return Finding(f"{kind} {name}", False, "not found")
    wanted = set(_named_keys(made.config, name))
    missing = sorted(wanted - {*(there.get("data") or {}), *(there.get("binaryData") or {})})
    text = f"has no key {', '.join(missing)}" if missing else "has the keys that are named"
    return Finding(f"{kind} {name}", not missing, text)


def _users(made: Conversion, objects: Mapping[tuple[str, str], Mapping[str, Any] | None]) -> list[Finding]:
    """Where a file of settings that is taken over says that users are. Nothing else of it is told: it may hold passwords."""
    given = made.config.get("auth", {}).get("basic", {}).get("existingConfig")
    there = objects.get(("secrets", given["name"])) if given else None
    encoded = ((there or {}).get("data") or {}).get(given["key"]) if given else None
    if not given or encoded is None:
        return []
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(base64.b64decode(encoded).decode())
        engine = parser.get("mlflow", "database_uri").partition("://")[0].partition("+")[0]
    except (configparser.Error, ValueError):
        return [Finding(f"{given['key']} of Secret {given['name']}", False, "is no basic_auth.ini with a database_uri")]
    text = f"users are in {engine}" + (
        ", in a file: leave auth.basic.existingConfig out, and bring the file over as docs/charts.md says"
        if engine == "sqlite"
        else ""
    )
    return [Finding(f"{given['key']} of Secret {given['name']}", engine != "sqlite", text)]


def _named_keys(node: Any, name: str) -> list[str]:
    """Keys that the configuration names in an object."""
    if isinstance(node, Mapping):
        own = [str(v) for k, v in node.items() if node.get("name") == name and (k == "key" or k.endswith("Key")) and v]
        return own + [key for each in node.values() for key in _named_keys(each, name)]
    return [key for each in node for key in _named_keys(each, name)] if isinstance(node, list) else []


def _collision(made: Conversion, kind: str, name: str, there: Mapping[str, Any]) -> Finding:
    metadata = there.get("metadata", {})
    owner = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name")
    whose = f"of the release {owner}" if owner else "of nobody that Helm knows"
    fix = (
        "the steps delete it first"
        if name == made.full_name
        else "give ours another name: names.service, names.deployment, serviceAccount.name"
    )
    return Finding(
        f"{kind.removesuffix('s')} {name}", False, f"is there already, {whose}, and ours has the same name: {fix}"
    )
