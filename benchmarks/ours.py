"""The work as Oris graphs: declared once, run through `OrisClient`."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client
from temporalio.worker import Replayer
from temporalio.worker import Worker as TemporalWorker

from oris_temporal import (
    END,
    START,
    CompiledGraph,
    Context,
    OrisClient,
    OrisPlugin,
    RunResult,
    Send,
    StateGraph,
    ToolCall,
    Worker,
    create_agent,
    tool,
)
from oris_temporal.models import ModelReply, ModelRequest, Provider, register_provider
from oris_temporal.models.providers import Emit

from . import work
from .work import INLINE, LINEAR, LOOP, MIXED, ROWS, Row, State


def _spread(width: int) -> Any:
    def spread(state: State) -> list[Send]:
        return [Send("branch", {"question": state["question"], "item": item}) for item in range(width)]

    return spread


def _again(state: State) -> str:
    return END if len(state["notes"]) == work.FIRST_ENTRIES + LOOP else "turn"


async def approve(state: State, ctx: Context) -> work.Delta:
    """Ask a person."""
    return {"notes": [work.approval_note(await ctx.interrupt(work.ASKED))]}


def _chain(name: str, sides: str) -> CompiledGraph:
    graph = StateGraph(State)
    names = [f"step{number}" for number in range(len(sides))]
    for node, side in zip(names, sides, strict=True):
        graph.add_node(node, work.step, run_as="activity" if side == "a" else "workflow")
    for source, target in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(source, target)
    return graph.compile(name=name)


def _fan_out(row: Row) -> CompiledGraph:
    graph = StateGraph(State).add_node("branch", work.branch)
    graph.add_conditional_edges(START, _spread(work.fan_out_width(row)), ["branch"]).add_edge("branch", END)
    return graph.compile(name=row.name)


def _approval() -> CompiledGraph:
    graph = StateGraph(State).add_node("approve", approve)
    return graph.add_edge(START, "approve").add_edge("approve", END).compile(name="approval")


def _loop() -> CompiledGraph:
    graph = StateGraph(State).add_node("turn", work.turn).add_edge(START, "turn")
    return graph.add_conditional_edges("turn", _again, ["turn", END]).compile(name="loop50")


@tool
async def observe(number: int) -> str:
    """Look at one more incident report."""
    return work.observe(number)


class Model:
    """The model of the agent: a provider of this process."""

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """See `ModelAdapter.generate`."""
        args = work.wanted(sum(message.message_type == "tool" for message in request.messages))
        if args is None:
            return ModelReply(work.LAST_WORD)
        call = ToolCall(f"call_{args['number']}", "observe", args)
        return ModelReply("", [call.to_wire()], "tool_calls")

    async def close(self) -> None:
        """There is nothing to give back."""


register_provider(Provider("bench", lambda settings: Model()))


def _agent() -> CompiledGraph:
    return create_agent("bench:model", [observe], name="agent50", limits={"max_turns": work.AGENT_TURNS + 1})


GRAPHS = {
    graph.name: graph
    for graph in (
        _chain("linear10", "a" * LINEAR),
        _fan_out(ROWS["fanout10"]),
        _fan_out(ROWS["fanout50"]),
        _chain("inline20", "w" * INLINE),
        _chain("mixed10", MIXED),
        _approval(),
        _loop(),
        _agent(),
    )
}


class Ours:
    """See `Implementation`."""

    title = "oris-temporal"

    def __init__(self) -> None:
        self._client: OrisClient | None = None

    def rows(self) -> frozenset[str] | None:
        """All."""
        return None

    def worker(self, client: Client, task_queue: str) -> TemporalWorker:
        """See `Implementation.worker`."""
        return Worker(client, list(GRAPHS.values()), task_queue=task_queue)

    def replayer(self) -> Replayer:
        """See `Implementation.replayer`."""
        return Replayer(workflows=[], plugins=[OrisPlugin(list(GRAPHS.values()))])

    async def run(self, client: Client, task_queue: str, row: Row, id: str) -> Any:
        """Run, and answer what the run asks."""
        if self._client is None:
            self._client = OrisClient(client, task_queue=task_queue)
        if row.name == "agent50":
            return _outcome(await self._client.run(GRAPHS[row.name], id, row.input["question"]))
        result = await self._client.run(GRAPHS[row.name], id, row.input)
        if result.status == "interrupted":
            assert result.interrupts[0].value == work.ASKED
            result = await self._client.resume(id, work.ANSWER)
        return result.values


def _outcome(result: RunResult) -> State:
    said = (result.values or {})["messages"]
    return work.outcome([{"role": message["message_type"], "content": message["content"]} for message in said])
