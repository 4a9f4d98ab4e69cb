"""Writes down who asked for a change and what the answer was."""

from __future__ import annotations

import logging
from typing import NamedTuple, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..context import RequestContext, context_of
from ..control_store.audit import AuditLog, AuditRecord
from ..control_store.database import StoreUnavailableError

logger = logging.getLogger(__name__)


class Audited(NamedTuple):
    """What a request asks for, in the log's words."""

    action: str
    resource_type: str
    resource_id: str | None


_ACTIONS = {
    ("jobs", "resume"): ("job.resume", "thread"),
    ("jobs", "replay"): ("job.replay", "thread"),
    ("jobs", "cancel"): ("job.cancel", "thread"),
    ("jobs", "fork"): ("job.fork", "thread"),
    ("jobs", "state"): ("job.update_state", "thread"),
    ("interrupts", "resume"): ("interrupt.resume", "interrupt"),
    ("interrupts", "reject"): ("interrupt.reject", "interrupt"),
    ("dlq", "replay"): ("dlq.replay", "attempt"),
}
"""By the collection and the last segment of ``/v1/{collection}/{id}/{verb}``."""


def audited(method: str, path: str) -> Audited | None:
    """What to write down of a request; ``None`` for one that changes nothing, and for those of workers."""
    if method != "POST" or not path.startswith("/v1/"):
        return None
    match [segment for segment in path.split("/") if segment]:
        case ["v1", "jobs"] | ["v1", "jobs", "run"]:
            return Audited("job.run", "thread", None)
        case ["v1", collection, resource, verb] if (collection, verb) in _ACTIONS:
            return Audited(*_ACTIONS[collection, verb], resource)
        case _:
            return None


class AuditMiddleware:
    """Writes an entry for each request that asks for a change, whatever its answer, before the answer leaves.

    A log that cannot be written does not stop the request: what was asked for has been done by then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = context_of(scope) if scope["type"] == "http" else None
        what = None if context is None else audited(context.method, context.path)
        if context is None or what is None:
            await self.app(scope, receive, send)
            return

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._write(scope, context, what, message["status"])
            await send(message)

        await self.app(scope, receive, record)

    async def _write(self, scope: Scope, context: RequestContext, what: Audited, status: int) -> None:
        caller = context.caller
        record = AuditRecord(
            actor_type=caller.actor_type,
            actor_id=caller.key_id,
            actor_role=caller.role,
            tenant=caller.tenant,
            action=what.action,
            resource_type=what.resource_type,
            resource_id=what.resource_id,
            result="success" if 200 <= status < 300 else "error",
            request_id=context.request_id,
            details={"method": context.method, "path": context.path, "status_code": status},
        )
        try:
            await cast("AuditLog", scope["app"].state.control.audit).add(record)
        except StoreUnavailableError as error:
            logger.error("%s of request %s is not in the audit log: %s", what.action, context.request_id, error)
