"""The work as LangGraph graphs run by the official plugin (`temporalio-langgraph`), as its README shows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.langgraph import LangGraphPlugin, graph
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

from . import work
from .work import FIRST_ENTRIES, INLINE, LINEAR, LOOP, MIXED, Row, State

ACTIVITY = {
    "execute_in": "activity",
    "start_to_close_timeout": timedelta(minutes=10),
    "retry_policy": RetryPolicy(maximum_attempts=3),
}
WORKFLOW = {"execute_in": "workflow"}
EAGER_SLOTS = 100
LOOK_SECONDS = 0.005


async def spread10(state: State) -> list[Send]:
    return [Send("branch", {"question": state["question"], "item": item}) for item in range(10)]


async def spread50(state: State) -> list[Send]:
    return [Send("branch", {"question": state["question"], "item": item}) for item in range(50)]


async def again(state: State) -> str:
    return END if len(state["notes"]) == FIRST_ENTRIES + LOOP else "turn"


async def approve(state: State) -> work.Delta:
    return {"notes": [work.approval_note(interrupt(work.ASKED))]}


def _chain(sides: str) -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    names = [f"step{number}" for number in range(len(sides))]
    for node, side in zip(names, sides, strict=True):
        made.add_node(node, work.step, metadata=dict(ACTIVITY if side == "a" else WORKFLOW))
    for source, target in zip([START, *names], [*names, END], strict=True):
        made.add_edge(source, target)
    return made


def _fan_out(spread: Any) -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    made.add_node("branch", work.branch, input_schema=work.Item, metadata=dict(ACTIVITY))
    made.add_conditional_edges(START, spread, ["branch"])
    made.add_edge("branch", END)
    return made


def _approval(metadata: dict[str, Any]) -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    made.add_node("approve", approve, metadata=dict(metadata))
    made.add_edge(START, "approve")
    made.add_edge("approve", END)
    return made


def _loop() -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    made.add_node("turn", work.turn, metadata=dict(ACTIVITY))
    made.add_edge(START, "turn")
    made.add_conditional_edges("turn", again, ["turn", END])
    return made


async def think(state: work.Conversation) -> Any:
    return {"messages": [work.think(state["messages"])]}


async def act(state: work.Conversation) -> Any:
    return {"messages": [work.act(state["messages"][-1])]}


async def wants_tool(state: work.Conversation) -> str:
    return "act" if "tool_call" in state["messages"][-1] else END


def _agent() -> StateGraph[Any, Any, Any, Any]:
    made: StateGraph[Any, Any, Any, Any] = StateGraph(work.Conversation)
    made.add_node("think", think, metadata=dict(ACTIVITY)).add_node("act", act, metadata=dict(ACTIVITY))
    made.add_edge(START, "think").add_edge("act", "think")
    made.add_conditional_edges("think", wants_tool, ["act", END])
    return made


def _graphs() -> dict[str, StateGraph[Any, Any, Any, Any]]:
    """Fresh graphs: the plugin rewrites the ones it is given."""
    return {
        "linear10": _chain("a" * LINEAR),
        "fanout10": _fan_out(spread10),
        "fanout50": _fan_out(spread50),
        "inline20": _chain("w" * INLINE),
        "mixed10": _chain(MIXED),
        "approval": _approval(ACTIVITY),
        "approval_inline": _approval(WORKFLOW),
        "loop50": _loop(),
        "agent50": _agent(),
    }


async def _invoke(name: str, state: State) -> Any:
    return await graph(name).compile().ainvoke(state, {"recursion_limit": 1_000})


@workflow.defn(name="linear10")
class Linear:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("linear10", state)


@workflow.defn(name="fanout10")
class FanOut10:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("fanout10", state)


@workflow.defn(name="fanout50")
class FanOut50:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("fanout50", state)


@workflow.defn(name="inline20")
class Inline:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("inline20", state)


@workflow.defn(name="mixed10")
class Mixed:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("mixed10", state)


@workflow.defn(name="loop50")
class Loop:
    @workflow.run
    async def run(self, state: State) -> Any:
        return await _invoke("loop50", state)


@workflow.defn(name="agent50")
class Agent:
    @workflow.run
    async def run(self, state: State) -> State:
        asked: work.Conversation = {"messages": [{"role": "user", "content": state["question"]}]}
        app = graph("agent50").compile()
        return work.outcome((await app.ainvoke(asked, {"recursion_limit": 1_000}))["messages"])


@workflow.defn(name="approval")
class Approval:
    def __init__(self) -> None:
        self._asked: Any = None
        self._answer: Any = None

    @workflow.run
    async def run(self, state: State, name: str) -> Any:
        app = graph(name).compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": workflow.info().workflow_id}}
        result = await app.ainvoke(state, config)
        self._asked = result["__interrupt__"][0].value
        await workflow.wait_condition(lambda: self._answer is not None)
        return await app.ainvoke(Command(resume=self._answer), config)

    @workflow.query
    def asked(self) -> Any:
        return self._asked

    @workflow.signal
    async def answer(self, answer: Any) -> None:
        self._answer = answer


WORKFLOWS = [Linear, FanOut10, FanOut50, Inline, Mixed, Approval, Loop, Agent]


class LangGraphOfficial:
    """Tuned as the others are: no sandbox, and eager slots as wide as the fan-out."""

    title = "temporalio-langgraph"

    _approval = "approval"

    def rows(self) -> frozenset[str] | None:
        """All."""
        return None

    def worker(self, client: Client, task_queue: str) -> Worker:
        """See `Implementation.worker`."""
        return Worker(
            client,
            task_queue=task_queue,
            workflows=WORKFLOWS,
            plugins=[LangGraphPlugin(graphs=_graphs())],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_eager_activity_reservations_per_workflow_task=EAGER_SLOTS,
        )

    def replayer(self) -> Replayer:
        """See `Implementation.replayer`."""
        plugins = [LangGraphPlugin(graphs=_graphs())]
        return Replayer(workflows=WORKFLOWS, plugins=plugins, workflow_runner=UnsandboxedWorkflowRunner())

    async def run(self, client: Client, task_queue: str, row: Row, id: str) -> Any:
        """Start and wait for the result; an approval is read by query and answered by signal, as in the official sample."""
        if row.name != "approval":
            return await client.execute_workflow(row.name, row.input, id=id, task_queue=task_queue)
        handle = await client.start_workflow(
            Approval.run, args=[row.input, self._approval], id=id, task_queue=task_queue
        )
        while (asked := await handle.query(Approval.asked)) is None:
            await asyncio.sleep(LOOK_SECONDS)
        assert asked == work.ASKED
        await handle.signal(Approval.answer, work.ANSWER)
        return await handle.result()


class LangGraphInlineApproval(LangGraphOfficial):
    """The approval as a workflow-side node, which is not what the official sample does."""

    title = "temporalio-langgraph, inline"

    _approval = "approval_inline"

    def rows(self) -> frozenset[str] | None:
        """Only the approval: elsewhere nothing differs."""
        return frozenset({"approval"})
