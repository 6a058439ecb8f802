"""Jobs: made from what the cluster declares, followed line by line, and how they ended."""

from __future__ import annotations

import copy
import secrets
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import diagnosis
from .cluster import Object
from .console import Console
from .errors import MissingError, OperationError
from .target import Target, containers

MADE_BY = "pulumi-mlflow/made-by"
"""Annotation of Jobs that no CronJob owns."""
_KEPT_LINES = 20_000
_SECONDS = 1.0
_UNTIL_TOLD = 5.0
"""For how long a pod may be on its way before reasons are looked for."""
_CONTROLLER_LABELS = (
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
)


@dataclass
class Outcome:
    """How a Job ended.

    Attributes:
        job: Its name.
        succeeded: Whether it did what it is for.
        reason: Why it failed.
        exit_code: Exit code of the container that failed last.
        lines: What the containers said, each with the name of its container.
    """

    job: str
    succeeded: bool = False
    reason: str = ""
    exit_code: int | None = None
    lines: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    @property
    def text(self) -> str:
        """Everything that was said."""
        return "\n".join(line for _, line in self.lines)

    def data(self) -> dict[str, Any]:
        """For scripts."""
        return {"job": self.job, "succeeded": self.succeeded, "reason": self.reason, "exitCode": self.exit_code}


def from_cron_job(
    cron_job: Object, variables: Mapping[str, str] | None = None, only: Sequence[str] | None = None
) -> Object:
    """The Job that `kubectl create job --from=cronjob/…` makes.

    Args:
        cron_job: The CronJob.
        variables: Variables that every container has besides, or in place of its own.
        only: The containers that run, of which the first must be there; all of them if None.
    """
    template, metadata = copy.deepcopy(cron_job["spec"]["jobTemplate"]), cron_job["metadata"]
    pod = template["spec"]["template"]["spec"]
    if only is not None:
        pod.pop("initContainers", None)
        pod["containers"] = [each for each in pod["containers"] if each["name"] in only]
        if only[0] not in (each["name"] for each in pod["containers"]):
            raise OperationError(
                f"the CronJob {metadata['name']} has no container {only[0]}",
                "It is of another version than this program: install the version that the stack uses.",
            )
    set_variables(pod, variables or {})
    made = template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": unique(metadata["name"]),
            "namespace": metadata["namespace"],
            "labels": made.get("labels") or {},
            "annotations": {**(made.get("annotations") or {}), "cronjob.kubernetes.io/instantiate": "manual"},
            # Without blockOwnerDeletion, as kubectl: it would take the right to update finalizers.
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": template["spec"],
    }


def from_template(
    target: Target, name: str, labels: Mapping[str, str], pod: Object, purpose: str, seconds: int
) -> Object:
    """A Job of a pod that no CronJob declares.

    Args:
        target: The deployment.
        name: Beginning of its name.
        labels: Labels of Job and pod.
        pod: The pod template.
        purpose: The command that made it.
        seconds: How long it may take.
    """
    template = copy.deepcopy(pod)
    metadata = template.setdefault("metadata", {})
    given = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _CONTROLLER_LABELS}
    metadata["labels"] = {**given, **labels}
    template["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": unique(name),
            "namespace": target.namespace,
            "labels": dict(labels),
            "annotations": {MADE_BY: purpose},
        },
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": seconds,
            "ttlSecondsAfterFinished": 86_400,
            "template": template,
        },
    }


def set_variables(pod: Object, variables: Mapping[str, str]) -> None:
    """Give variables to every container of a pod's specification; without any it stays exactly as it is."""
    if not variables:
        return
    for container in containers(pod):
        kept = [each for each in container.get("env") or [] if each["name"] not in variables]
        container["env"] = [*kept, *({"name": name, "value": value} for name, value in variables.items())]


def unique(name: str) -> str:
    """A name that no Job has yet, within the 63 characters of one."""
    return f"{name[:50]}-{secrets.token_hex(3)}"


def start(target: Target, body: Object, console: Console) -> str:
    """Start a Job; returns its name."""
    name = target.cluster.create("jobs", body)["metadata"]["name"]
    console.say(f"▸ the Job {name} in the namespace {target.namespace}")
    return name


def run(target: Target, body: Object, console: Console) -> Outcome:
    """Start a Job and follow it to its end.

    Raises:
        OperationError: It failed, with the last line and where to read the rest.
    """
    return succeeded(target, follow(target, start(target, body, console), console))


def succeeded(target: Target, outcome: Outcome) -> Outcome:
    """The outcome.

    Raises:
        OperationError: It is a failure.
    """
    if outcome.succeeded:
        return outcome
    last = next((line for _, line in reversed(outcome.lines) if line.strip()), "")
    code = "" if outcome.exit_code is None else f" with exit code {outcome.exit_code}"
    raise OperationError(
        f"the Job {outcome.job} failed{code}: {outcome.reason}" + (f"\n  {last}" if last else ""),
        f"Read its log: {target.kubectl(f'logs --all-containers job/{outcome.job}')}",
    )


