"""The nodes of an agent: they run the hooks, call the model, and call tools."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import InvalidUpdateError, StructuredOutputError, ToolError
from oris_temporal.graph.messages import Message, ToolCall
from oris_temporal.graph.state import StateSchema
from oris_temporal.models import ChatModel
from oris_temporal.models.distinct import distinct
from oris_temporal.tools import Tool, ToolOutput
from oris_temporal.tools.files import FILES

from .activity_hooks import run_activity_hook
from .middleware.base import HOOKS, Middleware, ModelCall, ModelHandler, ToolHandler, ToolRequest, overrides
from .middleware.human_in_the_loop import HumanInTheLoopMiddleware
from .state import JUMPS, Draft
from .structured import StructuredOutput, answers_natively, structured_output
from .subagents import AgentTool, keep_both
from .tool_node import ToolNode, last_calls, with_edits

_RETRY = "structured_output_retry"
_OFFERED = "offered_tools"


@dataclass(frozen=True)
class AgentParts:
    """What an agent is made of.

    Attributes:
        name: Its name.
        model: The model.
        system_prompt: Its instructions, or ``None``.
        tools: All tools, those of the middleware included.
        middleware: The middleware, in order.
        output: Its response format, or ``None``.
        schema: Its state.
        activity_hooks: The hooks that run as activities.
    """

    name: str
    model: ChatModel
    system_prompt: str | None
    tools: Sequence[Tool]
    middleware: Sequence[Middleware]
    output: StructuredOutput | None
    schema: StateSchema
    activity_hooks: Mapping[tuple[Middleware, str], Tool] = field(default_factory=dict)

    def having(self, hook: str) -> list[Middleware]:
        """The middleware that has a hook of its own, in order."""
        return [item for item in self.middleware if overrides(item, hook)]

    @property
    def holds_answers(self) -> bool:
        """Whether watchers see an answer only when the hooks are done with it."""
        return any(item.holds_answers for item in self.middleware)

    @property
    def gates(self) -> list[HumanInTheLoopMiddleware]:
        """The middleware by which people look at tool calls."""
        return [item for item in self.middleware if isinstance(item, HumanInTheLoopMiddleware)]

    def draft(self, state: Mapping[str, Any], step: str) -> Draft:
        """A draft of the state, for one step."""
        jumps = ["end"] if step == "finish" else [jump for jump in JUMPS if jump != "tools" or self.tools]
        return Draft(self.schema, state, f"{self.name}.{step}", jumps)

    async def run_hooks(self, hook: str, draft: Draft, ctx: Context, *, backwards: bool = False) -> None:
        """Run a state hook of all middleware, until one sends the agent elsewhere."""
        found = self.having(hook)
        for item in reversed(found) if backwards else found:
            where = f"{item.name}.{hook}"
            if (activity := self.activity_hooks.get((item, hook))) is not None:
                draft.apply(await run_activity_hook(activity, draft, ctx), where)
            else:
                draft.apply(await getattr(item, hook)(draft.state, ctx), where)
            if draft.jump is not None:
                return


class _Step:
    def __init__(self, parts: AgentParts) -> None:
        self._parts = parts

    @property
    def workflow_side(self) -> Iterable[Callable[..., Any]]:
        """User code that this node calls inside the workflow."""
        found: list[Callable[..., Any]] = []
        for item in self._parts.middleware:
            hooks = [
                hook
                for hook in self._hooks()
                if overrides(item, hook) and (item, hook) not in self._parts.activity_hooks
            ]
            if not type(item).__module__.startswith("oris_temporal."):
                found += [getattr(type(item), hook) for hook in hooks]
            if hooks:
                found += item.functions
        return found

    def _hooks(self) -> Sequence[str]:
        return HOOKS


class Begin(_Step):
    """Starts an agent's turn: ``before_agent`` hooks."""

    def __init__(self, parts: AgentParts) -> None:
        super().__init__(parts)
        self.tools = [tool for item in parts.middleware for tool in item.own_tools]

    async def __call__(self, state: Any, ctx: Context) -> list[dict[str, Any]]:
        """Run as a node."""
        draft = self._parts.draft(state, "begin")
        draft.apply({"turns": 0}, "begin")
        if draft.state.get("structured_response") is not None:
            draft.apply({"structured_response": None}, "begin")
        await self._parts.run_hooks("before_agent", draft, ctx)
        return draft.updates()

    def _hooks(self) -> Sequence[str]:
        return ("before_agent",)


class Finish(_Step):
    """Ends an agent's turn: ``after_agent`` hooks."""

    async def __call__(self, state: Any, ctx: Context) -> list[dict[str, Any]]:
        """Run as a node."""
        draft = self._parts.draft(state, "finish")
        await self._parts.run_hooks("after_agent", draft, ctx, backwards=True)
        return draft.updates()

    def _hooks(self) -> Sequence[str]:
        return ("after_agent",)


@dataclass
class _Asked:
    """What the model was asked for in the end."""

    output: StructuredOutput | None


