"""Texts and shared parts of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from .models.envelope import Envelope, ErrorEnvelope
from .models.jobs import RunJob

DESCRIPTION = """\
- Every answer of `/v1` is JSON in an envelope: `data` on success (status 200; 202 only if the client
  prefers that), otherwise `error` with a stable `code`.
- Send `x-request-id` (1 to 128 of ASCII letters, digits, `-_.:`) to find a request again; answers carry it.
- Bodies are `application/json`, at most 2 MiB, and strictly typed: no coercion, unknown fields are ignored,
  `null` means absent.
- A thread id names the Temporal workflow; percent-encode it in paths (`%2F` for a slash).
- Where credentials are set up: `Authorization: Bearer <token>`, `x-api-key`, or `x-api-key-id` with `x-api-key`.
- An unknown path is 404 and a wrong method 405, both with an empty body. `HEAD` works wherever `GET` does.
"""

TAGS = [
    {"name": "jobs", "description": "Run graphs on threads, and steer them."},
    {"name": "inspection", "description": "See the state and the past of a thread."},
    {"name": "interrupts", "description": "Questions that runs ask people, across threads."},
    {"name": "graphs", "description": "What can be run."},
    {"name": "workers", "description": "The queue of attempts, for workers that speak HTTP."},
    {"name": "dead letters", "description": "Attempts that failed for good."},
    {"name": "audit", "description": "Who asked for changes."},
    {"name": "health", "description": "For probes; no envelope."},
]

_REASONS = {
    400: "A value is not acceptable, or the body is not JSON.",
    401: "No credentials, or none that are known; `details` lists those that are accepted.",
    403: "The caller's role may not do this.",
    404: "What the request names is not there.",
    409: "The request does not fit the present state.",
    413: "The body is larger than 2 MiB.",
    415: "The body is not `application/json`.",
    422: "The body is JSON, but a field is missing or has the wrong type.",
    500: "The work failed.",
    503: "Temporal or the control store cannot serve the request now; try again after `Retry-After` seconds.",
}

_REFERENCE = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


def errors(*statuses: int) -> Responses:
    """Error answers of an endpoint, for its ``responses``; those every endpoint can give are included."""
    documented: Responses = {
        status: {"model": ErrorEnvelope, "description": _REASONS[status]}
        for status in sorted({*statuses, 400, 401, 403, 500, 503})
    }
    return {**documented, "default": {"model": ErrorEnvelope, "description": "Any other error."}}


def event_stream(example: str, *data: type[BaseModel]) -> dict[str, Any]:
    """The answer of an endpoint that sends server-sent events, with what their data may be."""
    schemas = [model.model_json_schema(mode="serialization", ref_template=_REFERENCE) for model in data]
    for schema in schemas:
        schema.pop("$defs", None)  # other endpoints show those
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "id": {"type": "string"},
            "event": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": schemas}},
        },
    }
    content = {"schema": {"type": "string"}, "itemSchema": event, "example": example}
    return {"description": "Server-sent events.", "content": {"text/event-stream": content}}


ACCEPTED: Responses = {
    202: {
        "model": Envelope[RunJob],
        "description": "The run goes on; only with `Prefer: respond-async`. `Location` is where its result will be.",
    }
}
"""What an endpoint that runs something can answer besides."""

BODY_ERRORS = (413, 415, 422)
"""What an endpoint with a body can answer before its handler runs."""

TRACEPARENT: dict[str, Any] = {
    "parameters": [
        {
            "name": "traceparent",
            "in": "header",
            "required": False,
            "description": "W3C trace context: `00-<32 hex trace_id>-<16 hex span_id>-<2 hex flags>`.",
            "schema": {
                "type": "string",
                "examples": ["00-0123456789abcdef0123456789abcdef-1111111111111111-01"],
            },
        }
    ]
}
"""The header that the run endpoints read."""
