"""Large results of tools leave the conversation."""

from __future__ import annotations

from collections.abc import Sequence

from oris_temporal.tools import Tool, ToolOutput, ToolResultEviction

from ..runtime import runtime_of
from .base import Middleware, ToolHandler, ToolRequest


class ToolResultEvictionMiddleware(Middleware):
    """Keeps large results out of the conversation: the model gets their beginning, and a tool to read on.

    Args:
        eviction: Where they are kept, and from what size on.

    Example:
        >>> create_agent(
        ...     "openai:gpt-4o", [search], middleware=[ToolResultEvictionMiddleware(ToolResultEviction("/shared/results"))]
        ... )
    """

    def __init__(self, eviction: ToolResultEviction) -> None:
        self._eviction = eviction
        self.state_schema = eviction.state_schema

    def change_tools(self, tools: Sequence[Tool]) -> Sequence[Tool]:
        """See `Middleware.change_tools`."""
        return self._eviction.on(tools)

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        output = await handler(request)
        return await self._eviction.settle(
            request.tool, output, runtime_of(request.ctx, request.state, request.call.id)
        )
