"""Tools that fail are called again."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import replace

from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import GraphCompileError, ToolError
from oris_temporal.graph.options import MISTAKES, RetryPolicy
from oris_temporal.tools import ToolOutput

from .base import Middleware, ToolHandler, ToolRequest


class RetryMiddleware(Middleware):
    """Calls a tool again that failed for good, its own retries used up.

    A `ToolError` that the tool itself raises is tried again only if it says ``retryable``, and programming mistakes never are. The
    waits are durable timers. Each failure is a ``custom`` stream event, ``{"retry": {"tool", "call_id", "attempt", "error"}}``, and
    the tool message of a call that took several attempts has their number as ``attempts`` in its ``extra``.

    Args:
        max_attempts: Calls in all.
        initial_interval: Wait before the second.
        backoff: Factor from one wait to the next.
        tools: Names of the tools; ``None`` is all.
        on: Kinds of `ToolError` that are worth another attempt.

    Raises:
        GraphCompileError: A number is out of range, or the interval is no duration.
    """

    def __init__(
        self,
        max_attempts: int = 3,
        *,
        initial_interval: Duration = "1s",
        backoff: float = 2.0,
        tools: Collection[str] | None = None,
        on: Collection[str] = ("execution", "timeout"),
    ) -> None:
        if max_attempts < 1:
            raise GraphCompileError(f"RetryMiddleware: max_attempts={max_attempts} must be at least 1.")
        self._policy = RetryPolicy(max_attempts, initial_interval, backoff)
        self._tools = tools
        self._on = on

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        if self._tools is not None and request.call.name not in self._tools:
            return await handler(request)
        attempt = 1
        while True:
            try:
                output = await handler(request)
                break
            except ToolError as error:
                if not self._is_worth(error):
                    raise
                failed = {"tool": request.call.name, "call_id": request.call.id, "attempt": attempt}
                request.ctx.write({"retry": {**failed, "error": error.message}})
                wait = self._policy.wait_before(attempt + 1)
                if wait is None:
                    output = ToolOutput(error.message, is_error=True)
                    break
            attempt += 1
            await request.ctx.sleep(wait, summary=f"tool {request.call.name}: wait before attempt {attempt}")
        return output if attempt == 1 else replace(output, extra={**(output.extra or {}), "attempts": attempt})

    def _is_worth(self, error: ToolError) -> bool:
        if error.kind not in self._on:
            return False
        if not error.tool:  # the tool raised it, and says whether another attempt may succeed
            return error.retryable
        cause = getattr(builtins, str(error.details.get("cause_type")), None)
        return not (isinstance(cause, type) and issubclass(cause, MISTAKES))
