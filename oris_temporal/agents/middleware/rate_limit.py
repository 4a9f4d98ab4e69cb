"""Model and tool calls are made no faster than allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal, NotRequired, TypedDict

from oris_temporal.graph.duration import Duration, to_timedelta
from oris_temporal.graph.errors import GraphCompileError, RateLimitExceededError, ToolError
from oris_temporal.graph.messages import Message
from oris_temporal.tools import ToolOutput

from .base import Middleware, ModelCall, ModelHandler, ToolHandler, ToolRequest

Rate = tuple[int, Duration]
"""Most calls within a length of time, such as ``(10, "1m")``."""


class RateLimitState(TypedDict):
    """State of `RateLimitMiddleware`.

    Attributes:
        call_times: When the latest calls were, or will be, made (seconds since 1970), by limit, such as ``tools, 10 in 60 s``.
    """

    call_times: NotRequired[dict[str, list[float]]]


class RateLimitMiddleware(Middleware):
    """Makes at most so many calls within any such length of time; others wait on a durable timer.

    The times of the latest calls are kept in the state: the limit is one of the run, and of those that go on from its last state.

    Args:
        model_calls: Limit of model calls, such as ``(10, "1m")``.
        tool_calls: Limit of all tool calls together.
        per_tool: Limits of single tools, by name.
        on_limit: ``wait``, or ``error``: a model call fails the run with `RateLimitExceededError`, of a tool call the model is told.

    Raises:
        GraphCompileError: A limit is not positive, or has no duration.
    """

    state_schema = RateLimitState

    def __init__(
        self,
        *,
        model_calls: Rate | None = None,
        tool_calls: Rate | None = None,
        per_tool: Mapping[str, Rate] | None = None,
        on_limit: Literal["wait", "error"] = "wait",
    ) -> None:
        given = {"model": model_calls, "tools": tool_calls}
        given |= {f"tool {name}": rate for name, rate in (per_tool or {}).items()}
        self._limits = {name: _read(name, rate) for name, rate in given.items() if rate is not None}
        self._fails = on_limit == "error"

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        now = call.ctx.now()
        wait = self._enter(call, now, "model")
        if wait and self._fails:
            raise RateLimitExceededError(
                f"{call.ctx.graph}.{call.ctx.node}: the next model call may be made in {wait} only. Let it wait with on_limit='wait'.",
                retry_after=wait.total_seconds(),
            )
        if wait:
            await call.ctx.sleep(wait, summary="rate limit: wait before the model call")
        return await handler(call)

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        name = request.call.name
        wait = self._enter(request, request.ctx.now(), "tools", f"tool {name}")
        if wait and self._fails:
            raise ToolError(
                f"Tool {name} was called too often. Try again in {math.ceil(wait.total_seconds())} s.",
                tool=name,
                kind="rate_limit",
                retryable=True,
            )
        if wait:
            await request.ctx.sleep(wait, summary=f"rate limit: wait before tool {name}")
        return await handler(request)

    def _enter(self, call: ModelCall | ToolRequest, now: datetime, *names: str) -> timedelta | None:
        """How long a call has to wait, ``None`` if not at all. A call that will be made counts from now on."""
        limits = {name: self._limits[name] for name in names if name in self._limits}
        if not limits:
            return None
        known = call.state.get("call_times") or {}
        due = now.timestamp()
        times: dict[str, list[float]] = {}
        for name, (count, period) in limits.items():
            limit = f"{name}, {count} in {period:g} s"  # another middleware may have another limit of the same calls
            times[limit] = [at for at in known.get(limit, ()) if at > now.timestamp() - period]
            if len(times[limit]) >= count:
                due = max(due, times[limit][-count] + period)
        wait = datetime.fromtimestamp(due, UTC) - now if due > now.timestamp() else None
        if not (wait and self._fails):
            call.update({"call_times": {**known, **{limit: sorted([*at, due]) for limit, at in times.items()}}})
        return wait


def _read(name: str, rate: Rate) -> tuple[int, float]:
    try:
        count, period = rate
        if count < 1:
            raise ValueError(f"{count} calls are none")
        return count, to_timedelta(period).total_seconds()
    except (TypeError, ValueError) as error:
        raise GraphCompileError(
            f"RateLimitMiddleware: the limit of {name} is a pair like (10, '1m'): {error}"
        ) from None