class CallModel(_Step):
    """Calls the model, with the hooks around it."""

    async def __call__(self, state: Any, ctx: Context) -> list[dict[str, Any]]:
        """Run as a node."""
        parts = self._parts
        draft = parts.draft(state, "model")
        await parts.run_hooks("before_model", draft, ctx)
        if draft.jump is None:
            asked = _Asked(parts.output)
            answer = distinct(await self._ask(asked, draft, ctx), draft.state["messages"])
            if answer.id is None and answer.tool_calls and parts.gates:  # a person may edit the calls
                answer = answer.model_copy(update={"id": f"answer-{ctx.uuid4().hex}"})
            draft.apply({"messages": [answer], "turns": draft.state.get("turns", 0) + 1}, "model")
            await parts.run_hooks("after_model", draft, ctx, backwards=True)
            if parts.holds_answers and draft.jump != "model":
                _show_answer(draft, ctx)
            if draft.jump is None and asked.output is not None:
                self._read_answer(asked.output, draft)
        return draft.updates()

    def _hooks(self) -> Sequence[str]:
        return ("before_model", "wrap_model_call", "after_model")

    async def _ask(self, asked: _Asked, draft: Draft, ctx: Context) -> Message:
        parts = self._parts
        prompts = [parts.system_prompt, *(item.system_prompt for item in parts.middleware)]
        call = ModelCall(
            model=parts.model,
            system_prompt="\n\n".join(filter(None, prompts)) or None,
            messages=answer_dangling(draft.state["messages"]),
            tools=parts.tools,
            response_format=None if parts.output is None else parts.output.strategy,
            ctx=ctx,
            draft=draft,
        )
        handler: ModelHandler = partial(self._call, asked)
        for item in reversed(parts.having("wrap_model_call")):
            handler = partial(item.wrap_model_call, handler=handler)
        return await handler(call)

    async def _call(self, asked: _Asked, call: ModelCall) -> Message:
        asked.output = output = structured_output(call.response_format, answers_natively(call.model))
        instructions = [] if call.system_prompt is None else [Message.system(call.system_prompt)]
        specs = [item.spec for item in call.tools]
        answer = await call.ctx.llm(
            call.model,
            [*instructions, *call.messages],
            tools=[*specs, *(() if output is None else output.tools)],
            response_format=None if output is None else output.response_format,
            held=self._parts.holds_answers,
        )
        offered = {spec.name for spec in specs}
        if any(tool.name not in offered for tool in self._parts.tools):
            answer = answer.model_copy(update={"extra": {**(answer.extra or {}), _OFFERED: sorted(offered)}})
        return answer

    def _read_answer(self, output: StructuredOutput, draft: Draft) -> None:
        messages = draft.state["messages"]
        if not messages or messages[-1].message_type != "ai" or (found := output.read(messages[-1])) is None:
            return
        if not found.problem:
            draft.apply({"messages": list(found.messages), "structured_response": found.value}, "structured output")
            self._check_kind(found.value, draft.state["structured_response"])
            return
        told = found.problem[0].content
        if _retries(messages) >= output.max_retries:
            raise StructuredOutputError(
                f"Agent {self._parts.name}: the model gave no answer of the response format in {output.max_retries + 1} attempts. "
                f"Last: {told}"
            )
        marked = [
            item.model_copy(update={"extra": {**(item.extra or {}), _RETRY: True}}) if index == 0 else item
            for index, item in enumerate(found.problem)
        ]
        draft.apply({"messages": marked}, "structured output")

    def _check_kind(self, answer: Any, kept: Any) -> None:
        """Refuse an answer of a union that the state, which has its JSON alone, gives back as another of its types."""
        if self._parts.output is None or type(kept) is type(answer) or type(kept) not in self._parts.output.members:
            return
        answered, other = type(answer).__name__, type(kept).__name__
        raise StructuredOutputError(
            f"Agent {self._parts.name}: an answer of type {answered} reads as {other} as well. Give both a field that tells them apart, "
            f"such as kind: Literal[{answered.lower()!r}]."
        )


