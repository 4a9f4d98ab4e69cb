"""What an agent does, in the log."""

from __future__ import annotations

import logging
from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.graph.messages import Message
from oris_temporal.models import Usage
from oris_temporal.tools import ToolOutput

from .base import Middleware, ModelCall, ModelHandler, State, ToolHandler, ToolRequest, tool_calls


class LoggingMiddleware(Middleware):
    """Logs what the agent does, each line once, however often its run is replayed.

    There is a line where it begins and ends, and one of each model and tool call with its time and outcome; not what was said.
    Where it stands among the middleware decides what it sees: as the last one, every attempt of a `RetryMiddleware`.

    Args:
        logger: A logger, or its name.
        level: Level of its lines; failures are warnings.
    """

    def __init__(self, logger: logging.Logger | str = "oris_temporal.agents", *, level: int = logging.INFO) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level = level

    async def before_agent(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_agent`."""
        self._log(ctx, f"begins with {_count(len(state['messages']), 'message')}")

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        began = call.ctx.now()
        try:
            answer = await handler(call)
        except Exception as error:
            self._log(call.ctx, f"model call failed: {type(error).__name__}", logging.WARNING)
            raise
        took = (call.ctx.now() - began).total_seconds()
        facts = answer.extra or {}
        usage = Usage.from_wire(facts.get("usage"))
        asks = _count(len(tool_calls(answer)), "tool call")
        self._log(
            call.ctx,
            f"model {facts.get('model') or call.model.name} answered in {took:.1f} s: {asks}, "
            f"{usage.prompt:,} tokens read, {usage.completion:,} written",
        )
        return answer

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        what = f"tool {request.call.name} ({request.call.id})"
        began = request.ctx.now()
        try:
            output = await handler(request)
        except Exception as error:
            self._log(request.ctx, f"{what} failed: {type(error).__name__}", logging.WARNING)
            raise
        took = (request.ctx.now() - began).total_seconds()
        told = "an error" if output.is_error else _count(len(output.content), "character")
        self._log(request.ctx, f"{what} returned in {took:.1f} s: {told}")
        return output

    async def after_agent(self, state: State, ctx: Context) -> Any:
        """See `Middleware.after_agent`."""
        self._log(ctx, f"ends after {_count(state.get('turns', 0), 'model call')}")

    def _log(self, ctx: Context, text: str, level: int | None = None) -> None:
        where = f"thread {ctx.thread_id}: agent {ctx.graph}"
        ctx.log(f"{where} {text}", level=self._level if level is None else level, logger=self._logger)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
