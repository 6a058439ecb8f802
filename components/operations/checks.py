"""Checks before an upgrade, by the new image itself, and of a server that runs, from the outside."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ..labels import BACKUP, BACKUP_DRILL, GARBAGE_COLLECTION, MIGRATION, SERVER, selector
from . import round_trip
from .cluster import Object
from .console import Console, Quiet
from .errors import NOT_FOUND, OperationError
from .forward import HOST, forwarded
from .jobs import MADE_BY, follow, from_template, set_variables, start, succeeded
from .round_trip import Login, Server
from .status import age, schedules
from .target import Target, containers, server_container

_CHECK_SECONDS = 900
_LARGE = 1000
"""Rows of a table that people are told of."""
PROGRAM = "upgrade.py"
"""The program that knows MIGRATION_MODE=check."""


def before_upgrade(target: Target, console: Console, image: str) -> dict[str, Any]:
    """What the database would meet if the servers ran this image; changes nothing.

    Args:
        target: The deployment.
        console: Where to report.
        image: The new image.

    Returns:
        The document that the migration prints in this mode, and `backup`: when the last one succeeded (`taken`), which reads itself
        back, and when the last one was restored for a try (`drilled`); null without `backup`.
    """
    job, quiet = migration_job(target, "check", _CHECK_SECONDS, image=image), Quiet(console)
    outcome = follow(target, start(target, job, quiet), quiet)
    # What is in the way of the upgrade is in the document, and the program ends with an error because of it.
    for _, line in reversed(outcome.lines):
        if line.startswith("{"):
            return {**json.loads(line), "backup": _last_backup(target)}
    succeeded(target, outcome)
    raise OperationError(
        "the migration program has printed no result",
        "It is of another version than this program: install the version that the stack uses.",
    )


def describe(found: Mapping[str, Any]) -> str:
    """The document for people."""
    lines = [f"MLflow {found['mlflow_version']}: {'migrates the schema' if found['upgrade_needed'] else 'same schema'}"]
    for each in found["databases"]:
        size = each.get("size_bytes")
        lines.append(f"{each['engine']} {each['server_version']}" + (f", {size / 2**20:.0f} MiB" if size else ""))
        large = sorted(
            ((rows, name) for name, rows in (each.get("rows") or {}).items() if rows >= _LARGE), reverse=True
        )
        lines += [f"  {name}: about {rows} rows" for rows, name in large]
        for schema in each["schemas"]:
            lines.append(f"  {schema['name']}: {schema['current']} → {schema['head']} ({schema['action']})")
            for one in schema.get("pending") or []:
                what = "rewrites data" if one.get("rewrites") else "adds only"
                lines.append(f"    {one['revision']} {one.get('summary') or ''} ({what})")
        if used := each.get("connections"):
            lines.append(f"  connections: {used['open']} of {used['limit']}, {used['servers']} of servers")
        lines += [
            f"  transaction of {one['seconds']} s: session {one['session']} ({one['what']})"
            for one in each.get("long_transactions") or []
        ]
        if each.get("locked"):
            lines.append("  a migration or an upgrade runs")
    if backup := found.get("backup"):
        lines.append(f"last backup: {age(backup['taken'])}, last drill: {age(backup['drilled'])}")
    return "\n".join([*lines, *(f"  ! {problem}" for problem in problems(found))])


def problems(found: Mapping[str, Any]) -> list[str]:
    """What is in the way of an upgrade."""
    of_databases = [problem for each in found["databases"] for problem in each.get("problems") or []]
    return [*of_databases, *(found.get("problems") or [])]


def _last_backup(target: Target) -> dict[str, str | None] | None:
    known = schedules(target)
    when = {component: known.get(component, {}).get("lastSuccess") for component in (BACKUP, BACKUP_DRILL)}
    return {"taken": when[BACKUP], "drilled": when[BACKUP_DRILL]} if BACKUP in known else None


def migration_job(
    target: Target, mode: str, seconds: int, variables: Mapping[str, str] | None = None, image: str | None = None
) -> Object:
    """A Job of the newest migration's pod that does something else.

    Args:
        target: The deployment.
        mode: What it does, as `MIGRATION_MODE` says it.
        seconds: How long it may take.
        variables: Further variables.
        image: Another image of MLflow; the same if None.
    """
    pod = migration_pod(target)
    old = next(each["image"] for each in pod["spec"]["containers"] if each["name"] == MIGRATION)
    for each in containers(pod["spec"]):
        if image is not None and each["image"] == old:
            each["image"] = image
    set_variables(pod["spec"], {"MIGRATION_MODE": mode, **(variables or {})})
    return from_template(target, f"{target.name}-{mode}", selector(target.name, MIGRATION), pod, mode, seconds)


def migration_pod(target: Target) -> Object:
    """The pod of the newest migration Job.

    Raises:
        OperationError: There is none, or its program would migrate instead of check.
    """
    made = [job for job in target.all("jobs", MIGRATION) if MADE_BY not in (job["metadata"].get("annotations") or {})]
    if not made:
        raise OperationError(
            f"{target} has no migration Job whose pod could check an image",
            "With SQLite only the server's own pod reaches the file: it copies it before it migrates, and `pulumi up` is the "
            "check. Otherwise run `pulumi up` once, which makes the Job.",
            NOT_FOUND,
        )
    pod = copy.deepcopy(made[-1]["spec"]["template"])
    program = next(each["command"] for each in pod["spec"]["containers"] if each["name"] == MIGRATION)[-1]
    if PurePosixPath(program).name != PROGRAM:
        # Others know no such mode, and would do what they are for.
        raise OperationError(
            f"the migration Job {made[-1]['metadata']['name']} is of an older version, which cannot check",
            "Run `pulumi up` with this version first.",
        )
    return pod


def of_server(target: Target, console: Console) -> list[dict[str, Any]]:
    """What a client meets: health, version, a search, and a run that is logged and read back. One entry for each."""
    done: list[dict[str, Any]] = []

    def check(name: str, what: Callable[[], str]) -> None:
        started = time.monotonic()
        try:
            detail, ok = what(), True
        except (OperationError, round_trip.RefusedError, OSError) as error:
            detail, ok = str(error), False
        done.append({"check": name, "ok": ok, "detail": detail, "seconds": round(time.monotonic() - started, 2)})
        console.say(f"{'✓' if ok else '✗'} {name} ({done[-1]['seconds']} s) {detail}")

    login = round_trip.own_login() or administrator(target)
    with _server(target) as url:
        server = Server(url, login)
        check("health", lambda: round_trip.wait(url, 30) or "")
        check("version", lambda: server.call("GET", "/version").decode())
        check(
            "search",
            lambda: (
                f"{len(server.api('POST', 'experiments/search', max_results=100).get('experiments', []))} experiments"
            ),
        )
        check("a run logged and read back", lambda: round_trip.round_trip(url, login) or "")
    return done


def administrator(target: Target) -> Login | None:
    """Name and password of the administrator, from the Secret that the pods take them from; None where nobody logs in.

    Raises:
        OperationError: The user may not read the Secret.
    """
    found = account(target)
    try:
        return None if found is None else (_value(target, found[0]), _value(target, found[1]))
    except OperationError as error:
        raise OperationError(
            f"the administrator's password cannot be read: {error.message}",
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account of MLflow.",
        ) from None


def account(target: Target) -> tuple[Object, Object] | None:
    """The variables of pods that hold the administrator's name and password; None where nobody logs in."""
    pods = [job["spec"]["template"]["spec"] for job in reversed(target.all("jobs", MIGRATION))]
    pods += [target.server()["spec"]["template"]["spec"]]
    scheduled = target.all("cronjobs", GARBAGE_COLLECTION)
    pods += [each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in scheduled]
    for prefix in ("MLFLOW_AUTH_ADMIN_", "MLFLOW_TRACKING_"):
        for pod in pods:
            name, password = (_variable(pod, f"{prefix}{part}") for part in ("USERNAME", "PASSWORD"))
            if name and password:
                return name, password
    return None


def _variable(pod: Object, name: str) -> Object | None:
    for container in containers(pod):
        for each in container.get("env") or []:
            if each["name"] == name:
                return each
    return None


def _value(target: Target, variable: Object) -> str:
    reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
    if reference is None:
        return variable.get("value", "")
    data = target.cluster.get("secrets", target.namespace, reference["name"])["data"]
    return base64.b64decode(data[reference["key"]]).decode()


@contextlib.contextmanager
def _server(target: Target) -> Iterator[str]:
    """URL of a server that is ready, on this machine.

    Raises:
        OperationError: None is.
    """
    ready = [
        pod
        for pod in target.all("pods", SERVER)
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", [])
        )
    ]
    if not ready:
        raise OperationError(f"no server of {target} is ready", "`pulumi-mlflow status` shows why.")
    pod = ready[-1]
    probe = server_container(pod)["readinessProbe"]["httpGet"]
    scheme, prefix = probe.get("scheme", "HTTP").lower(), probe["path"].removesuffix("/health")
    with forwarded(target.cluster, target.namespace, pod["metadata"]["name"], int(probe["port"])) as port:
        yield f"{scheme}://{HOST}:{port}{prefix}"
