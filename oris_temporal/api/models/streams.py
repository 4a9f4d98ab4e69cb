"""Data of server-sent events."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from oris_temporal.graph.streaming import MODES

from .base import ResponseModel


class StreamedChunk(ResponseModel):
    """Data of an event that is named after a mode."""

    mode: str = Field(examples=["updates"], json_schema_extra={"enum": list(MODES)})
    data: Any = Field(
        description="By mode: the state (`values`), `{node: update}` (`updates`), `[message, metadata]` (`messages`; a token is "
        "a message with a part of the content), what a node wrote (`custom`), what happened (`debug`).",
        examples=[{"answer": {"messages": [{"content": "ok", "message_type": "ai"}]}}],
    )
    cursor: str = Field(description="The event's id.", examples=["1-4"])
    namespace: str = Field(description="Subgraph it comes from; empty at the top.", examples=[""])
