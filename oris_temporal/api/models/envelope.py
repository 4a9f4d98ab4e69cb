"""The envelopes around every ``/v1`` answer."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from .base import ResponseModel

Data = TypeVar("Data")


class Meta(ResponseModel):
    """Always the same: the request succeeded, under version 1 of the API."""

    status: Literal["ok"] = "ok"
    api_version: Literal["v1"] = "v1"


class Envelope(ResponseModel, Generic[Data]):
    """A successful answer; its status is always 200."""

    meta: Meta = Meta()
    request_id: str = Field(
        description="The caller's `x-request-id`, or one made for the request.", examples=["req-123"]
    )
    data: Data


class ErrorBody(ResponseModel):
    """What went wrong."""

    code: str = Field(description="Stable word for programs; follows from the status.", examples=["not_found"])
    message: str = Field(description="For people.", examples=["interrupt not found"])
    details: Any = Field(None, description="Facts for programs; `null` for most errors.")


class ErrorEnvelope(ResponseModel):
    """Any answer that is not a success."""

    request_id: str = Field(examples=["req-123"])
    error: ErrorBody
