"""Answer 503 if the database failed during a request.

Not a program of its own: `front.py` imports it, and it is mounted next to it. MLflow answers a valid user 401 or 403 while it cannot
look them up, and 400 if no connection became free. Its clients retry none of these, which ends a training run; they retry 503:
https://mlflow.org/docs/latest/api_reference/python_api/mlflow.environment_variables.html.
"""

# Its imports are in the image, not here.
# pyright: reportMissingImports=false
from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# One list for each request. Threads that work for it have a copy of the context, with the same list.
FAILURES: ContextVar[list[str] | None] = ContextVar("failures", default=None)


def listen() -> None:
    """Note failures of any database in this process for the request that met them."""
    import sqlalchemy
    from sqlalchemy.pool import QueuePool

    def failed(context: Any) -> None:
        # A pooled connection that turned out to be dead is replaced, and the request goes on.
        if not context.is_pre_ping and isinstance(
            context.sqlalchemy_exception, (sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)
        ):
            note("failed")

    sqlalchemy.event.listen(sqlalchemy.Engine, "handle_error", failed)
    wait = QueuePool._do_get

    def get(pool: Any) -> Any:
        try:
            return wait(pool)
        except sqlalchemy.exc.TimeoutError:
            note("no connection became free")
            raise

    QueuePool._do_get = get


def note(failure: str) -> None:
    failures = FAILURES.get()
    if failures is not None:
        failures.append(failure)


def answering(app: Application) -> Application:
    """The application, whose errors are 503 where the database failed during the request."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        failures: list[str] = []
        FAILURES.set(failures)
        replaced = False

        async def sent(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] >= 400 and failures:
                replaced = True
                # Without a time to wait for, MLflow's client waits longer each time, four minutes in all, and not seven times this.
                await refuse(send, 503, "TEMPORARILY_UNAVAILABLE", "The database does not answer.")
            elif not replaced:
                await send(message)

        await app(scope, receive, sent)

    return answer


async def refuse(send: Send, status: int, code: str, message: str, retry_seconds: int | None = None) -> None:
    """Answer with an error as MLflow's client reads it, and say when to try again if that may help."""
    body = json.dumps({"error_code": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_seconds is not None:
        headers.append((b"retry-after", str(retry_seconds).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
