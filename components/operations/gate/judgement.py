"""What the steps of a plan mean. Each rule tells what it finds of one step, or of all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ...labels import APPLICATION, BACKUP, COMPONENT, INSTANCE, MIGRATION, SERVER, SERVER_CONTAINER
from ...protection import GUARDS, SECRET, SETTINGS, held_by, plain_type, value_at
from .effects import costs, restart
from .plan import Plan, Step, differing, known, leaves

_FINGERPRINTS = {f"mlflow-deployment/{key}": key for key in ("kekPassphrase", "webhookSecretEncryptionKey")}
"""Annotations of the Service that tell the encryption keys from others."""


class Level(str, Enum):
    """What a finding means for the change."""

    REFUSED = "refused"
    """It must not be deployed unless somebody agrees to it."""
    AGREED = "agreed"
    """It would be refused, and somebody has agreed."""
    NOTICE = "notice"
    """It may be deployed; who deploys it should know."""


@dataclass(frozen=True)
class Finding:
    """One thing that somebody should know.

    Attributes:
        rule: Which rule has found it.
        level: What it means.
        urn: The resource; empty for the plan as a whole.
        type: Its type.
        name: Its name in the program.
        property: The property concerned; empty for the whole resource.
        message: What would happen.
        fix: What to do instead; empty for a notice.
    """

    rule: str
    level: Level
    urn: str
    type: str
    name: str
    property: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Judgement:
    """The result.

    Attributes:
        changes: The steps that change anything.
        findings: What was found, the refusals first.
        costs: What changes the bill, in words: no prices are known here.
        unused: What was agreed to without need.
    """

    changes: tuple[Step, ...]
    findings: tuple[Finding, ...]
    costs: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether the change must not be deployed."""
        return any(each.level is Level.REFUSED for each in self.findings)


def judge(plan: Plan, allowed: Iterable[str] = ()) -> Judgement:
    """Judge a plan.

    Args:
        plan: What the engine means to do.
        allowed: URNs or types of resources to whose loss somebody agrees.
    """
    agreed = list(allowed)
    used: set[str] = set()

    def settle(finding: Finding) -> Finding:
        for each in agreed:
            if finding.urn and each in (finding.urn, finding.type, plain_type(finding.type)):
                used.add(each)
                if finding.level is Level.REFUSED:
                    return replace(finding, level=Level.AGREED)
        return finding

    found = [
        Finding("preview", Level.REFUSED, "", "", "", "", f"the preview has failed: {e}", "Mend the program.")
        for e in plan.errors
    ]
    found += [each for step in plan.steps for rule in _OF_STEP for each in rule(step)]
    found += _schema(plan)
    order = list(Level)
    settled = sorted((settle(each) for each in found), key=lambda each: order.index(each.level))
    return Judgement(
        changes=tuple(step for step in plan.steps if step.op in ("create", "update", "replace", "delete")),
        findings=tuple(settled),
        costs=tuple(each for step in plan.steps for each in costs(step)),
        unused=tuple(each for each in agreed if each not in used),
    )


def _finding(rule: str, level: Level, step: Step, prop: str, message: str, fix: str = "") -> Finding:
    return Finding(rule, level, step.urn, step.type, step.name, prop, message, fix)


def _data(step: Step) -> Iterator[Finding]:
    """What holds data is deleted, or replaced by something empty."""
    what = held_by(step.type, step.old)
    if step.op not in ("delete", "replace") or not (what or step.was.get("protect")):
        return
    what = what or "resource under protection"
    agree = f"agree with --allow '{step.urn}'"
    if step.op == "delete" and step.was.get("retainOnDelete"):
        message = f"this {what} stays where it is, but Pulumi forgets it (retainOnDelete)"
        yield _finding("data", Level.NOTICE, step, "", message)
    elif step.op == "delete":
        fix = f"Keep it in the program. If its data is meant to go: save it, switch its protection off in a change before, and {agree}."
        yield _finding("data", Level.REFUSED, step, "", f"this {what} would be deleted", fix)
    else:
        causes = ", ".join(step.causes) or "a property that cannot be changed in place"
        fix = f"Take back the change of {causes}, or make a second one and move the data over. If it may be empty afterwards: {agree}."
        message = f"this {what} would be replaced by a new, empty one, because of {causes}"
        yield _finding("data", Level.REFUSED, step, ", ".join(step.causes), message, fix)


