"""Keys that all replicas share."""

import re
from collections.abc import Iterable

from .base import Block, Input, Problem, block, plain, secret


@block
class KeysArgs(Block):
    """Keys that all replicas share. Each is generated once and kept in the stack's state unless given here."""

    flask_secret_key: Input[str] | None = secret()
    """Signs sessions of the basic-auth application."""
    kek_passphrase: Input[str] | None = secret()
    """Encrypts secrets that the AI gateway stores; 32 or more characters."""
    webhook_secret_encryption_key: Input[str] | None = secret()
    """Fernet key that encrypts webhook secrets."""

    def problems(self) -> Iterable[Problem]:
        kek = plain(self.kek_passphrase)
        if isinstance(kek, str) and len(kek) < 32:
            yield Problem(("kek_passphrase",), f"has {len(kek)} characters", "use 32 or more")
        webhook = plain(self.webhook_secret_encryption_key)
        if isinstance(webhook, str) and not re.fullmatch(r"[A-Za-z0-9_-]{43}=", webhook):
            yield Problem(
                ("webhook_secret_encryption_key",),
                "is not a Fernet key",
                "use 32 random bytes in URL-safe base64 (44 characters)",
            )
