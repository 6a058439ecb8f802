"""How passwords and keys of a deployment are replaced.

These are steps for a person: each value belongs to the stack's configuration, from which the next `pulumi up` would bring back the old
one, and what a key has encrypted is lost if the order is wrong.
"""

from __future__ import annotations

from ..labels import SERVER_CONTAINER
from .cluster import Object
from .errors import NOT_FOUND, OperationError
from .target import Target


def steps(target: Target, key: str) -> list[str]:
    """What to do, in order.

    Args:
        target: The deployment.
        key: `admin-password`, `webhook-key` or `kek`.

    Raises:
        OperationError: The deployment has no such thing.
    """
    return {"admin-password": _admin_password, "webhook-key": _webhook_key, "kek": _kek}[key](target)


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


def _webhook_key(target: Target) -> list[str]:
    return [
        _whereabouts(target, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"),
        "MLflow cannot encrypt stored secrets of webhooks again: with another key they cannot be read. List the webhooks that "
        "have one, and have their secrets at hand: GET /api/2.0/mlflow/webhooks.",
        "Make a key: python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'",
        "pulumi config set --secret --path mlflow:keys.webhookSecretEncryptionKey   (or write it into your own Secret, under a new "
        "name, and set keys.existingSecret.name)",
        "pulumi up   (the servers roll)",
        'Set the secret of each webhook again: PATCH /api/2.0/mlflow/webhooks/<id> with {"secret": …}.',
    ]


def _kek(target: Target) -> list[str]:
    version = int(_plain(target, "MLFLOW_CRYPTO_KEK_VERSION") or "1")
    return [
        _whereabouts(target, "MLFLOW_CRYPTO_KEK_PASSPHRASE"),
        "pulumi-mlflow backup   (the old passphrase opens what is in it: keep both)",
        f"Stop the servers: {target.kubectl('scale deployment --replicas=0 ' + target.server()['metadata']['name'])}",
        "Where the database can be reached, with the backend store's URI in MLFLOW_BACKEND_STORE_URI, the old passphrase in "
        f"MLFLOW_CRYPTO_KEK_PASSPHRASE and {version} in MLFLOW_CRYPTO_KEK_VERSION: mlflow crypto rotate-kek   (it asks for the new "
        "one, 32 characters or more, and changes all keys in one transaction)",
        "pulumi config set --secret --path mlflow:keys.kekPassphrase   (the new one)",
        f"pulumi config set --path mlflow:server.env.MLFLOW_CRYPTO_KEK_VERSION {version + 1}",
        "pulumi up   (the servers start with the new passphrase)",
    ]


def _whereabouts(target: Target, variable: str) -> str:
    reference = ((_variable(target, variable) or {}).get("valueFrom") or {}).get("secretKeyRef")
    if reference is None:
        return f"The servers have no {variable}."
    return f"The servers read it from the Secret {reference['name']}, key {reference['key']}."


def _plain(target: Target, variable: str) -> str | None:
    return (_variable(target, variable) or {}).get("value")


def _variable(target: Target, name: str) -> Object | None:
    containers = target.server()["spec"]["template"]["spec"]["containers"]
    server = next(each for each in containers if each["name"] == SERVER_CONTAINER)
    return next((each for each in server.get("env") or [] if each["name"] == name), None)
