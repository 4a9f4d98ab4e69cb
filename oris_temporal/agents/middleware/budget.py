"""What a run of an agent may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NotRequired, TypedDict

from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import BudgetExceededError, GraphCompileError
from oris_temporal.graph.messages import Message
from oris_temporal.models import Usage
from oris_temporal.tools import ToolOutput

from .base import Middleware, ModelCall, ModelHandler, State, ToolHandler, ToolRequest, calls_tools

_LAST = "Answer now, with what you know. You cannot call tools any more."
_UNITS = {"max_turns": "model calls", "max_tool_calls": "tool calls", "max_tokens": "tokens"}


class BudgetState(TypedDict):
    """State of `BudgetMiddleware`.

    Attributes:
        spent: What the agent used since the run began, by the names of the limits.
    """

    spent: NotRequired[dict[str, int]]


class BudgetMiddleware(Middleware):
    """Limits what the agent uses in one run.

    The limits of `create_agent` (``limits=``) hold whatever the agent does, and count what its middleware uses too; these count what
    the agent itself uses, and can let it answer with what it has.

    Args:
        max_turns: Most model calls.
        max_tool_calls: Most tool calls.
        max_tokens: Most tokens read and written; the call that goes beyond is the last.
        on_limit: ``error`` fails the run with `BudgetExceededError`. ``answer`` asks the model for an answer without tools, once
            more where `max_tool_calls` or `max_tokens` are used up, with the last of `max_turns`.

    Raises:
        GraphCompileError: A limit is not positive, or there is none.
    """

    state_schema = BudgetState

    def __init__(
        self,
        *,
        max_turns: int | None = None,
        max_tool_calls: int | None = None,
        max_tokens: int | None = None,
        on_limit: Literal["error", "answer"] = "error",
    ) -> None:
        given = {"max_turns": max_turns, "max_tool_calls": max_tool_calls, "max_tokens": max_tokens}
        self._limits = {name: limit for name, limit in given.items() if limit is not None}
        if not self._limits or min(self._limits.values()) < 1:
            raise GraphCompileError(f"BudgetMiddleware needs a limit, {', '.join(given)}, and each at least 1.")
        if on_limit not in ("error", "answer"):
            raise GraphCompileError(f"BudgetMiddleware: on_limit={on_limit!r} must be error or answer.")
        self._answers = on_limit == "answer"

    async def before_agent(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_agent`."""
        return {"spent": {}}

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        spent = _spent(call)
        reached = self._reached(spent)
        if not self._answers:
            for name in ("max_turns", "max_tokens"):
                self._check(call, name, spent.get(name, 0))
            reached = None
        given = call if reached is None else replace(call, tools=[], messages=[*call.messages, Message.human(_LAST)])
        answer = await handler(given)
        used = Usage.from_wire((answer.extra or {}).get("usage")).total
        _spend(call, max_turns=1, max_tokens=used)
        if reached is not None and calls_tools(answer, call.tools):
            self._check(call, reached, self._limits[reached])  # it was asked to answer, and goes on
        return answer

    def _reached(self, spent: Mapping[str, int]) -> str | None:
        """A limit that leaves no more than one model call."""
        for name, limit in self._limits.items():
            if spent.get(name, 0) >= (limit - 1 if name == "max_turns" else limit):
                return name
        return None

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        made = _spent(request).get("max_tool_calls", 0)
        if self._answers and made >= self._limits.get("max_tool_calls", made + 1):
            return ToolOutput("This call was not made: you may call no more tools.", is_error=True)
        self._check(request, "max_tool_calls", made)
        _spend(request, max_tool_calls=1)
        return await handler(request)

    def _check(self, call: ModelCall | ToolRequest, name: str, used: int) -> None:
        limit = self._limits.get(name)
        if limit is not None and used >= limit:
            raise BudgetExceededError(
                f"{call.ctx.graph}.{call.ctx.node}: the agent has used up its {limit:,} {_UNITS[name]}. Raise {name} of its "
                "BudgetMiddleware, or let it answer with what it has: on_limit='answer'.",
                limit=name,
                budget=limit,
                used=used,
            )


def _spent(call: ModelCall | ToolRequest) -> dict[str, int]:
    return dict(call.state.get("spent") or {})


def _spend(call: ModelCall | ToolRequest, **used: int) -> None:
    spent = _spent(call)
    call.update({"spent": {**spent, **{name: spent.get(name, 0) + count for name, count in used.items()}}})
