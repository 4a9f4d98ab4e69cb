"""Answers of the audit endpoint."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .base import Millisecond, ResponseModel


class AuditItem(ResponseModel):
    """Who asked for a change, and what the answer was."""

    audit_id: int = Field(examples=[5])
    actor_type: Literal["bearer", "api_key", "anonymous"]
    actor_id: str | None = Field(description="Id of the caller's key.", examples=["ops-1"])
    actor_role: str | None = Field(examples=["operator"])
    action: str = Field(examples=["job.cancel"])
    resource_type: str = Field(examples=["thread"])
    resource_id: str | None = Field(description="As it stands in the path, percent-encoded.", examples=["t1"])
    result: Literal["success", "error"]
    request_id: str
    details: dict[str, Any] = Field(examples=[{"method": "POST", "path": "/v1/jobs/t1/cancel", "status_code": 200}])
    created_at: Millisecond


class AuditPage(ResponseModel):
    """Entries, newest first."""

    logs: list[AuditItem]
