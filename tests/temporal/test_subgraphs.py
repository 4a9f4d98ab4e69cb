"""A graph as a node: in its parent's workflow, or in one of its own."""

from __future__ import annotations

import asyncio
import operator
from contextlib import suppress
from typing import Annotated, Literal, TypedDict

import pytest
from own_workflow import SettlesOtherwise
from temporal_support import Serve, event_counts, eventually
from temporalio.worker import Worker

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, Send, StateGraph
from oris_temporal.graph.errors import ThreadNotFoundError

RunAs = Literal["inline", "child_workflow"]
BOTH: list[RunAs] = ["inline", "child_workflow"]


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


async def look(state: Log) -> dict:
    return {"log": ["look"]}


async def ask(state: Log, ctx: Context) -> dict:
    return {"log": [f"inner {await ctx.interrupt('inner?', timeout='24h')}"]}


async def after(state: Log) -> dict:
    return {"log": [f"after {len(state['log'])}"]}


inner = (
    StateGraph(Log)
    .add_node("look", look)
    .add_node("ask", ask)
    .add_edge(START, "look")
    .add_edge("look", "ask")
    .add_edge("ask", END)
    .compile(name="inner")
)


def outer(run_as: RunAs, child: CompiledGraph = inner) -> CompiledGraph:
    graph = StateGraph(Log).add_subgraph("child", child, run_as=run_as).add_node("after", after)
    return graph.add_edge(START, "child").add_edge("child", "after").add_edge("after", END).compile(name="outer")


@pytest.mark.parametrize("run_as", BOTH)
async def test_its_questions_are_asked_on_the_parents_thread(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs
) -> None:
    async with serve(outer(run_as)):
        paused = await client.run("outer", thread, {"log": ["start"]})
        assert (paused.status, paused.next) == ("interrupted", ["child"])
        [question] = paused.interrupts
        assert (question.id, question.node, question.value) == (f"int-{thread}-0", "ask", "inner?")
        assert question.namespace.startswith("child:")
        assert question.deadline is not None

        done = await client.resume(thread, "yes")
        assert done.status == "completed"
        assert done.values == {"log": ["start", "look", "inner yes", "after 3"]}
        assert await client.interrupts(thread) == []


def nested(depth: int, run_as: RunAs) -> CompiledGraph:
    """`inner` within graphs within graphs."""
    graph = inner
    for level in range(depth):
        outside = StateGraph(Log).add_subgraph("a_subgraph_with_a_long_name", graph, run_as=run_as)
        outside.add_edge(START, "a_subgraph_with_a_long_name").add_edge("a_subgraph_with_a_long_name", END)
        graph = outside.compile(name=f"level{level}")
    return graph


@pytest.mark.parametrize(("run_as", "depth"), [("inline", 7), ("inline", 40), ("child_workflow", 6)])
async def test_nested_as_deep_as_one_likes(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs, depth: int
) -> None:
    graph = nested(depth, run_as)
    async with serve(graph, max_cached_workflows=100):
        thread += "x" * (850 if run_as == "child_workflow" else 0)
        paused = await client.run(graph.name, thread, {"log": ["start"]})
        assert paused.interrupts[0].namespace.count("|") == depth - 1
        done = await client.resume(thread, "yes")
        assert done.values == {"log": ["start", "look", "inner yes"]}


@pytest.mark.parametrize("run_as", BOTH)
async def test_several_at_once_each_with_its_question(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs
) -> None:
    graph = StateGraph(Log).add_subgraph("child", inner, run_as=run_as).add_edge("child", END)
    graph.add_conditional_edges(
        START, lambda state: [Send("child", {"log": [str(number)]}) for number in range(3)], ["child"]
    )
    async with serve(graph.compile(name="outer")):
        paused = await client.run("outer", thread, {})
        assert len({item.id for item in paused.interrupts}) == 3
        answers = {item.id: f"answer {index}" for index, item in enumerate(paused.interrupts)}
        last = dict([answers.popitem()])
        waiting = await client.resume(thread, answers, by_id=True)
        assert [item.id for item in waiting.interrupts] == list(last)
        done = await client.resume(thread, last, by_id=True)
        assert done.values["log"].count("look") == 3
        assert [item for item in done.values["log"] if item.startswith("inner")] == [
            f"inner answer {index}" for index in range(3)
        ]


