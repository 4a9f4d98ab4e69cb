"""A person looks at tool calls before they are made. Payloads as in Oris (graph-model 4.6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from oris_temporal.graph.context import Context
from oris_temporal.graph.control import MISSING, Command
from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError, ToolError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.tools import Tool, ToolOutput

from ..structured import answers_natively, structured_output
from .base import Middleware, ModelCall, ModelHandler, State, tool_calls

DecisionKind = Literal["approve", "edit", "reject", "respond"]

FINAL_ANSWER = "final_answer"
"""What a final answer is called as an action."""

_LATE = "Nobody decided in time."
_REJECTED = "rejected"
_RESPONDED = "responded"

_DEFAULT: tuple[DecisionKind, ...] = ("approve", "edit", "reject")


class _Decision(BaseModel):
    """What a person decided.

    Attributes:
        comment: Why, for the record; the model is not told.
    """

    model_config = ConfigDict(extra="forbid")

    comment: str | None = None


class Approve(_Decision):
    """Make the call as it is."""

    type: Literal["approve"]


class Action(BaseModel):
    """A tool call as a person writes it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    args: dict[str, Any] = Field(default_factory=dict)


class Edit(_Decision):
    """Make the call with other arguments; the conversation has it with these."""

    type: Literal["edit"]
    edited_action: Action


class Reject(_Decision):
    """Do not make the call; the model is told, and why."""

    type: Literal["reject"]
    message: str | None = None


class Respond(_Decision):
    """Do not make the call; the model gets this text as its result."""

    type: Literal["respond"]
    message: str


Decision = Annotated[Approve | Edit | Reject | Respond, Field(discriminator="type")]


class Decisions(BaseModel):
    """The answer: one decision for each action request, in their order.

    It is checked against the question, so what is not allowed never reaches the run.
    """

    model_config = ConfigDict(extra="forbid")

    decisions: list[Decision]

    @model_validator(mode="after")
    def _fit_the_question(self, info: ValidationInfo) -> Self:
        if not info.context or not (asked := info.context["asked"]):
            return self
        actions, reviews = asked["action_requests"], asked["review_configs"]
        if len(self.decisions) != len(actions):
            raise ValueError(f"one decision for each action is needed: {len(actions)}, not {len(self.decisions)}")
        for decision, action, review in zip(self.decisions, actions, reviews, strict=True):
            allowed = review["allowed_decisions"]
            if decision.type not in allowed:
                raise ValueError(f"{action['name']}: {decision.type!r} is not allowed, only {', '.join(allowed)}")
            if isinstance(decision, Edit) and decision.edited_action.name != action["name"]:
                raise ValueError(f"{action['name']}: an edit changes the arguments, not the tool")
            if isinstance(decision, Edit) and (tool := info.context["tools"].get(action["name"])) is not None:
                _check_arguments(tool, decision.edited_action.args)
            if isinstance(decision, Edit) and action["name"] == FINAL_ANSWER and action["args"].keys() == {"content"}:
                _check_text(decision.edited_action.args)
        return self


def _check_text(args: Mapping[str, Any]) -> None:
    if args.keys() != {"content"} or not isinstance(args["content"], str):
        raise ValueError(f"{FINAL_ANSWER}: an edited answer is {{'content': text}}")


def _check_arguments(tool: Tool, args: Mapping[str, Any]) -> None:
    try:
        tool.check(args)
    except ToolError as error:
        raise ValueError(error.message.removesuffix(".")) from None