class CallTools(_Step):
    """Calls the tools a model asked for, with the hooks around each call and a person's review before."""

    def __init__(self, parts: AgentParts) -> None:
        super().__init__(parts)
        self.tools = [item for item in parts.tools if not isinstance(item, AgentTool)]
        agents = [agent for item in parts.tools if isinstance(item, AgentTool) for agent in item.agents.values()]
        self.graphs = list(dict.fromkeys(agents))
        self._node = ToolNode(parts.tools)
        self._gates = parts.gates
        self._one_by_one = parts.model.options.parallel_tool_calls is False  # not all providers see to it

    async def __call__(self, state: Any, ctx: Context) -> list[Any]:
        """Run as a node. Calls that nobody has to look at are made while the others wait, except for those that are made in order."""
        asked = last_calls(state["messages"])
        offered = _offered(state["messages"])
        draft = self._parts.draft(state, "tools")
        gates = [self._gate(item, offered) for item in asked]
        files = draft.state.get(FILES) or {}
        answers: dict[int, Any] = {}
        waiting: dict[int, ToolCall | ToolOutput | None] = {}
        edited: dict[str, ToolCall] = {}

        async def answer(index: int, decided: ToolCall | ToolOutput | None = None) -> None:
            make = partial(self._make, draft, offered, ctx.branch(str(index)))
            answers[index] = await self._node.answer(asked[index], partial(_as_decided, decided, make))

        async def answer_in_turn(index: int, decided: ToolCall | ToolOutput | None = None) -> None:
            if not isinstance(decided, ToolOutput) and (self._one_by_one or self._node.waits(decided or asked[index])):
                waiting[index] = decided
            else:
                await answer(index, decided)

        async def review(gate: HumanInTheLoopMiddleware) -> None:
            held = [index for index, found in enumerate(gates) if found is gate]
            calls = [ToolCall.from_wire(asked[index]) for index in held]
            decided = await gate.review(calls, ctx)
            edited.update({call.id: call for call in decided if isinstance(call, ToolCall) and call not in calls})
            await asyncio.gather(*(answer_in_turn(index, given) for index, given in zip(held, decided, strict=True)))

        free = [answer_in_turn(index) for index, gate in enumerate(gates) if gate is None]
        await asyncio.gather(*(review(gate) for gate in self._gates if gate in gates), *free)
        draft.apply({"messages": with_edits(draft.state["messages"], edited)} if edited else None, "tools")
        besides: list[Any] = []
        for index in range(len(asked)):
            if index in waiting:
                await answer(index, waiting[index])
            else:
                keep_both(answers[index], files, draft.state.get(FILES) or {})
            besides += self._node.take_besides(answers[index])
            draft.apply(answers[index], "tools")
        draft.apply({"messages": besides} if besides else None, "tools")
        return draft.updates()

    def _hooks(self) -> Sequence[str]:
        return ("wrap_tool_call",)

    def _gate(self, asked: Any, offered: Sequence[str] | None) -> HumanInTheLoopMiddleware | None:
        """Who looks at a call. Nobody does if it cannot be made: that the model is told at once."""
        try:
            call = ToolCall.from_wire(asked)
            self._node.find(call.name, offered).check(call.args)
        except (InvalidUpdateError, ToolError):
            return None
        return next((gate for gate in self._gates if gate.gates(call.name)), None)

    async def _make(self, draft: Draft, offered: Sequence[str] | None, ctx: Context, call: ToolCall) -> ToolOutput:
        handler: ToolHandler = _call_tool
        for item in reversed(self._parts.having("wrap_tool_call")):
            handler = partial(item.wrap_tool_call, handler=handler)
        return await handler(ToolRequest(call, self._node.find(call.name, offered), ctx, draft))


ToolMaker = Callable[[ToolCall], Awaitable[ToolOutput]]


async def _call_tool(request: ToolRequest) -> ToolOutput:
    if isinstance(request.tool, AgentTool):
        args = request.tool.check(request.call.args)
        return await request.tool.run(args, request.state, request.ctx, request.call.id)
    after = request.draft.updates()
    return await request.ctx.tool(request.tool, request.call.args, call_id=request.call.id, after=after)


async def _as_decided(decided: ToolCall | ToolOutput | None, make: ToolMaker, asked: ToolCall) -> ToolOutput:
    return decided if isinstance(decided, ToolOutput) else await make(decided or asked)


def answer_dangling(messages: Sequence[Message]) -> list[Message]:
    """A conversation in which every tool call has an answer, as providers demand.

    A call may have none because somebody went on with the thread while it waited, or because the run failed.
    """
    answered = {message.id for message in messages if message.message_type == "tool"}
    whole: list[Message] = []
    for message in messages:
        whole.append(message)
        if message.message_type != "ai":
            continue
        ids = [str(call.get("id")) for call in message.tool_calls or [] if isinstance(call, Mapping)]
        whole += [
            Message.tool("This call was not made.", id, extra={"is_error": True}) for id in ids if id not in answered
        ]
    return whole


def _show_answer(draft: Draft, ctx: Context) -> None:
    answer = next((message for message in reversed(draft.state["messages"]) if message.message_type == "ai"), None)
    if answer is not None and "provider" in (answer.extra or {}):  # others are shown when the node is done
        ctx.show(answer)


def _offered(messages: Sequence[Message]) -> Sequence[str] | None:
    """Tools the last answer could call; ``None`` for all."""
    last = next((message for message in reversed(messages) if message.message_type == "ai"), None)
    return None if last is None else (last.extra or {}).get(_OFFERED)


def _retries(messages: Sequence[Message]) -> int:
    """How often the present answer was sent back."""
    count = 0
    for message in reversed(messages):
        if (message.extra or {}).get(_RETRY):
            count += 1
        elif message.message_type == "human":
            break
    return count
