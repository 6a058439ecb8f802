"""The encryption keys: the Service carries their fingerprints, and refuses others."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components import to_arguments
from components.cluster.service import lost_keys
from tests.configurations import DEV, changed, with_changes
from tests.graph.program import deploy

KEK, FORMER = "mlflow-deployment/kekPassphrase", "0123456789abcdef"


def fingerprint(configuration: Mapping[str, Any]) -> str:
    """Of the passphrase."""
    return deploy(configuration).named("mlflow-service", "Service").metadata["annotations"][KEK]


def test_fingerprints_tell_keys_and_their_places_apart() -> None:
    given = changed(DEV, "keys.kekPassphrase", "k" * 40)
    stored = {"existingSecret": {"name": "keys", "kekPassphraseKey": "kek"}}
    found = [
        fingerprint(configuration)
        for configuration in (
            given,
            changed(DEV, "keys.kekPassphrase", "l" * 40),
            changed(given, "namespace", "other"),
            changed(DEV, "keys", stored),
            changed(DEV, "keys", {"existingSecret": {"name": "keys", "kekPassphraseKey": "other"}}),
        )
    ]
    assert len(set(found)) == len(found) and all(len(each) == 16 for each in found)
    assert fingerprint(with_changes(given, {"server.port": 5001})) == found[0]


@pytest.mark.parametrize(
    ("before", "now", "keys", "refused"),
    [
        (FORMER, FORMER, {}, False),
        (FORMER, "f" * 16, {}, True),
        (FORMER, "f" * 16, {"abandoned": [FORMER]}, False),
        (FORMER, "f" * 16, {"abandoned": ["f" * 16]}, True),
        # An earlier version told none.
        (None, FORMER, {}, False),
        # Not known before the update: one that is generated is a new one, one that is given may be any.
        (FORMER, None, {}, True),
        (FORMER, None, {"kekPassphrase": "k" * 32}, False),
        (FORMER, None, {"existingSecret": {"name": "keys", "kekPassphraseKey": "kek"}}, False),
    ],
)
def test_another_key_is_refused(before: str | None, now: str | None, keys: Mapping[str, Any], refused: bool) -> None:
    def inputs(value: str | None) -> dict[str, Any]:
        return {"metadata": {"annotations": {} if value is None else {KEK: value}}}

    change = pulumi.ResourceHookArgs("", "", "", "", new_inputs=inputs(now), old_inputs=inputs(before))
    reason = lost_keys(to_arguments({**DEV, "keys": keys}).keys, change)
    assert bool(reason) == refused and (not reason or f"keys.abandoned: [{FORMER}]" in reason)
