"""What runs, what was backed up, what is half done, and why pods do not start."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

from ..labels import BACKUP, BACKUP_DRILL, COMPONENT, GARBAGE_COLLECTION, MIGRATION, RESTORE, SERVER, SERVER_CONTAINER
from . import diagnosis, fence
from .cluster import Object
from .errors import OperationError
from .jobs import warnings
from .target import Target

UPGRADE = "upgrade"
"""The ConfigMap `<name>-upgrade` holds the record of upgrades."""
ROTATION = "pulumi-mlflow/rotation"
"""Annotation of the Deployment with the rotation that has begun and not ended: `from`, `to` (each a Secret's `name` and `key`) and `version`
(of `from`)."""
_HEAD = re.compile(r"migration: (?P<schema>\w+ )?schema is at (?P<head>\w+), as this image expects")


def status(target: Target) -> dict[str, Any]:
    """Everything in one document; `healthy` says whether somebody has to act."""
    server = target.server()
    containers, state = server["spec"]["template"]["spec"]["containers"], server.get("status", {})
    wanted, ready = server["spec"].get("replicas", 1), state.get("readyReplicas", 0)
    found = {
        "deployment": str(target),
        "image": next((each["image"] for each in containers if each["name"] == SERVER_CONTAINER), None),
        "replicas": {"wanted": wanted, "ready": ready},
        "heads": heads(target),
        "stopped": fence.record(target),
        "upgrade": unfinished(target),
        "rotation": target.remembered(ROTATION),
        "kept": kept(target),
        "schedules": schedules(target),
        "problems": problems(target),
    }
    failed = [each for each in found["schedules"].values() if each["failed"]]
    acting = found["stopped"] or found["upgrade"] or found["rotation"] or found["problems"] or failed
    return {**found, "healthy": not acting and ready >= wanted}


def heads(target: Target) -> dict[str, str]:
    """Versions of the schemas that the last migration has found or made, by schema; empty if its log is gone."""
    pods = target.all("pods", MIGRATION) or target.all("pods", SERVER)
    for pod in reversed(pods):
        try:
            lines = "\n".join(target.cluster.log(target.namespace, pod["metadata"]["name"], MIGRATION))
        except OperationError:
            continue
        if found := {(match["schema"] or "mlflow").strip(): match["head"] for match in _HEAD.finditer(lines)}:
            return found
    return {}


def unfinished(target: Target) -> Any:
    """The record of an upgrade that was begun and has not ended; None if there is none."""
    return json.loads(target.config_map(UPGRADE).get("current") or "null")


def history(target: Target) -> list[dict[str, Any]]:
    """The records of upgrades that have ended, the last one last."""
    return json.loads(target.config_map(UPGRADE).get("history") or "[]")


def kept(target: Target) -> dict[str, str]:
    """Databases that upgrades and rollbacks have kept, each with what it holds."""
    return json.loads(target.config_map(UPGRADE).get("kept") or "{}")


def problems(target: Target) -> list[str]:
    """Why pods do not start or do not stay up. Pods of Jobs that have ended are not among them."""
    jobs = target.all("jobs")
    ended = {job["metadata"]["uid"] for job in jobs if job.get("status", {}).get("conditions")}
    pods = [pod for pod in target.all("pods") if not _owners(pod) & ended]
    going = [job for job in jobs if job["metadata"]["uid"] not in ended]
    sets = [*target.all("replicasets"), *target.all("statefulsets")]
    return diagnosis.unready([*pods, *going, *sets], warnings(target))


def age(timestamp: str | None) -> str:
    """How long ago: `"3 h"`."""
    if timestamp is None:
        return "never"
    then = datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    minutes = (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds() / 60
    for unit, size in (("d", 2 * 1440), ("h", 60)):
        if minutes >= size:
            return f"{minutes / (1440 if unit == 'd' else 60):.0f} {unit} ago"
    return f"{max(0, minutes):.0f} min ago"


def describe(found: dict[str, Any]) -> str:
    """The document for people."""
    replicas = found["replicas"]
    lines = {
        "deployment": found["deployment"],
        "image": found["image"],
        "servers": f"{replicas['ready']} of {replicas['wanted']} ready",
        "schema": ", ".join(f"{head} ({schema})" for schema, head in found["heads"].items()),
    }
    for component, each in found["schedules"].items():
        last = f"last success {age(each['lastSuccess'])}"
        lines[component] = ", ".join(
            filter(None, (each["schedule"], last, "suspended" if each["suspended"] else "", each["failed"]))
        )
    if stopped := found["stopped"]:
        lines["stopped"] = (
            f"for `{stopped['for']}`, {stopped['replicas']} replicas before. The same command goes on; `pulumi-mlflow open` "
            "starts them as they were"
        )
    if upgrade := found["upgrade"]:
        lines["upgrade"] = (
            f"not finished: {json.dumps(upgrade)}. `pulumi up` goes on, `pulumi-mlflow rollback` goes back"
        )
    if begun := found["rotation"]:
        secret, key = begun["to"]["name"], begun["to"]["key"]
        lines["rotation"] = f"not finished. `pulumi-mlflow rotate kek --secret {secret} --key {key}` goes on"
    if databases := found["kept"]:
        each = "; ".join(f"{name} ({what})" for name, what in databases.items())
        lines["kept"] = f"{each}. `pulumi-mlflow drop NAME` once nobody goes back to it"
    width = max(map(len, lines))
    text = [f"{name:<{width}}  {value}" for name, value in lines.items() if value]
    if found["problems"]:
        text += ["", "not starting or not staying up:", *(f"    {each}" for each in found["problems"])]
    return "\n".join(text)


def schedules(target: Target) -> dict[str, Any]:
    """The CronJobs by component. Without the template to restore from, which never runs by itself."""
    made = {each["metadata"]["labels"][COMPONENT]: each for each in target.all("cronjobs")}
    order = {name: number for number, name in enumerate((BACKUP, BACKUP_DRILL, GARBAGE_COLLECTION))}
    return {
        component: {
            "schedule": each["spec"]["schedule"],
            "suspended": bool(each["spec"].get("suspend")),
            "lastSuccess": each.get("status", {}).get("lastSuccessfulTime") or _last_by_hand(target, component),
            "failed": _failed(target, component),
        }
        for component, each in sorted(made.items(), key=lambda item: order.get(item[0], len(order)))
        if component != RESTORE
    }


def _last_by_hand(target: Target, component: str) -> str | None:
    """When the last Job that somebody started succeeded: the CronJob's own status may not count it."""
    ends = [job.get("status", {}).get("completionTime") for job in target.all("jobs", component)]
    return max(filter(None, ends), default=None)


def _failed(target: Target, component: str) -> str:
    """What the last Job that has ended says if it failed; empty if it did not."""
    ended = [job for job in target.all("jobs", component) if job.get("status", {}).get("conditions")]
    if not ended or ended[-1]["status"].get("completionTime"):
        return ""
    name, conditions = ended[-1]["metadata"]["name"], ended[-1]["status"]["conditions"]
    failure = next((each for each in conditions if each["type"] == "Failed"), None)
    return (
        f"the Job {name} failed: {failure.get('message', '')}; {target.kubectl(f'logs job/{name}')}" if failure else ""
    )


def _owners(pod: Object) -> set[str]:
    return {each["uid"] for each in pod["metadata"].get("ownerReferences", [])}
