"""Back to the version before the last upgrade: the image alone where the schema is the same, else the database that was kept, or the
backup.

What is known of it is in the ConfigMap that the upgrade has written: `current`, the one that has not ended, and `history`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ..labels import MIGRATION
from . import backups, fence, kept, status
from .console import Console
from .errors import NOT_FOUND, OperationError
from .jobs import running
from .target import Target

PURPOSE = "rollback"
UNTOUCHED = ("closing", "closed", "saved")
"""Steps of an upgrade before the schema changes."""
KEPT = 20
"""How many upgrades are remembered, as the migration Job does."""
_DONE, _BACK = "upgraded", "rolled-back"


def rollback(target: Target, console: Console, *, without_backup: bool) -> dict[str, Any]:
    """Undo the last upgrade. After an interruption the same call goes on.

    Args:
        target: The deployment.
        console: Where to report.
        without_backup: Do not save the database as it is now before it is replaced.

    Returns:
        `image`, `restored` (the snapshot or the kept database, or null), `lost` (rows that were written since, or null if they were
        not counted) and `before` (the snapshot or the database with what was replaced, which holds them).

    Raises:
        OperationError: There is no record, or nothing to restore from.
    """
    if busy := running(target, MIGRATION):
        name = busy[0]["metadata"]["name"]
        raise OperationError(f"the Job {name} is at work on the upgrade", "Wait for its end, and run this again.")
    unfinished = status.unfinished(target)
    last = unfinished or _last(target)
    image, same = last["from"]["image"], _same_schema(last)
    done = {"image": image, "restored": None, "lost": 0, "before": None}
    if (
        not unfinished
        and fence.record(target) is None
        and fence.image_of(target.server()) == image != last["to"]["image"]
    ):
        # The program was ended when only its last line was missing.
        _settle(target, last)
        return {**done, "lost": None}
    if unfinished and fence.record(target) is None:
        console.confirm(f"give up the upgrade of {target} to {last['to']['image']} and go back to {image}")
        suspended = [name for name, was in (last.get("suspended") or {}).items() if not was]
        known = {} if same or last.get("kept") else {"snapshot": _snapshot(last)}
        fence.adopt(target, last["replicas"], suspended, PURPOSE, **known)
    if same and fence.record(target) is not None:
        fence.open_(target, console, image=image)
    elif same:
        console.confirm(f"put the servers of {target} back on the image {image}; the schema is the same")
        server = target.server()
        body = {"spec": {"template": fence.with_image(server, image)}}
        target.cluster.patch("deployments", target.namespace, server["metadata"]["name"], body)
        fence.let_go(target, "deployments", server["metadata"]["name"])
        fence.wait_until_ready(target, console)
    elif last.get("kept"):
        done |= kept.put_back(target, console, last["kept"], image, PURPOSE)
    else:
        restored = backups.restore(
            target,
            console,
            _snapshot(last),
            replace=True,
            without_backup=without_backup,
            # The backup has the schema of the image before, and the pod that restores it the image after.
            options={"RESTORE_OTHER_SCHEMA": "true"},
            image=image,
            purpose=PURPOSE,
        )
        done |= {"restored": restored["snapshot"], "lost": restored["lost"], "before": restored["before"]}
    _settle(target, last)
    return done


def advice(image: str) -> str:
    """What to change in the stack's configuration, without which the next `pulumi up` upgrades again."""
    name, _, digest = image.partition("@")
    repository, _, tag = name.rpartition(":")
    values = {"repository": repository, "tag": tag, "digest": digest}
    lines = [f"  pulumi config set --path mlflow:image.{key} {value}" for key, value in values.items() if value]
    head = "The next `pulumi up` would upgrade again. In the program's folder, say which version is meant:"
    return "\n".join([head, *lines])


def _last(target: Target) -> dict[str, Any]:
    """The last upgrade that has ended.

    Raises:
        OperationError: There is none, or it was undone.
    """
    ended = [each for each in status.history(target) if each.get("result", _DONE) in (_DONE, _BACK)]
    if not ended:
        raise OperationError(
            f"the cluster has no record of an upgrade of {target}",
            "Set the image of before in the stack configuration and run `pulumi up`: where the schema is the same, that is "
            "all; otherwise the migration refuses, and `pulumi-mlflow restore ID --replace` is next.",
            NOT_FOUND,
        )
    if ended[-1].get("result") == _BACK:
        raise OperationError(
            f"the last upgrade of {target} was rolled back already, at {ended[-1].get('at')}",
            "An older backup: `pulumi-mlflow list`, then `pulumi-mlflow restore ID --replace`.",
        )
    return ended[-1]


def _same_schema(last: Mapping[str, Any]) -> bool:
    return last.get("step") in UNTOUCHED or last["from"].get("heads") == last["to"].get("heads")


def _snapshot(last: Mapping[str, Any]) -> str:
    """The backup from before an upgrade.

    Raises:
        OperationError: There is none.
    """
    if snapshot := last.get("snapshot"):
        return snapshot
    point, fix = last.get("restorePoint"), "Restore a backup from before it: `pulumi-mlflow restore ID --replace`."
    if point:
        fix = f"Restore the managed database to {point} with your cloud's own command, see docs/upgrade.md."
    raise OperationError(f"the record of the upgrade to {last['to']['image']} names no backup from before it", fix)


def _settle(target: Target, last: Mapping[str, Any]) -> None:
    """Write down that it was undone, and that none is unfinished."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    entry = {"at": now, "result": _BACK, "from": last["to"], "to": last["from"]}
    history = [*status.history(target), entry][-KEPT:]
    body = {"data": {"history": json.dumps(history), "current": None}}
    target.cluster.patch("configmaps", target.namespace, f"{target.name}-{status.UPGRADE}", body)