def follow(target: Target, name: str, console: Console) -> Outcome:
    """Print what a Job's containers say until it ends.

    Args:
        target: The deployment.
        name: Name of the Job.
        console: Where to print.
    """
    how = target.kubectl(f"logs --all-containers --follow job/{name}")
    stop = target.kubectl(f"delete job {name}")
    with console.goes_on(f"the Job {name} goes on in the cluster. Follow it: {how}; stop it: {stop}"):
        return _Follower(target, name, console).to_the_end()


class _Follower:
    def __init__(self, target: Target, name: str, console: Console) -> None:
        self.target, self.name, self.console = target, name, console
        self.outcome = Outcome(name)
        self.read: dict[tuple[str, str], int] = {}
        self.done: set[tuple[str, str]] = set()
        self.told: set[str] = set()

    def to_the_end(self) -> Outcome:
        started = time.monotonic()
        while True:
            try:
                job = self.target.cluster.get("jobs", self.target.namespace, self.name)
            except MissingError:
                raise OperationError(f"the Job {self.name} was deleted by somebody", "Run the command again.") from None
            # The Job first: what its pods have said until its end is complete.
            ended = _end(job)
            pods = self._pods()
            for pod in pods:
                self._print(pod, {each["name"] for each in _containers(job["spec"]["template"]["spec"])})
            if ended is not None:
                self.outcome.succeeded = ended["type"] in ("Complete", "SuccessCriteriaMet")
                self.outcome.reason = ended.get("message") or ended.get("reason") or ""
                self.outcome.exit_code = _exit_code(pods)
                return self.outcome
            if time.monotonic() - started > _UNTIL_TOLD:
                self._tell_reasons(job, pods)
            time.sleep(_SECONDS)

    def _pods(self) -> list[Object]:
        found = self.target.cluster.list("pods", self.target.namespace, {"batch.kubernetes.io/job-name": self.name})
        return sorted(found, key=lambda each: each["metadata"]["creationTimestamp"])

    def _print(self, pod: Object, names: set[str]) -> None:
        """What the containers of the Job's own template say; those that something injects may never end."""
        pod_name, status = pod["metadata"]["name"], pod.get("status", {})
        for each in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
            key = (pod_name, each["name"])
            state = each.get("state", {})
            if each["name"] not in names or key in self.done or not (state.get("running") or state.get("terminated")):
                continue
            self._print_container(pod_name, each["name"], len(names) > 1)
            if state.get("terminated"):
                self.done.add(key)

    def _print_container(self, pod: str, container: str, several: bool) -> None:
        from urllib3.exceptions import HTTPError

        key, number = (pod, container), 0
        try:
            for line in self.target.cluster.log(self.target.namespace, pod, container):
                number += 1
                # After an interruption the log is read again from its beginning.
                if number > self.read.get(key, 0):
                    self.read[key] = number
                    self.outcome.lines.append((container, line))
                    self.console.say(f"  {container}: {line}" if several else f"  {line}")
        except (HTTPError, MissingError):
            return  # silent for a minute, or the connection broke, or the pod is gone: asked again with the next look

    def _tell_reasons(self, job: Object, pods: Iterable[Object]) -> None:
        if all(each.get("status", {}).get("phase") == "Running" for each in pods) and pods:
            return
        events = warnings(self.target)
        for reason in diagnosis.unready([{"kind": "Job", **job}, *pods], events, settled=True):
            if reason not in self.told:
                self.told.add(reason)
                self.console.say(f"    {reason}")


def warnings(target: Target) -> list[Object]:
    """Warnings of the namespace; none without the right to read them."""
    try:
        events = target.cluster.list("events", target.namespace)
    except OperationError:
        return []
    return [each for each in events if each.get("type") == "Warning"]


def running(target: Target, *components: str) -> list[Object]:
    """The Jobs of these components that have not ended."""
    found = [job for component in components for job in target.all("jobs", component)]
    return [job for job in found if _end(job) is None and not job["spec"].get("suspend")]


def _end(job: Object) -> Object | None:
    """The condition that says how a Job ended; None while it runs."""
    conditions = job.get("status", {}).get("conditions", [])
    return next(
        (each for each in conditions if each["type"] in ("Complete", "Failed") and each["status"] == "True"), None
    )


def _containers(pod: Object) -> list[Object]:
    """The containers of a pod that end by themselves."""
    own = [each for each in pod.get("initContainers", []) if each.get("restartPolicy") != "Always"]
    return [*own, *pod["containers"]]


def _exit_code(pods: Iterable[Object]) -> int | None:
    found = None
    for pod in pods:
        status = pod.get("status", {})
        for each in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
            code = (each.get("state", {}).get("terminated") or {}).get("exitCode")
            found = code or found
    return found
