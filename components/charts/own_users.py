"""MLflow's own users where no value of a chart says who they are: a mounted `basic_auth.ini`, and variables."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

from ..arguments.access.auth import PASSWORD_LENGTH
from .conversion import Conversion, Outcome, Secret

__all__ = ["LOST", "SETTINGS", "first_administrator", "given_password", "password_of_file", "settings_file"]

SETTINGS, _NAME, _PASSWORD = (f"MLFLOW_AUTH_{name}" for name in ("CONFIG_PATH", "ADMIN_USERNAME", "ADMIN_PASSWORD"))
"""Variables by which MLflow is told its file of settings and its first administrator
(https://mlflow.org/docs/latest/self-hosting/security/basic-http-auth/#configuration)."""
LOST = (
    "The chart keeps users and permissions in a file in the pod, which is lost with it: users and their permissions have to be "
    "created again, or copied out of the running pod first (docs/charts.md)."
)


def first_administrator(c: Conversion, found: Mapping[str, tuple[str, Any]]) -> None:
    """The administrator that variables name."""
    (user_key, user), (key, password) = (found.get(each, ("", None)) for each in (_NAME, _PASSWORD))
    ours = "auth.basic.existingSecret"
    if isinstance(password, Mapping):
        held = _secret_of(password)
        if held:
            c.refer(ours, held["name"], passwordKey=held.get("key"))
            c.say(key, Outcome.CARRIED, "", ours)
        else:
            c.left(key, f"name the Secret that holds it in {ours}")
    elif password is not None:
        given_password(c, key, str(password))
    elif c.has("auth.basic.existingConfig"):
        password_of_file(c, found[SETTINGS][0])
    if isinstance(user, Mapping):
        held = _secret_of(user)
        if held and c.has(ours) and c.config["auth"]["basic"]["existingSecret"]["name"] == held["name"]:
            c.refer(ours, held["name"], usernameKey=held.get("key"))
            c.say(user_key, Outcome.CARRIED, "", ours)
        else:
            c.left(user_key, f"give the name in auth.basic.adminUsername, or have it in the Secret of {ours}")
    elif user is not None:
        c.put("auth.basic.adminUsername", user)
        c.say(user_key, Outcome.CARRIED, "", "auth.basic.adminUsername")


def _secret_of(source: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The name and key by which a variable refers to a Secret."""
    found = source.get("secretKeyRef")
    return found if isinstance(found, Mapping) and isinstance(found.get("name"), str) else None


def given_password(c: Conversion, key: str, password: str) -> None:
    """The administrator's password stands in the values."""
    if len(password) < PASSWORD_LENGTH:
        c.left(key, f"is too short: MLflow requires {PASSWORD_LENGTH} characters. Without one, one is generated")
    else:
        c.secret("auth.basic.adminPassword", key, password)


def password_of_file(c: Conversion, key: str) -> None:
    """The administrator's password is in a file of settings, which is not known here."""
    made = Secret("auth.basic.adminPassword", "admin_password", "x" * PASSWORD_LENGTH)
    c.secrets.append(made)
    why = f"the administrator's password, with which jobs log in, stands in the file alone; set it with: {made.command}"
    c.say(key, Outcome.SECRET, why, made.path)


def settings_file(c: Conversion, key: str, path: Any) -> None:
    """A whole `basic_auth.ini` that the values mount, and name by a variable."""
    if not isinstance(path, str):
        return
    block = "auth.basic" if c.has("auth.basic") else "auth.app"
    found = _mounted(c, path)
    if found is None:
        c.left(
            key,
            f"{path} comes from no Secret that extraVolumes names: put the file into one, for {block}.existingConfig",
        )
        return
    volume, name, file = found
    c.consumed_volumes.add(volume)
    c.refer(f"{block}.existingConfig", name, key=file)
    c.say(key, Outcome.CARRIED, "the whole file", f"{block}.existingConfig")
    c.remarks.append(
        f"The file {file} of the Secret {name} is used as it is: its database_uri must name a database server. If it names a SQLite file "
        "on the claim, leave auth.basic.existingConfig out and rename that file to users.db, beside mlflow.db (docs/charts.md)."
    )


def _mounted(c: Conversion, path: str) -> tuple[str, str, str] | None:
    """Where a file of the container comes from: the volume, its Secret, and the key there."""
    volumes, mounts = (
        [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        for listed in (c.get("extraVolumes"), c.get("extraVolumeMounts"))
    )
    for mount in sorted(mounts, key=lambda each: -len(str(each.get("mountPath")))):
        at = posixpath.normpath(str(mount.get("mountPath")))
        path = posixpath.normpath(path)
        if path != at and not path.startswith(f"{at}/"):
            continue
        volume = next((each for each in volumes if each.get("name") == mount.get("name")), {})
        source = volume.get("secret")
        if not isinstance(source, Mapping) or not isinstance(source.get("secretName"), str):
            return None
        inside = posixpath.normpath(posixpath.join(str(mount.get("subPath") or ""), posixpath.relpath(path, at)))
        items = source.get("items")
        file: Any = inside
        if isinstance(items, list) and items:
            file = next(
                (each.get("key") for each in items if isinstance(each, Mapping) and each.get("path") == inside), None
            )
        return (
            (str(mount.get("name")), source["secretName"], file) if isinstance(file, str) and "/" not in file else None
        )
    return None