class InterruptConfig(BaseModel):
    """How calls of a tool are looked at.

    Attributes:
        enabled: Whether they are.
        allowed_decisions: What the person may decide.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    allowed_decisions: tuple[DecisionKind, ...] = Field(default=_DEFAULT, min_length=1)


Gate = bool | Mapping[str, Any] | InterruptConfig

InterruptOn = Mapping[str, Gate] | Literal[True]


class HumanInTheLoopMiddleware(Middleware):
    """Asks a person before the named tools are called, or before the agent answers; other calls of the same turn are made at once.

    The interrupt's value is ``{"action_requests": [{"name", "args"}], "review_configs": [{"action_name", "allowed_decisions"}]}``
    with one entry for each call that waits, in their order; the answer is ``{"decisions": [...]}``, see `Decisions`. Each may have a
    ``comment``. Who decided and when is recorded with the interrupt, and with it what was decided: ``client.interrupts(thread, all=True)``
    has those of all runs of a thread.

    A final answer is asked about in the same way, as an action ``final_answer`` with the arguments ``{"content": text}``, or those of a
    structured answer. Approved, or edited, it ends the agent; rejected, it goes back to the model with the reason; a response takes its
    place, without a structured response. Watchers see it when it was decided.

    Args:
        interrupt_on: Tool name to True, False or an `InterruptConfig` (or its JSON form). ``True`` in place of the mapping, or the
            name ``"*"``, is about all tools; an entry for a tool goes before it.
        final_answer: Whether a person looks at final answers: True, False or an `InterruptConfig`.
        timeout: Longest wait for the decisions.
        on_timeout: What is decided then for each call: ``reject`` or ``approve``; ``fail`` ends the run. A final answer that is rejected
            so does not go back to the model, which could only write another; that nobody decided takes its place.

    Raises:
        GraphCompileError: A configuration cannot be read.
    """

    def __init__(
        self,
        interrupt_on: InterruptOn = MappingProxyType({}),
        *,
        final_answer: Gate = False,
        timeout: Duration | None = None,
        on_timeout: Literal["reject", "approve", "fail"] = "reject",
    ) -> None:
        given = {"*": True} if interrupt_on is True else interrupt_on
        self._configs = {name: _config(name, value) for name, value in given.items()}
        answers = _config(FINAL_ANSWER, final_answer)
        self._answers = answers if answers.enabled else None
        self.holds_answers = answers.enabled
        self._timeout = timeout
        self._on_timeout = on_timeout

    def gates(self, tool: str) -> InterruptConfig | None:
        """How calls of a tool are looked at; ``None`` if they are not."""
        found = self._configs.get(tool, self._configs.get("*"))
        return found if found is not None and found.enabled else None

    async def review(self, calls: Sequence[ToolCall], ctx: Context) -> list[ToolCall | ToolOutput]:
        """Ask about calls that are gated: for each, the call to make or what the model gets in its place."""
        configs = [self.gates(call.name) or InterruptConfig() for call in calls]
        decisions = await self._decisions(calls, configs, ctx, {"type": "reject", "message": _LATE})
        return [_decided(call, decision) for call, decision in zip(calls, decisions, strict=True)]

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        answer = await handler(call)
        if self._answers is None or (args := _final(answer, call)) is None:
            return answer
        asked = ToolCall("", FINAL_ANSWER, args)
        late = {"type": "respond", "message": _LATE}  # another answer would only wait as well
        [decision] = await self._decisions([asked], [self._answers], call.ctx, late)
        return _answer_as_decided(answer, decision)

    async def after_model(self, state: State, ctx: Context) -> Any:
        """See `Middleware.after_model`."""
        facts = state["messages"][-1].extra or {}
        if _REJECTED in facts:
            return Command(update={"messages": [Message.human(facts[_REJECTED])]}, goto="model")
        return Command(goto="end") if facts.get(_RESPONDED) else None

    async def _decisions(
        self, calls: Sequence[ToolCall], configs: Sequence[InterruptConfig], ctx: Context, late: dict[str, Any]
    ) -> Sequence[Decision]:
        """Ask what is to become of actions. At a deadline that rejects, it is `late`."""
        decides = self._timeout is not None and self._on_timeout != "fail"
        late = late if self._on_timeout == "reject" else {"type": self._on_timeout}
        question = {
            "action_requests": [{"name": call.name, "args": call.args} for call in calls],
            "review_configs": [
                # What the deadline decides may always be decided.
                {
                    "action_name": call.name,
                    "allowed_decisions": _and(config, late["type"]) if decides else list(config.allowed_decisions),
                }
                for call, config in zip(calls, configs, strict=True)
            ],
        }
        default = {"decisions": [late for _ in calls]} if decides else MISSING
        answer: Decisions = await ctx.interrupt(question, schema=Decisions, timeout=self._timeout, default=default)
        return answer.decisions


def _and(config: InterruptConfig, kind: str) -> list[str]:
    return list(dict.fromkeys([*config.allowed_decisions, kind]))


def check_gates(owner: str, interrupt_on: InterruptOn, tools: Collection[str]) -> None:
    """Refuse names that no tool has: what was meant would be called without anybody looking at it.

    Args:
        owner: What has the tools, for the error.
        interrupt_on: The configuration.
        tools: Names of the tools.

    Raises:
        GraphCompileError: There is one.
    """
    names = [] if interrupt_on is True else [name for name in interrupt_on if name != "*"]
    if unknown := [name for name in names if name not in tools]:
        raise GraphCompileError(
            f"{owner}: interrupt_on[{unknown[0]!r}]: there is no such tool, only {', '.join(tools) or 'none'}."
        )


def _decided(call: ToolCall, decision: Any) -> ToolCall | ToolOutput:
    match decision:
        case Edit(edited_action=action):
            return ToolCall(call.id, call.name, action.args)
        case Reject(message=message):
            why = f": {message}" if message else "."
            return ToolOutput(f"A person rejected this call of {call.name}{why}", is_error=True)
        case Respond(message=message):
            return ToolOutput(message)
    return call


def _final(answer: Message, call: ModelCall) -> dict[str, Any] | None:
    """What a final answer says, as arguments; ``None`` if it is none, but calls tools."""
    calls = tool_calls(answer)
    if not calls:
        return {"content": answer.content}
    output = structured_output(call.response_format, answers_natively(call.model))
    if output is None or len(calls) > 1 or calls[0].get("name") not in [tool.name for tool in output.tools]:
        return None
    assert isinstance(answer.tool_calls, list)
    try:
        return ToolCall.from_wire(answer.tool_calls[0]).args
    except InvalidUpdateError:  # which the model is told
        return None


def _answer_as_decided(answer: Message, decision: Decision) -> Message:
    match decision:
        case Edit(edited_action=action) if answer.tool_calls:
            asked = ToolCall.from_wire(answer.tool_calls[0])
            return answer.model_copy(update={"tool_calls": [replace(asked, args=action.args).to_wire()]})
        case Edit(edited_action=action):
            return answer.model_copy(update={"content": action.args["content"]})
        case Respond(message=message):
            facts = {**(answer.extra or {}), _RESPONDED: True}
            return answer.model_copy(update={"content": message, "tool_calls": None, "extra": facts})
        case Reject(message=message):
            why = f": {message}" if message else "."
            told = f"A person rejected this answer{why}"
            return answer.model_copy(update={"extra": {**(answer.extra or {}), _REJECTED: told}})
    return answer


def _config(tool: str, value: Gate) -> InterruptConfig:
    if isinstance(value, InterruptConfig):
        return value
    try:
        return InterruptConfig.model_validate({"enabled": value} if isinstance(value, bool) else value)
    except ValueError as error:
        raise GraphCompileError(f"interrupt_on[{tool!r}]: {error}") from None
