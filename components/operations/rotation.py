"""How passwords and keys of a deployment are replaced.

Most are steps for a person: each value belongs to the stack's configuration, from which the next `pulumi up` would bring back the old
one, and what a key has encrypted is lost if the order is wrong. The passphrase of the AI gateway's secrets is replaced by a Job, and the
servers are rolled: what is known of it is in one annotation of the Deployment, written before anything changes, so that whatever ends this
program, the next one goes on with both passphrases.
"""

from __future__ import annotations

import json
from typing import Any

from ..labels import SERVER_CONTAINER, selector
from . import database_password, fence
from .checks import migration_job
from .cluster import Object
from .console import Console
from .errors import NOT_FOUND, OperationError
from .jobs import run
from .status import ROTATION
from .target import Target, server_container

PASSPHRASE, VERSION = "MLFLOW_CRYPTO_KEK_PASSPHRASE", "MLFLOW_CRYPTO_KEK_VERSION"
_NEW = "ROTATE_KEK_PASSPHRASE"
_SECONDS = 3600
_OWN_SECRET = (
    "If `keys.existingSecret` says where it is, write the new one there, under the same name since the other keys count as moved else, and run "
    "{restart}; no `pulumi up` is needed."
)


def rotate_kek(target: Target, console: Console, secret: str, key: str) -> dict[str, Any]:
    """Wrap the gateway's keys with the passphrase in another Secret, and roll the servers to it. After an interruption the same call
    goes on.

    Args:
        target: The deployment.
        console: Where to report.
        secret: Name of a Secret in its namespace with the new passphrase.
        key: The key in it.

    Returns:
        `from` and `to` (each a Secret's `name` and `key`), and `version` of the new passphrase.

    Raises:
        OperationError: Something refused, or another rotation has begun.
    """
    to = {"name": secret, "key": key}
    known = target.remembered(ROTATION)
    if known is None:
        known = {"from": _reference(target), "to": to, "version": int(_plain(target, VERSION) or "1")}
        if known["from"] == to:
            raise OperationError(
                f"the servers of {target} read their passphrase from {secret}/{key} already",
                "Write the new one into another Secret.",
            )
        if key not in (target.cluster.get("secrets", target.namespace, secret).get("data") or {}):
            raise OperationError(f"the Secret {secret} has no key {key}", "Name the key with --key.", NOT_FOUND)
        console.confirm(f"wrap the keys of the gateway's secrets of {target} with the passphrase in {secret}/{key}")
        _remember(target, known)
    elif known["to"] != to:
        begun = known["to"]
        raise OperationError(
            f"a rotation to the passphrase in {begun['name']}/{begun['key']} has begun",
            f"Finish it first: pulumi-mlflow rotate kek --secret {begun['name']} --key {begun['key']}",
        )
    else:
        console.say(f"▸ going on with the rotation to {secret}/{key}")
    with console.goes_on(
        "the rotation is not finished: the same command goes on. Keep both Secrets until it has ended"
    ):
        run(target, _job(target, known), console)
        console.say(f"▸ rolling the servers of {target} to the new passphrase")
        changed = [
            {"name": PASSPHRASE, "value": None, "valueFrom": {"secretKeyRef": known["to"]}},
            {"name": VERSION, "value": str(known["version"] + 1), "valueFrom": None},
        ]
        server = target.server()["metadata"]["name"]
        container = {"name": SERVER_CONTAINER, "env": changed}
        body = {"spec": {"template": {"spec": {"containers": [container]}}}}
        target.cluster.patch("deployments", target.namespace, server, body)
        fence.let_go(target, "deployments", server)
        fence.wait_until_ready(target, console)
        console.say("▸ what servers have written with the old passphrase meanwhile")
        run(target, _job(target, known), console)
        _remember(target, None)
    return {**known, "version": known["version"] + 1}


def advice(target: Target, done: dict[str, Any]) -> str:
    """What to change in the stack's configuration, without which another change of the server would bring the old passphrase back."""
    to = done["to"]
    return "\n".join(
        (
            "The stack's configuration still has the old passphrase, and so have backups until then. In the program's folder, now:",
            f"  pulumi config set --plaintext --path mlflow:keys.existingSecret.name {to['name']}",
            f"  pulumi config set --plaintext --path mlflow:keys.existingSecret.kekPassphraseKey {to['key']}",
            "  pulumi config rm --path mlflow:keys.kekPassphrase   (if it is there)",
            f"  pulumi config set --path mlflow:server.env.{VERSION} {done['version']}",
            f"  {_abandon(target, 'kekPassphrase')}",
            f"  {target.unprotect('kek-passphrase')}",
            "  pulumi up",
            "Keep the old passphrase as long as backups from before.",
        )
    )


def _job(target: Target, known: dict[str, Any]) -> Object:
    """A Job that knows both passphrases, whichever the servers have by now."""
    job = migration_job(target, "rotate-kek", _SECONDS, {VERSION: str(known["version"])})
    both = [
        {"name": name, "valueFrom": {"secretKeyRef": known[which]}}
        for name, which in ((PASSPHRASE, "from"), (_NEW, "to"))
    ]
    for container in job["spec"]["template"]["spec"]["containers"]:
        container["env"] = [*container["env"], *both]
    return job


def _remember(target: Target, known: dict[str, Any] | None) -> None:
    body = {"metadata": {"annotations": {ROTATION: None if known is None else json.dumps(known)}}}
    target.cluster.patch("deployments", target.namespace, target.server()["metadata"]["name"], body)


