"""Wrap the keys of the AI gateway's secrets with another passphrase, as `mlflow crypto rotate-kek` does.

Not a program of its own: `upgrade.py` runs it with `MIGRATION_MODE=rotate-kek`. MLflow's command wants the servers stopped; here each secret
is locked in the database until all are wrapped again, so that a server that writes one at the same time waits, and what it then writes with
the old passphrase is found by the next run: by trying, since MLflow may leave the version of the new one in that row. It is one transaction:
cut off, nothing has changed.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import os
from typing import Any

import migrate
from connecting import RefusalError
from migrate import say

SHORTEST = 32
_EVERY = 100


def run(engine: Any) -> None:
    """Wrap every key that the old passphrase (`MLFLOW_CRYPTO_KEK_PASSPHRASE`, `…_VERSION`) opens with the new one
    (`ROTATE_KEK_PASSPHRASE`), whose version is one higher.

    Raises:
        RefusalError: The new passphrase is none, or a key can be opened with neither; nothing has changed.
    """
    version = int(os.environ.get("MLFLOW_CRYPTO_KEK_VERSION", "1"))
    old, new = os.environ.get("MLFLOW_CRYPTO_KEK_PASSPHRASE", ""), os.environ.get("ROTATE_KEK_PASSPHRASE", "")
    if len(new) < SHORTEST:
        raise RefusalError(f"the new passphrase has {len(new)} characters; use {SHORTEST} or more")
    if not old or new == old:
        raise RefusalError("the new passphrase is the old one" if old else "the servers have no passphrase")
    if engine.dialect.name not in ("postgresql", "mysql"):
        raise RefusalError(
            f"{engine.dialect.name} is not supported here; stop the servers and use `mlflow crypto rotate-kek`"
        )
    with migrate.alone(engine, "migration"):
        if migrate.due(engine, migrate.MLFLOW) != "nothing":
            raise RefusalError("the schema is of another version than this image; run `pulumi up` first")
        _rotate(engine, version, old, new)


def _rotate(engine: Any, version: int, old: str, new: str) -> None:
    try:
        from mlflow.store.tracking.dbmodels.models import SqlGatewaySecret as Stored
        from mlflow.utils.crypto import KEKManager, rotate_secret_encryption, unwrap_dek
    except ImportError as error:
        raise RefusalError(f"this version of MLflow has no secrets of a gateway ({error})") from error
    from mlflow.exceptions import MlflowException
    from sqlalchemy.orm import Session

    before, after = KEKManager(old, version), KEKManager(new, version + 1)

    def opens(manager: KEKManager, secret: Stored) -> bool:
        try:
            unwrap_dek(secret.wrapped_dek, manager.get_kek())
        except MlflowException:
            return False
        return True

    with Session(engine) as session, session.begin():
        stored = session.query(Stored).order_by(Stored.secret_id).with_for_update().all()
        due = [each for each in stored if not opens(after, each)]
        if lost := [each.secret_name for each in due if not opens(before, each)]:
            raise RefusalError(
                f"neither the passphrase of the servers (version {version}) nor the new one opens {', '.join(lost)}; nothing was changed"
            )
        say(f"{len(due)} secrets to wrap again, {len(stored) - len(due)} have the new passphrase already")
        for number, each in enumerate(due, 1):
            wrapped = rotate_secret_encryption(each.encrypted_value, each.wrapped_dek, before, after)
            each.wrapped_dek, each.kek_version = wrapped.wrapped_dek, version + 1
            if number % _EVERY == 0:
                say(f"{number} of {len(due)}")
    say(f"done: {len(due)} secrets wrapped again")
