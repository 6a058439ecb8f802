"""Keys that all replicas of one deployment share, generated once and kept in the stack's state."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from ..arguments import Input
from ..contracts import SecretKey, SecretValue
from .environment import secret_environment
from .part import PodPart
from .scope import Scope


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of a deployment.

    Attributes:
        part: They as variables of the server.
        fingerprints: What tells the encryption keys from others, by the names of their arguments. Not secret.
    """

    part: PodPart
    fingerprints: Mapping[str, Input[str]]


def keys(scope: Scope, first: Sequence[pulumi.Resource]) -> Keys:
    """The keys; each is generated unless the arguments give it.

    The two encryption keys are protected: without them, what they encrypted in the database is lost. MLflow's defaults
    would be a public constant for the first and a random key per process for the second.

    Args:
        scope: The deployment.
        first: First objects in the cluster, if any. The keys wait for them, so that an `up` that cannot reach the cluster
            leaves nothing in the state.
    """
    plain = scope.options(depends_on=[*first])
    protect = scope.options(depends_on=[*first], protect=scope.args.deletion_protection)

    def generated(resource: str, length: int, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        return random.RandomPassword(f"{scope.name}-{resource}", length=length, special=False, opts=opts).result

    values: dict[str, SecretValue] = {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _given(scope, "flask_secret_key") or generated("flask-secret-key", 64, plain),
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": _given(scope, "kek_passphrase") or generated("kek-passphrase", 64, protect),
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": _given(scope, "webhook_secret_encryption_key")
        # Not RandomBytes: the id of that resource is its value, and ids are plain text in the state.
        or generated("webhook-key", 32, protect).apply(_fernet),
    }
    encrypting = {
        "kekPassphrase": values["MLFLOW_CRYPTO_KEK_PASSPHRASE"],
        "webhookSecretEncryptionKey": values["MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"],
    }
    return Keys(
        part=PodPart(environment=secret_environment(scope, "server", "server", values)),
        fingerprints={name: _fingerprint(scope, value) for name, value in encrypting.items()},
    )


def _fingerprint(scope: Scope, key: SecretValue) -> pulumi.Output[str]:
    """Of the key, or of where it is. The keys are random or long, so that nobody finds them by trying."""
    what = pulumi.Output.concat("in ", key.name, "/", key.key) if isinstance(key, SecretKey) else key
    salt = f"mlflow key of {scope.args.namespace}/{scope.name}: "
    made = what.apply(lambda text: hashlib.sha256(f"{salt}{text}".encode()).hexdigest()[:16])
    return pulumi.Output.unsecret(made)


def _given(scope: Scope, name: str) -> SecretValue | None:
    """The key from the arguments, or where they say it is."""
    args = scope.args.keys
    key = getattr(args.existing_secret, f"{name}_key", None)
    if args.existing_secret is not None and key is not None:
        return SecretKey(name=args.existing_secret.name, key=key)
    value = getattr(args, name)
    return None if value is None else pulumi.Output.secret(value)


def _fernet(text: str) -> str:
    """32 bytes in URL-safe base64, the format of Fernet keys: https://cryptography.io/en/latest/fernet/."""
    return base64.urlsafe_b64encode(text.encode()).decode()
