"""Keys that all replicas of one deployment share, generated once and kept in the stack's state."""

import base64
from collections.abc import Mapping

import pulumi
import pulumi_random as random

from ..arguments import Input
from ..contracts import SecretValue
from .objects import Scope


def keys(scope: Scope, account: pulumi.Resource | None) -> Mapping[str, SecretValue]:
    """Environment variables with the keys; each is generated unless the arguments give it.

    The two encryption keys are protected: without them what they encrypted in the database is lost. MLflow's own
    defaults would be a public constant for the first and one random key per process for the second.

    Args:
        scope: What the parts have in common.
        account: A first object in the cluster, where the account is made. The keys wait for it, so that an `up` that
            cannot reach the cluster leaves nothing in the state.
    """
    given = scope.args.keys
    plain = scope.options(depends_on=[account] if account else [])
    protect = scope.options(depends_on=[account] if account else [], protect=scope.args.deletion_protection)
    return {
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _value(given.flask_secret_key)
        or random.RandomPassword(f"{scope.name}-flask-secret-key", length=64, special=False, opts=plain).result,
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": _value(given.kek_passphrase)
        or random.RandomPassword(f"{scope.name}-kek-passphrase", length=64, special=False, opts=protect).result,
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": _value(given.webhook_secret_encryption_key)
        # Not RandomBytes: the id of that resource is its value, and ids are plain text in the state.
        or random.RandomPassword(f"{scope.name}-webhook-key", length=32, special=False, opts=protect).result.apply(
            _fernet
        ),
    }


def _value(given: Input[str] | None) -> pulumi.Output[str] | None:
    return None if given is None else pulumi.Output.secret(given)


def _fernet(text: str) -> str:
    """32 bytes in URL-safe base64, as Fernet wants its key: https://cryptography.io/en/latest/fernet/."""
    return base64.urlsafe_b64encode(text.encode()).decode()