def _reference(target: Target) -> dict[str, str]:
    found = ((_variable(target, PASSPHRASE) or {}).get("valueFrom") or {}).get("secretKeyRef")
    if found is None:
        raise OperationError(
            f"the servers of {target} have no {PASSPHRASE} from a Secret",
            'See "Keys" in docs/operations.md.',
            NOT_FOUND,
        )
    return {"name": found["name"], "key": found["key"]}


def steps(target: Target, key: str) -> list[str]:
    """What to do, in order.

    Args:
        target: The deployment.
        key: `admin-password`, `database-password`, `kek`, `flask-key` or `webhook-key`.

    Raises:
        OperationError: The deployment has no such thing.
    """
    known = {
        "admin-password": _admin_password,
        "database-password": database_password.steps,
        "kek": _kek,
        "flask-key": _flask_key,
        "webhook-key": _webhook_key,
    }
    return known[key](target)


def _admin_password(target: Target) -> list[str]:
    from .checks import account

    found = account(target)
    if found is None:
        raise OperationError(
            f"nobody logs in to {target}", "Set `mlflow:auth` in the stack file to make users log in.", NOT_FOUND
        )
    secret = found[1].get("valueFrom", {}).get("secretKeyRef", {})
    return [
        f"The password is in the Secret {secret.get('name')}, key {secret.get('key')}.",
        "If the stack configuration names that Secret (`auth.basic.existingSecret`), write the new password into it; otherwise: "
        "pulumi config set --secret --path mlflow:auth.basic.adminPassword",
        "pulumi up   (the migration writes it to the database; no server restarts). A Secret of yours is not watched: write the "
        "new password into one of another name, and set `auth.basic.existingSecret.name`.",
        "Sessions of a browser last until its log-in expires; clients with the old password are refused at once.",
    ]


def _flask_key(target: Target) -> list[str]:
    return [
        _whereabouts(target, "MLFLOW_FLASK_SERVER_SECRET_KEY"),
        "It signs the cookie of the sign-up page of `auth.basic`, and nothing that is stored: name and password come with each request, so "
        "that nobody is logged out, and a sign-up page that is open must be loaded again. An application of yours (`auth.app`) that keeps "
        "log-ins in Flask's session asks its users to log in again.",
        f"{_OWN_SECRET.format(restart=_restart(target))} Otherwise:\n"
        "   openssl rand -hex 32 | pulumi config set --secret --path mlflow:keys.flaskSecretKey",
        "The servers roll, and no request fails; until then some of them know the old one:\n   pulumi up",
    ]


def _webhook_key(target: Target) -> list[str]:
    return [
        _whereabouts(target, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"),
        "MLflow cannot encrypt stored secrets of webhooks again: with another key they cannot be read. List the webhooks that "
        "have one, and have their secrets at hand: GET /api/2.0/mlflow/webhooks.",
        "Make a key: python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'",
        f"{_OWN_SECRET.format(restart=_restart(target))} Otherwise: pulumi config set --secret --path mlflow:keys.webhookSecretEncryptionKey",
        f"Agree that the old one is given up:\n   {_abandon(target, 'webhookSecretEncryptionKey')}",
        f"{database_password.PROTECTED}:\n   {target.unprotect('webhook-key')}",
        "pulumi up   (the servers roll)",
        'Set the secret of each webhook again: PATCH /api/2.0/mlflow/webhooks/<id> with {"secret": …}.',
    ]


def _kek(target: Target) -> list[str]:
    return [
        _whereabouts(target, PASSPHRASE),
        "pulumi-mlflow backup   (the old passphrase opens what is in it: keep both)",
        "Write a new one into a Secret of yours: "
        + target.kubectl('create secret generic mlflow-kek-2 --from-literal=passphrase="$(openssl rand -base64 48)"'),
        "pulumi-mlflow rotate kek --secret mlflow-kek-2 --key passphrase   (a Job wraps the keys again, and the servers roll; after "
        "an interruption the same command goes on)",
        "It ends with what to change in the stack's configuration.",
        "With SQLite or SQL Server, whose database no Job reaches or locks: stop the servers, and use `mlflow crypto rotate-kek`; see Keys in "
        "docs/operations.md.",
    ]


def _restart(target: Target) -> str:
    return target.kubectl(f"rollout restart deployment/{target.server()['metadata']['name']}")


def _abandon(target: Target, key: str) -> str:
    """A command that agrees to the loss of an encryption key, by the fingerprint that the Service has."""
    labels = ",".join("=".join(each) for each in selector(target.name).items())
    path = f"{{.items[*].metadata.annotations.mlflow-deployment/{key}}}"
    found = target.kubectl(f"get service --selector {labels} --output jsonpath='{path}'")
    return f"pulumi config set --plaintext --path 'mlflow:keys.abandoned[0]' \"$({found})\""


def _whereabouts(target: Target, variable: str) -> str:
    reference = ((_variable(target, variable) or {}).get("valueFrom") or {}).get("secretKeyRef")
    if reference is None:
        return f"The servers have no {variable}."
    return f"The servers read it from the Secret {reference['name']}, key {reference['key']}."


def _plain(target: Target, variable: str) -> str | None:
    return (_variable(target, variable) or {}).get("value")


def _variable(target: Target, name: str) -> Object | None:
    server = server_container(target.server()["spec"]["template"])
    return next((each for each in server.get("env") or [] if each["name"] == name), None)
