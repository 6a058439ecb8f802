"""Keys that all replicas share."""

import re
from collections.abc import Iterable

from pydantic import Field

from ..base import Block, Input, Problem, block, plain, secret
from ..checks import ExistingSecret, counted, pattern

__all__ = ["KeysArgs", "KeysSecretArgs"]


@block
class KeysSecretArgs(ExistingSecret):
    """An existing Secret in the deployment's namespace that holds some or all of the keys."""

    name: Input[str]
    """Name of the Secret."""
    flask_secret_key_key: str | None = None
    """Key of the Flask secret key in the Secret."""
    kek_passphrase_key: str | None = None
    """Key of the passphrase in the Secret."""
    webhook_secret_encryption_key_key: str | None = None
    """Key of the Fernet key in the Secret."""

    def problems(self) -> Iterable[Problem]:
        yield from super().problems()
        fields = ("flask_secret_key_key", "kek_passphrase_key", "webhook_secret_encryption_key_key")
        if not any(getattr(self, name) for name in fields):
            yield Problem((), "names no key of the Secret", "give kekPassphraseKey, for one, or remove existingSecret")


@block
class KeysArgs(Block):
    """Keys that all replicas share. Unless given here, each is generated once and kept in the stack's state."""

    flask_secret_key: Input[str] | None = secret()
    """Key that signs sessions of MLflow's basic-auth app."""
    kek_passphrase: Input[str] | None = secret()
    """Passphrase that encrypts the AI gateway's stored secrets; 32 or more characters."""
    webhook_secret_encryption_key: Input[str] | None = secret()
    """Fernet key that encrypts webhook secrets."""
    existing_secret: KeysSecretArgs | None = None
    """Secret that holds some or all of the keys; the others are given here, or generated."""
    abandoned: list[str] = Field(default_factory=list)
    """Fingerprints of former encryption keys that nothing needs any more, as the refusal of another key names them:
    `kubectl get service <name> --output jsonpath='{.metadata.annotations}'` shows those of today."""

    def problems(self) -> Iterable[Problem]:
        for name in ("flask_secret_key", "kek_passphrase", "webhook_secret_encryption_key"):
            if getattr(self, name) is not None and getattr(self.existing_secret, f"{name}_key", None) is not None:
                yield Problem(("existing_secret", f"{name}_key"), "is given here as well", "keep one of the two")
        for index, fingerprint in enumerate(self.abandoned):
            for problem in pattern(
                fingerprint, r"[0-9a-f]{16}", "abandoned", "a fingerprint", "copy it from the refusal"
            ):
                yield Problem(("abandoned", index), problem.message, problem.fix)
        kek = plain(self.kek_passphrase)
        if isinstance(kek, str) and len(kek) < 32:
            yield Problem(("kek_passphrase",), f"has {counted(len(kek), 'character')}", "use 32 or more")
        webhook = plain(self.webhook_secret_encryption_key)
        if isinstance(webhook, str) and not re.fullmatch(r"[A-Za-z0-9_-]{43}=", webhook):
            yield Problem(
                ("webhook_secret_encryption_key",),
                "is not a Fernet key",
                "use 32 random bytes in URL-safe base64 (44 characters)",
            )
