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
    chosen = f"--selector app.kubernetes.io/instance={release},app.kubernetes.io/managed-by=Helm"
    todo = [
        "Take a backup of the database, by its own means: what a newer MLflow migrates has no other way back.",
        f"Stop the release, so that nothing is written twice: {kubectl} scale deployment/{full} --replicas=0 && "
        + (f"{kubectl} delete cronjob {chosen} && " if made.on("garbageCollection.enabled") else "")
        + _gone(kubectl, f"app.kubernetes.io/name={made.text('nameOverride') or 'mlflow'}", release),
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
            f"Make room for objects of the same name (the way back makes them again): {kubectl} delete {' '.join(taken)} --ignore-not-found"
        )
    todo += [secret.command for secret in made.secrets]
    todo += [
        f"Put {file} beside Pulumi.yaml, then: pulumi preview && pulumi up",
        "Compare before anybody writes: pulumi-mlflow check, and the numbers of runs, models and users that the release had.",
        f"The way back, as long as the steps below are not done: {_back(made, kubectl, bool(taken))}. Existing claims, Secrets and "
        "databases are no part of the stack, and stay; so do generated encryption keys, in its state. Files that were renamed get their old names "
        "first. If the new MLflow has migrated the database, load the backup first.",
    ]
    kept = [f"persistentvolumeclaim/{claim}" for claim in made.claims]
    held = [f"{kind.lower()}/{name}" for kind, name in made.referred if name.startswith(full)]
    spared = (
        f" | grep --invert-match --line-regexp --fixed-strings {' '.join(f'--regexp {each}' for each in held)}"
        if held
        else ""
    )
    todo.append(
        f"Later, let Helm forget the release: {kubectl} delete secret --selector owner=helm,name={release}. Do not run `helm uninstall`"
        + (
            f": it deletes what the release has made, {', '.join([*kept, *held])} if the chart made them"
            if kept or held
            else ""
        )
        + f". Then delete what else is left of it: look at this list, which has no claims{' and nothing that is kept' if held else ''}, and "
        f"append `| xargs {kubectl} delete` to it: {kubectl} get {_LEFT} {chosen} --output name{spared}"
    )
    return todo


_LEFT = "deployment,statefulset,cronjob,horizontalpodautoscaler,poddisruptionbudget,service,ingress,networkpolicy,configmap,secret,serviceaccount"
"""Kinds that charts make, of which none holds experiments or artifacts."""


def _gone(kubectl: str, selector: str, instance: str) -> str:
    """Wait until the pods of a Deployment that was scaled to 0 have ended."""
    return f"{kubectl} wait pod --for=delete --selector {selector},app.kubernetes.io/instance={instance} --timeout=5m"


def _back(made: Conversion, kubectl: str, taken: bool) -> str:
    """How the release is started again, as its own revision: an upgrade may bring another chart."""
    release, own = made.release.name, own_names(made)["deployments"]
    helm = f"--namespace {made.release.namespace}"
    commands = [
        f"{kubectl} scale deployment/{own} --replicas=0",
        _gone(kubectl, "app.kubernetes.io/component=server", COMPONENT),
        # Without the option, encryption keys under protection keep everything else from being destroyed.
        *(["pulumi destroy --exclude-protected"] if taken else []),
        f"helm rollback {release} \"$(helm status {release} {helm} | sed -n 's/^REVISION: //p')\" {helm}",
    ]
    if made.on("autoscaling.enabled"):  # the chart then names no number, and an autoscaler leaves 0 as it is
        commands.append(
            f"{kubectl} scale deployment/{made.full_name} --replicas={made.text('autoscaling.minReplicas') or 1}"
        )
    return " && ".join(commands)


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
