"""What a run of an agent may use."""

from __future__ import annotations

import math
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


def _last_of(call: ModelCall) -> ModelCall:
    """The call by which the model is asked to answer."""
    said = [*call.messages, Message.human(_LAST)]
    return replace(call, model=call.model.without_tools(), tools=[], messages=said)


class BudgetState(TypedDict):
    """State of `BudgetMiddleware`.

    Attributes:
        spent: What the agent used since the run began, by limit, such as ``max_turns=10``.
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
            more where `max_tool_calls` or `max_tokens` are used up, with the last of `max_turns`; if that is no answer, or is sent back
            to it, the run fails.

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
        reached = self._reached(call) if self._answers else None
        if not self._answers:
            self._check(call, "max_turns")
            self._check(call, "max_tokens")
        elif reached is not None and self._has_answered(
            call, reached
        ):  # and was sent back, or called what it was not offered
            self._check(call, reached)
        answer = await handler(call if reached is None else _last_of(call))
        self._spend(call, max_turns=1, max_tokens=Usage.from_wire((answer.extra or {}).get("usage")).total)
        if reached is not None:
            if calls_tools(answer, call.tools):  # it was asked to answer
                self._check(call, reached)
            self._note_answer(call, reached)
        return answer

    async def wrap_tool_call(self, request: ToolRequest, handler: ToolHandler) -> ToolOutput:
        """See `Middleware.wrap_tool_call`."""
        if self._answers and self._left(request, "max_tool_calls") <= 0:
            return ToolOutput("This call was not made: you may call no more tools.", is_error=True)
        self._check(request, "max_tool_calls")
        self._spend(request, max_tool_calls=1)
        return await handler(request)

    def _reached(self, call: ModelCall) -> str | None:
        """A limit that leaves no more than one model call."""
        return next((name for name in self._limits if self._left(call, name) <= (name == "max_turns")), None)

    def _has_answered(self, call: ModelCall, reached: str) -> bool:
        """Whether the model was asked for its last answer before."""
        return self._left(call, reached) <= 0 if reached == "max_turns" else self._last(reached) in self._spent(call)

    def _note_answer(self, call: ModelCall, reached: str) -> None:
        if reached != "max_turns":  # which counts them
            call.update({"spent": {**self._spent(call), self._last(reached): 1}})

    def _last(self, name: str) -> str:
        return f"last answer of {name}={self._limits[name]}"

    def _spent(self, call: ModelCall | ToolRequest) -> dict[str, int]:
        spent: dict[str, int] = call.state.get("spent") or {}
        return spent

    def _left(self, call: ModelCall | ToolRequest, name: str) -> float:
        if (limit := self._limits.get(name)) is None:
            return math.inf
        return limit - self._spent(call).get(f"{name}={limit}", 0)

    def _spend(self, call: ModelCall | ToolRequest, **used: int) -> None:
        spent = dict(self._spent(call))
        for name, count in used.items():
            if name in self._limits:
                key = f"{name}={self._limits[name]}"  # another middleware may have another limit
                spent[key] = spent.get(key, 0) + count
        call.update({"spent": spent})

    def _check(self, call: ModelCall | ToolRequest, name: str) -> None:
        if self._left(call, name) <= 0:
            limit = self._limits[name]
            raise BudgetExceededError(
                f"{call.ctx.graph}.{call.ctx.node}: the agent has used up its {limit:,} {_UNITS[name]}. Raise {name} of its "
                "BudgetMiddleware, or let it answer with what it has: on_limit='answer'.",
                limit=name,
                budget=limit,
            )
