"""What is known about a request from first to last: its id, and its method and path as they came in."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote

from starlette.types import Scope

from .security.caller import Caller

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_STATE_KEY = "oris"


@dataclass(slots=True)
class RequestContext:
    """One request, made once by the outermost middleware and used by everything after it.

    Attributes:
        request_id: The caller's ``x-request-id`` if it is well formed, else a fresh UUIDv4.
        method: HTTP method as sent; a ``HEAD`` stays a ``HEAD`` here.
        path: Raw path, still percent-encoded, without the query.
        caller: Who it comes from; anonymous until that is known.
    """

    request_id: str
    method: str
    path: str
    caller: Caller = field(default=Caller())


def accept_request_id(header: bytes | None) -> str:
    """The id to use for a request, given its ``x-request-id`` header."""
    candidate = (header or b"").decode("latin-1").strip()
    return candidate if _ACCEPTED_ID.fullmatch(candidate) else str(uuid.uuid4())


def raw_path(scope: Scope) -> str:
    """The path as it was sent, percent-encoding untouched."""
    raw: bytes | None = scope.get("raw_path")
    return quote(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("latin-1")


def open_context(scope: Scope) -> RequestContext:
    """Make the request's context and leave it where `context_of` finds it."""
    header = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
    context = RequestContext(accept_request_id(header), scope["method"], raw_path(scope))
    scope.setdefault("state", {})[_STATE_KEY] = context
    return context


def context_of(scope: Scope) -> RequestContext:
    """The context of a request that passed the outermost middleware."""
    return cast(RequestContext, scope["state"][_STATE_KEY])
