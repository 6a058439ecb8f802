"""Identify the user of a request that a proxy in the same pod has authenticated.

Runs inside the MLflow server, as its `authorization_function`. The proxy replaces the client's credentials with the user's
name and a password that only the proxy and the server know: one for users, another for administrators. A request with
neither bypassed the proxy or was not authenticated there, and is refused. MLflow keeps permissions for registered users, so
a user is registered at their first request; whether they are an administrator is updated at every request.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import hmac
import os
import secrets

from flask import Response, g, request
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.server import auth
from werkzeug.datastructures import Authorization

USER_SECRET = os.environ["PROXIED_USER_SECRET"]
ADMIN_SECRET = os.environ.get("PROXIED_ADMIN_SECRET", "")
ADMIN_GROUPS = frozenset(filter(None, os.environ.get("PROXIED_ADMIN_GROUPS", "").split(",")))
NAME_HEADER = os.environ.get("PROXIED_NAME_HEADER", "")
LOCAL_GROUP = os.environ.get("PROXIED_LOCAL_GROUP", "")


def authenticate() -> Authorization | Response:
    """The user of this request, or the response that refuses it."""
    if "proxied_user" not in g:  # MLflow calls this several times for one request
        found = identify()
        if found is None:
            return auth.make_basic_auth_response()
        register(*found)
        g.proxied_user = found[0]
    return Authorization("basic", {"username": g.proxied_user, "password": ""})


def identify() -> tuple[str, bool] | None:
    """Name of the user and whether they are an administrator; None if the proxy has not authenticated the request."""
    given = request.authorization
    if given is None or not given.username:
        return None
    name, password = given.username, given.password or ""
    if ADMIN_SECRET and same(password, ADMIN_SECRET):
        return name, True
    if not same(password, USER_SECRET):
        return None
    groups = set(request.headers.get("X-Forwarded-Groups", "").split(",")) if ADMIN_GROUPS or LOCAL_GROUP else set()
    if LOCAL_GROUP and LOCAL_GROUP in groups:
        return name, True  # the local administrator, whom the identity provider does not know
    if NAME_HEADER:
        name = request.headers.get(NAME_HEADER, "")
    return (name, not groups.isdisjoint(ADMIN_GROUPS)) if name else None


def same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def register(name: str, admin: bool) -> None:
    """Register the user with MLflow, with these rights."""
    if not auth.store.has_user(name, use_primary=True):
        try:
            # Nobody knows this password or is asked for it.
            auth.store.create_user(name, secrets.token_urlsafe(32), is_admin=admin)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):  # by a concurrent request
                raise
    if auth.store.get_user(name).is_admin != admin:
        auth.store.update_user(name, is_admin=admin)
