"""The error contract: one exception for every answer that is not a success, and the envelope it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from .models.envelope import ErrorBody, ErrorEnvelope

CODES: dict[int, str] = {
    400: "invalid_argument",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    413: "invalid_argument",
    415: "invalid_argument",
    422: "invalid_argument",
    500: "internal",
    503: "unavailable",
}
"""HTTP status to ``error.code``. The statuses a handler decides on are 1:1 with their codes."""


class ApiError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP status, one of `CODES`.
        message: ``error.message``.
        details: ``error.details``; ``None`` unless the API documents some for this error.
        headers: Extra response headers.
    """

    def __init__(
        self, status: int, message: str, details: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    @property
    def code(self) -> str:
        """The ``error.code`` of this answer."""
        return CODES[self.status]

    @property
    def leaves_open(self) -> bool:
        """Whether the work may have begun and may go on: it is not known what became of it."""
        return self.status == 503


def invalid(message: str) -> ApiError:
    """400: the request is well formed, but a value in it is not acceptable."""
    return ApiError(400, message)


def not_found(message: str) -> ApiError:
    """404: what the request names is not there."""
    return ApiError(404, message)


def conflict(message: str, details: Any = None) -> ApiError:
    """409: the request does not fit the present state."""
    return ApiError(409, message, details)


def internal(message: str) -> ApiError:
    """500: the work itself failed."""
    return ApiError(500, message)


def unavailable(message: str) -> ApiError:
    """503: it cannot be done now, but may be soon."""
    return ApiError(503, message, headers={"retry-after": "1"})


def error_envelope(request_id: str, error: ApiError) -> ErrorEnvelope:
    """An error in the envelope."""
    body = ErrorBody(code=error.code, message=error.message, details=error.details)
    return ErrorEnvelope(request_id=request_id, error=body)


def error_response(request_id: str, error: ApiError) -> JSONResponse:
    """Write an error in the envelope; middleware that answers by itself uses this too."""
    envelope = error_envelope(request_id, error)
    return JSONResponse(envelope.model_dump(mode="json"), status_code=error.status, headers=error.headers)