def _switches(step: Step) -> Iterator[Finding]:
    """The engine's own protection ends."""
    if step.op in ("create", "delete"):
        return
    for switch, effect in (
        ("protect", "`pulumi destroy` deletes it"),
        ("retainOnDelete", "it is deleted with the stack"),
    ):
        if step.was.get(switch) and not step.will.get(switch):
            fix = f"Leave `{switch}` on (`deletionProtection: true` for MLflow), or agree with --allow '{step.urn}'."
            yield _finding(
                "protection",
                Level.REFUSED,
                step,
                switch,
                f"`{switch}` would be switched off: from then on {effect}",
                fix,
            )


def _settings(step: Step) -> Iterator[Finding]:
    """A setting protects less than before."""
    if step.op == "delete":
        for pattern, what in GUARDS.items():
            if re.fullmatch(pattern, step.kind):
                fix = f"Keep it in the program, or agree with --allow '{step.urn}'."
                yield _finding("protection", Level.REFUSED, step, "", f"{what} would end with this resource", fix)
        if step.type.startswith("kubernetes:batch/") and _component(step.old) == BACKUP:
            fix = f"Keep `backup` in the stack's configuration, or agree with --allow '{step.urn}'."
            yield _finding("protection", Level.REFUSED, step, "", "backups would no longer be taken", fix)
        return
    if step.op not in ("update", "replace"):
        return
    for setting in SETTINGS:
        before, after = setting.of(step.type, step.old), setting.of(step.type, step.new)
        if before is not None and after is not None and after < before:
            message = f"{setting.what} would be loosened"
            if setting.path and not isinstance(value := value_at(step.new, setting.path), (dict, list)):
                message += f", from {_shown(value_at(step.old, setting.path))} to {_shown(value)}"
            fix = f"{setting.fix} Or agree with --allow '{step.urn}'."
            yield _finding("protection", Level.REFUSED, step, setting.path, message, fix)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)[:60]


def _secrets(step: Step) -> Iterator[Finding]:
    """A secret becomes plain text, in the state or in a pod's environment."""
    if step.op not in ("update", "replace"):
        return
    fix = f"Leave it a secret: `pulumi config set --secret`, `pulumi.Output.secret`, or a Secret that the pod refers to. Or agree with --allow '{step.urn}'."
    for path, before, after in differing(step.old, step.new):
        shown = [each for each in leaves(after) if known(each)]
        was_reference = path.endswith("].valueFrom") and isinstance(before, Mapping) and before.get("secretKeyRef")
        if before == SECRET and shown and SECRET not in shown:
            yield _finding("secret", Level.REFUSED, step, path, "a secret would become plain text", fix)
        elif was_reference and after is None and (plain := _variable(step.new, path)):
            message = f"the variable {plain} would no longer come from a Secret, but stand in the pod as plain text"
            yield _finding("secret", Level.REFUSED, step, path.removesuffix(".valueFrom"), message, fix)


def _variable(properties: Mapping[str, Any], path: str) -> str:
    """Name of the variable at a path as `differing` gives it, if it has a plain value."""
    value: Any = properties
    for part in re.findall(r"[^.\[\]]+|\[[^\]]+\]", path.removesuffix(".valueFrom")):
        if part.startswith("[") and isinstance(value, list):
            name = part[1:-1]
            value = next((each for each in value if isinstance(each, Mapping) and each.get("name") == name), None)
            if value is None and name.isdigit():
                return ""
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return (
        value["name"]
        if isinstance(value, Mapping) and known(value.get("value")) and value.get("value") != SECRET
        else ""
    )


def _keys(step: Step) -> Iterator[Finding]:
    """A key with which MLflow has encrypted what is in its database."""
    if step.op not in ("update", "replace") or step.kind != "kubernetes:core:Service":
        return
    before, after = (value_at(side, "metadata.annotations") for side in (step.old, step.new))
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return
    for annotation, key in _FINGERPRINTS.items():
        if known(before.get(annotation)) and known(after.get(annotation)) and before[annotation] != after[annotation]:
            message = f"another {key}: what MLflow has encrypted with the one before can no longer be read"
            fix = f"Take back the change of `keys.{key}`; `pulumi-mlflow rotate` tells how to change it. Or agree with --allow '{step.urn}'."
            yield _finding("data", Level.REFUSED, step, f"metadata.annotations.{annotation}", message, fix)


def _restarts(step: Step) -> Iterator[Finding]:
    if message := restart(step):
        yield _finding("restart", Level.NOTICE, step, "", message)


_OF_STEP: tuple[Callable[[Step], Iterator[Finding]], ...] = (_data, _switches, _settings, _secrets, _keys, _restarts)