async def test_inline_it_has_checkpoints_of_its_own_in_a_namespace(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(outer("inline")):
        paused = await client.run("outer", thread, {"log": []})
        namespace = paused.interrupts[0].namespace
        history = await client.history(thread, namespace=namespace)
        assert [snapshot.next for snapshot in history] == [["look"], ["ask"]]
        assert history[-1].values == {"log": ["look"]}
        await client.resume(thread, "yes")


async def test_a_fork_and_a_replay_have_a_checkpoint_of_it_where_it_goes_on(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(outer("inline")):
        paused = await client.run("outer", thread, {"log": []})
        namespace = paused.interrupts[0].namespace
        fork = await client.fork(thread)
        replay = await client.replay(thread, "0001-000001")
        for again, fetched in ((fork, ["look"]), (replay, ["look"])):
            latest = await client.checkpoint(again.thread_id, namespace=namespace)
            assert (latest.next, latest.values, latest.interrupts) == (["ask"], {"log": fetched}, again.interrupts)
            await client.resume(again.thread_id, "yes")


async def test_its_checkpoint_shows_what_it_asks_and_not_what_others_ask(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    graph = outer("inline")
    both = StateGraph(Log).add_subgraph("child", graph).add_node("ask", ask)
    for node in ("child", "ask"):
        both.add_edge(START, node).add_edge(node, END)
    async with serve(both.compile(name="both")):
        paused = await client.run("both", thread, {"log": []})
        [deep, other] = [item.namespace for item in paused.interrupts]
        assert other == ""
        for namespace, count in ((deep, 1), (deep.partition("|")[0], 1), ("", 2)):
            assert len((await client.checkpoint(thread, namespace=namespace)).interrupts) == count
        await client.resume(thread, "yes", interrupt_id=paused.interrupts[0].id)
        assert (await client.checkpoint(thread, namespace=deep)).interrupts == []
        await client.resume(thread, "yes")


async def test_in_a_workflow_of_its_own_it_has_a_history_and_a_thread(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(outer("child_workflow")):
        paused = await client.run("outer", thread, {"log": []})
        child = f"{thread}/1/child/0"
        info = await client.inspect(child)
        assert (info.graph, info.status, info.parent) == ("inner", "interrupted", thread)
        assert [item.value for item in info.interrupts] == ["inner?"]
        await client.resume(thread, "yes")
        assert (await client.inspect(child)).status == "completed"
        counts = await event_counts(client, thread)
        assert (counts["CHILD_WORKFLOW_EXECUTION_COMPLETED"], counts["ACTIVITY_TASK_SCHEDULED"]) == (1, 1)
        assert paused.interrupts[0].id == f"int-{thread}-0"


async def test_its_question_may_be_answered_on_its_own_thread_too(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(outer("child_workflow")):
        await client.run("outer", thread, {"log": []})
        await client.resume(f"{thread}/1/child/0", "directly")
        done = await client.result(thread)
        assert done.values["log"] == ["look", "inner directly", "after 2"]


class Heard(TypedDict, total=False):
    becomes: dict
    heard: list


@pytest.mark.parametrize(
    "becomes",
    [
        {"status": "resumed", "answer": "by default"},
        {"status": "resumed", "answer": "directly", "author": "bob"},
        {"status": "rejected", "answer": "nobody waits for the answer any more"},
    ],
)
async def test_what_is_listed_is_what_it_used_where_it_settled_otherwise_than_the_parents_thread_was_answered(
    client: OrisClient, serve: Serve, thread: str, becomes: dict
) -> None:
    child = StateGraph(Heard).add_node("ask", lambda state: {}).add_edge(START, "ask").add_edge("ask", END)
    graph = StateGraph(Heard).add_edge(START, "child").add_edge("child", END)
    graph.add_subgraph("child", child.compile(name="inner"), run_as="child_workflow", task_queue=f"{thread}-child")
    async with (
        serve(graph.compile(name="outer")),
        Worker(client.temporal, task_queue=f"{thread}-child", workflows=[SettlesOtherwise]),
    ):
        await client.run("outer", thread, {"becomes": becomes})
        done = await client.resume(thread, "in time", author="ada")
        assert done.values["heard"] == [["in time", {"interrupt_id": "int-child-0", "author": "ada"}]]
        [item] = await client.interrupts(thread, all=True)
        assert (item.status, item.answer, item.author) == (becomes["status"], becomes["answer"], becomes.get("author"))
        settled = [event.data for event in await client.timeline(thread) if event.kind in ("resumed", "rejected")]
        assert settled[0]["value"] == "in time"
        assert settled[1].get("value", settled[1].get("reason")) == becomes["answer"]


async def ask_one(item: int, ctx: Context) -> dict:
    return {"log": [f"{item}={await ctx.interrupt(item)}"]}


asking_twelve = (
    StateGraph(Log)
    .add_node("ask_one", ask_one)
    .add_conditional_edges(START, lambda state: [Send("ask_one", item) for item in range(12)], ["ask_one"])
    .add_edge("ask_one", END)
    .compile(name="asking_twelve")
)


@pytest.mark.parametrize("run_as", BOTH)
async def test_its_questions_are_in_the_order_of_its_tasks(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs
) -> None:
    graph = outer(run_as, asking_twelve)
    here = await graph.invoke({}, {"configurable": {"thread_id": thread}})
    async with serve(graph):
        paused = await client.run("outer", thread, {})
        assert [item.value for item in paused.interrupts] == list(range(12))
        assert [(item.id, item.value) for item in paused.interrupts] == [
            (item.id, item.value) for item in here.interrupts
        ]
        done = await client.resume(thread, {item.id: f"answer {item.value}" for item in paused.interrupts}, by_id=True)
    assert done.values["log"][:12] == [f"{item}=answer {item}" for item in range(12)]


@pytest.mark.parametrize("run_as", BOTH)
async def test_its_question_can_be_answered_while_another_node_of_it_works(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs
) -> None:
    go_on = asyncio.Event()

    async def work(state: Log) -> dict:
        await go_on.wait()
        return {"log": ["worked"]}

    child = StateGraph(Log).add_node("ask", ask).add_node("work", work).add_edge(START, "ask").add_edge(START, "work")
    graph = outer(run_as, child.add_edge("ask", END).add_edge("work", END).compile(name="both"))
    async with serve(graph):
        await client.start(graph, thread, {})
        [question] = await eventually(lambda: client.interrupts(thread))
        resuming = asyncio.create_task(client.resume(thread, "early", interrupt_id=question.id))
        await eventually(lambda: _answered(client, thread))
        go_on.set()
        assert (await resuming).values["log"] == ["inner early", "worked", "after 2"]


async def _answered(client: OrisClient, thread: str) -> bool:
    return [item.status for item in await client.interrupts(thread, all=True)] == ["resumed"]


async def wait_for_news(state: Log, ctx: Context) -> dict:
    return {"log": [f"{ctx.graph} got {await ctx.wait_signal('news')}"]}


def waiting_for_news(run_as: RunAs) -> CompiledGraph:
    child = StateGraph(Log)
    for name in ("one", "other"):
        child.add_node(name, wait_for_news).add_edge(START, name).add_edge(name, END)
    return outer(run_as, child.compile(name="newsroom"))


@pytest.mark.parametrize("run_as", BOTH)
@pytest.mark.parametrize("continue_as_new_after", [None, 10])
async def test_signals_for_the_thread_reach_it(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs, continue_as_new_after: int | None
) -> None:
    expected = ["newsroom got 1", "newsroom got 2", "after 2"]
    graph = waiting_for_news(run_as)
    here = asyncio.create_task(graph.invoke({}, {"configurable": {"thread_id": thread}}))
    await asyncio.sleep(0)
    for value in (1, 2):
        await graph.signal({"configurable": {"thread_id": thread}}, "news", value)
    assert (await here).values["log"] == expected

    async with serve(graph):
        await client.start(graph, thread, {}, continue_as_new_after=continue_as_new_after)
        await client.signal(thread, "news", 1)  # perhaps before anybody waits
        await eventually(lambda: _signalled(client, thread))
        await client.signal(thread, "news", 2)
        assert (await client.result(thread)).values["log"] == expected


async def _signalled(client: OrisClient, thread: str) -> bool:
    return (await event_counts(client, thread))["WORKFLOW_EXECUTION_SIGNALED"] > 0


async def test_a_thread_runs_again_while_the_child_of_its_last_run_winds_up(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    winding_up, go_on = asyncio.Event(), asyncio.Event()

    async def stubborn(state: Log) -> dict:
        try:
            await asyncio.sleep(0 if state.get("log") else 600)
        except asyncio.CancelledError:
            winding_up.set()
            await go_on.wait()
            raise
        return {"log": ["done"]}

    child = StateGraph(Log).add_node("stubborn", stubborn).add_edge(START, "stubborn").add_edge("stubborn", END)
    graph = outer("child_workflow", child.compile(name="stubborn"))
    async with serve(graph, max_cached_workflows=10):
        await client.start(graph, thread, {})
        await eventually(lambda: _started(client, f"{thread}/1/child/0"))
        again = await client.run(graph, thread, {"log": ["quick"]}, on_conflict="replace")
        assert again.values["log"] == ["quick", "done", "after 2"]
        await winding_up.wait()
        go_on.set()
        await eventually(lambda: _is_over(client, f"{thread}/1/child/0"))


async def _started(client: OrisClient, thread: str) -> bool:
    with suppress(ThreadNotFoundError):
        return (await client.inspect(thread)).next == ["stubborn"]
    return False


async def _is_over(client: OrisClient, thread: str) -> bool:
    return (await client.inspect(thread)).status == "cancelled"


@pytest.mark.parametrize("run_as", BOTH)
async def test_when_it_fails_the_parent_fails_and_names_the_node(
    client: OrisClient, serve: Serve, thread: str, run_as: RunAs
) -> None:
    async def bad(state: Log) -> None:
        raise ValueError("inner trouble")

    child = StateGraph(Log).add_node("bad", bad).add_edge(START, "bad").add_edge("bad", END).compile(name="badly")
    async with serve(outer(run_as, child)):
        result = await client.run("outer", thread, {"log": []})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "node")
    assert result.error["details"]["node"] == "badly.bad"
    assert "inner trouble" in result.error["message"]


@pytest.mark.parametrize("run_as", BOTH)
async def test_cancelling_the_parent_cancels_it(client: OrisClient, serve: Serve, thread: str, run_as: RunAs) -> None:
    async with serve(outer(run_as)):
        await client.run("outer", thread, {"log": []})
        assert (await client.cancel(thread)).status == "cancelled"
        if run_as == "child_workflow":
            assert (await client.inspect(f"{thread}/1/child/0")).status == "cancelled"


async def test_the_parent_is_listed_with_the_question_and_the_child_as_its_child(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(outer("child_workflow")):
        await client.run("outer", thread, {"log": []})

        async def listed() -> bool:
            return f"int-{thread}-0" in {item.id for item in await client.interrupts()}

        await eventually(listed)
        await client.resume(thread, "yes")
