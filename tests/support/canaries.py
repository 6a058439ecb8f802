"""Planted secrets, and the search for them in what must not hold any."""

import base64
import secrets
from collections.abc import Mapping


def token() -> str:
    """A secret text that occurs nowhere by chance, in characters that no output escapes."""
    return secrets.token_hex(16)


def fernet() -> str:
    """A secret key for Fernet."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def assert_absent(canaries: Mapping[str, str], texts: Mapping[str, str]) -> None:
    """No text may hold a canary, neither as it is nor in base64.

    Args:
        canaries: Secrets by what they are.
        texts: Where to look, by what it is.
    """
    for place, text in texts.items():
        assert text, f"{place} is empty: nothing was searched"
        for what, canary in canaries.items():
            # The first characters are enough, and no way of quoting changes them.
            for form in _forms(canary[:16]):
                assert form not in text, f"{what} occurs in {place}: …{text[max(0, text.index(form) - 200) :][:220]}…"


def _forms(text: str) -> list[str]:
    """The text, and what of its base64 form does not depend on its neighbours, at each of the three alignments."""
    raw = text.encode()
    shifted = (base64.b64encode(b"\0" * offset + raw).decode() for offset in range(3))
    return [text, *(form[4 * bool(offset) : len(form) - 4] for offset, form in enumerate(shifted))]