def _component(properties: Mapping[str, Any], label: str = COMPONENT) -> str:
    """A label of an object of this component, by default which kind of pod it is for; empty for all others."""
    labels = value_at(properties, "metadata.labels")
    return labels.get(label, "") if isinstance(labels, Mapping) and labels.get(APPLICATION) == "mlflow" else ""


def _containers(properties: Mapping[str, Any], kind: str = "containers") -> list[Mapping[str, Any]]:
    """Containers of a workload's pods, as far as a preview knows them."""
    found = value_at(properties, f"spec.template.spec.{kind}")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _variables(container: Mapping[str, Any]) -> dict[str, Any]:
    found = container.get("env")
    return {each["name"]: each.get("value") for each in found if "name" in each} if isinstance(found, list) else {}


def _image(properties: Mapping[str, Any]) -> str | None:
    """Image of MLflow's server in the pods of a Deployment."""
    containers = _containers(properties)
    if _component(properties) == SERVER:
        return next((each.get("image") for each in containers if each.get("name") == SERVER_CONTAINER), None)
    mlflow = [each["image"] for each in containers if re.search(r"(^|/)mlflow[^/]*[:@]", str(each.get("image")))]
    return mlflow[0] if mlflow else None


def _version(image: str) -> tuple[int, ...]:
    found = re.search(r":v?(\d+)\.(\d+)\.(\d+)", image)
    return tuple(map(int, found.groups())) if found else ()


def _schema(plan: Plan) -> Iterator[Finding]:
    """Another version of MLflow: its database gets another schema, unless the two versions have the same."""
    for step in plan.steps:
        if step.op not in ("update", "replace") or step.kind not in (
            "kubernetes:apps:Deployment",
            "kubernetes:apps:StatefulSet",
        ):
            continue
        old, new = _image(step.old), _image(step.new)
        if not old or not new or not known(new) or old == new or (_version(old) and _version(old) == _version(new)):
            continue
        prop = f"spec.template.spec.containers[{SERVER_CONTAINER}].image"
        if _version(new) and _version(new) < _version(old):
            message = f"back from {old} to {new}: the older version does not start on the schema of the newer one"
            fix = f"Run `pulumi-mlflow rollback`, which restores the backup from before the upgrade; after it, agree with --allow '{step.urn}'."
            yield _finding("schema", Level.REFUSED, step, prop, message, fix)
            continue
        change = f"from {old} to {new}: the database gets another schema, unless `pulumi-mlflow check --image {new}` says `same schema`"
        saved = _saved(plan, step)
        if saved is None:
            fix = (
                "Set `backup` in the stack's configuration (and no `upgrade.withoutBackup`), or, if the schema stays the same or "
                f"somebody saves the database, agree with --allow '{step.urn}'."
            )
            if not plan.complete:
                fix += " A managed database's own backups are only seen with `pulumi preview --show-sames`."
            yield _finding("schema", Level.REFUSED, step, prop, f"{change}; nothing saves it before", fix)
        else:
            yield _finding("schema", Level.NOTICE, step, prop, f"{change}; {saved}")


def _saved(plan: Plan, server: Step) -> str | None:
    """What saves the database before its schema changes, as the rest of a sentence; None if nothing does."""
    if any("MIGRATION_SQLITE" in _variables(each) for each in _containers(server.new, "initContainers")):
        return "the server's pod copies the SQLite file before"
    ours = [step for step in plan.steps if _component(step.new, INSTANCE) == _component(server.new, INSTANCE)]
    for step in ours:
        if step.kind == "kubernetes:batch:Job" and _component(step.new) == MIGRATION:
            variables = {name: value for each in _containers(step.new) for name, value in _variables(each).items()}
            if variables.get("MIGRATION_MODE") in ("automatic", "blue-green"):
                if not variables.get("UPGRADE_BACKUP"):
                    return None
                return "the migration stops the servers, saves it and goes on"
    backs_up = any(
        step.op != "delete" and step.kind == "kubernetes:batch:CronJob" and _component(step.new) == BACKUP
        for step in ours
    )
    if backs_up or plan.config.get("mlflow:backup"):
        return "save it with `pulumi-mlflow backup` and stop the servers before `pulumi up`"
    managed = [each for each in SETTINGS if each.name.endswith("-backups")]
    for step in plan.steps:
        if step.op != "delete" and any((each.of(step.type, step.new) or 0) >= 1 for each in managed):
            return f"{step.name} has backups of its own: note the time before `pulumi up`"
    return None
